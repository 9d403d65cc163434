//! What the service manager is told (`sd_notify`): ready, reloading, stopping, and how things stand.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// The service manager's socket, if one has started this process.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// By `NOTIFY_SOCKET`. The socket is opened here, so that a `chroot` does not cut it off.
    pub(crate) fn from_env() -> Self {
        let name = env::var("NOTIFY_SOCKET").ok();
        Self { socket: name.and_then(|name| connect(&name)) }
    }

    /// Whether there is a service manager: it then watches this very process, which must not go into the background.
    pub(crate) fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// The configuration is good, and `pid` is the process to watch.
    pub(crate) fn ready(&self, pid: u32) {
        self.send(&format!("READY=1\nSTATUS=Pre-connection initialization successful\nMAINPID={pid}"));
    }

    /// One line about how things stand.
    pub(crate) fn status(&self, text: &str) {
        self.send(&format!("STATUS={text}"));
    }

    /// The configuration is being read again; [`ready`](Self::ready) ends that.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The process is about to end.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // Nothing can be done about a manager that does not listen.
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// A path, or with `@` before it a name in the abstract name space.
fn connect(name: &str) -> Option<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok()?,
        None => SocketAddr::from_pathname(name).ok()?,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_found_by_path_and_by_abstract_name() {
        let path = env::temp_dir().join(format!("adit-notify-{}", std::process::id()));
        let abstract_name = format!("adit-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (listener, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{abstract_name}")),
        ] {
            let notifier = Notifier { socket: connect(&name) };
            assert!(notifier.is_there());
            notifier.ready(7);
            let mut buffer = [0; 256];
            let count = listener.recv(&mut buffer).unwrap();
            assert_eq!(
                std::str::from_utf8(&buffer[..count]).unwrap(),
                "READY=1\nSTATUS=Pre-connection initialization successful\nMAINPID=7"
            );
        }
        std::fs::remove_file(&path).unwrap();
        assert!(connect("/no/such/socket").is_none());
    }
}
