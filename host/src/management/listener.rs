//! Where management clients come from: a TCP port or a unix socket that is listened at, or one that is called.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit::config::{ManagementAddress, ManagementConfig};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::errors::cause;
use crate::lines::family_address;
use crate::resolve::resolve;
use crate::sys::{Group, User};

/// How long `management-client` waits for its connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const BACKLOG: i32 = 16;

/// Who may connect to a unix socket.
#[derive(Clone, Copy, Debug, Default)]
struct Admitted {
    user: Option<User>,
    group: Option<Group>,
}

/// A socket that is listened at. Its file goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    file: Option<PathBuf>,
    admitted: Admitted,
}

/// Who has come.
#[derive(Debug)]
pub(super) enum Caller {
    /// Somebody, and where from.
    Welcome(Socket, String),
    /// Somebody who may not; the reason.
    Refused(String),
}

impl Listener {
    /// Listens where `config` says; also, in words, where that is.
    pub(super) fn bind(config: &ManagementConfig) -> Result<(Self, String), String> {
        match &config.address {
            ManagementAddress::Tcp { host, port } => Self::bind_tcp(host, *port),
            ManagementAddress::Unix(path) => Self::bind_unix(path, config),
        }
    }

    fn bind_tcp(host: &str, port: u16) -> Result<(Self, String), String> {
        let address = tcp_address(host, port)?;
        let listen = || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            listening(&socket)?;
            Ok(socket)
        };
        let socket = listen().map_err(|error: io::Error| {
            format!("management: cannot listen at {address}: {}", cause(&error))
        })?;
        let bound = socket.local_addr().ok().and_then(|bound| bound.as_socket()).unwrap_or(address);
        let place = format!("TCP Socket listening on {}", family_address(&bound.into()));
        Ok((Self { socket, file: None, admitted: Admitted::default() }, place))
    }

    fn bind_unix(path: &str, config: &ManagementConfig) -> Result<(Self, String), String> {
        let user = config.client_user.as_deref().map(User::find).transpose();
        let user = user.map_err(|error| format!("management-client-user: {error}"))?;
        let group = config.client_group.as_deref().map(Group::find).transpose();
        let group = group.map_err(|error| format!("management-client-group: {error}"))?;
        let listen = || {
            // The socket of a process that was killed; anything else stays, and is an error below.
            if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
                fs::remove_file(path)?;
            }
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            let address = SockAddr::unix(path)?;
            // As OpenVPN does: who may connect is settled by user and group below, a password, or the directory. The
            // mode is not changed afterwards: by then another user's link may have taken the path.
            let umask = rustix::process::umask(Mode::empty());
            let bound = socket.bind(&address);
            rustix::process::umask(umask);
            bound?;
            listening(&socket)?;
            Ok(socket)
        };
        let socket = listen()
            .map_err(|error: io::Error| format!("management: cannot listen at {path}: {}", cause(&error)))?;
        let file = Some(Path::new(path).to_owned());
        let place = format!("unix domain socket listening on {path}");
        Ok((Self { socket, file, admitted: Admitted { user, group } }, place))
    }

    /// Whether anybody on the network may come.
    pub(super) fn is_exposed(&self) -> bool {
        let local = self.socket.local_addr().ok().and_then(|local| local.as_socket());
        local.is_some_and(|local| !local.ip().to_canonical().is_loopback())
    }

    /// The next caller that waits, if any.
    pub(super) fn accept(&self) -> io::Result<Option<Caller>> {
        let (socket, from) = match self.socket.accept() {
            Ok(accepted) => accepted,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let name = match from.as_socket() {
            Some(from) => family_address(&from.into()),
            None => match self.refusal(&socket) {
                Some(refusal) => return Ok(Some(Caller::Refused(refusal))),
                None => "unix socket".to_owned(),
            },
        };
        Ok(Some(Caller::Welcome(socket, name)))
    }

    /// Why the other end of a unix socket may not connect.
    fn refusal(&self, socket: &Socket) -> Option<String> {
        let Admitted { user, group } = self.admitted;
        if user.is_none() && group.is_none() {
            return None;
        }
        let Ok(peer) = rustix::net::sockopt::socket_peercred(socket) else {
            return Some("the system does not tell whose it is".to_owned());
        };
        let (uid, gid) = (peer.uid.as_raw(), peer.gid.as_raw());
        let admitted = user.is_none_or(|user| user.uid == uid) && group.is_none_or(|group| group.gid == gid);
        (!admitted)
            .then(|| format!("user {uid}, group {gid}: not those of management-client-user and -group"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // After a chroot the path may be another's.
        if let Some(file) = &self.file
            && fs::symlink_metadata(file).is_ok_and(|metadata| metadata.file_type().is_socket())
        {
            let _ = fs::remove_file(file);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `management-client`: calls where `config` says; also, in words, where that is.
pub(super) fn call(config: &ManagementConfig) -> Result<(Socket, String), String> {
    let (domain, address, name) = match &config.address {
        ManagementAddress::Tcp { host, port } => {
            let address = tcp_address(host, *port)?;
            (Domain::for_address(address), address.into(), family_address(&address.into()))
        }
        ManagementAddress::Unix(path) => {
            let address =
                SockAddr::unix(path).map_err(|error| format!("management: {path}: {}", cause(&error)))?;
            (Domain::UNIX, address, path.clone())
        }
    };
    let connect = || {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.connect_timeout(&address, CONNECT_TIMEOUT)?;
        Ok(socket)
    };
    let socket = connect().map_err(|error: io::Error| {
        format!("management-client: cannot connect to {name}: {}", cause(&error))
    })?;
    Ok((socket, name))
}

fn listening(socket: &Socket) -> io::Result<()> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)
}

fn tcp_address(host: &str, port: u16) -> Result<SocketAddr, String> {
    if host == "tunnel" {
        return Err("management: 'tunnel' is not built; name an address of this machine".to_owned());
    }
    let addresses = resolve(host, port, None).map_err(|error| format!("management: {error}"))?;
    addresses.first().copied().ok_or_else(|| format!("management: {host} has no address"))
}
