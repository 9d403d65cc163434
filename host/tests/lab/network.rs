//! Two network namespaces joined by a cable, named after this process so that runs do not meet.

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{run, run_unchecked};

/// The server's outer addresses.
pub const SERVER_IPV4: &str = "192.0.2.1";
/// The server's outer IPv6 address.
pub const SERVER_IPV6: &str = "2001:db8::1";

const PREFIX: &str = "adit-lab-";

/// A server's and a client's namespace, and the cable between their `eth0`s.
pub struct Network {
    /// 192.0.2.1 and 2001:db8::1.
    pub server: Namespace,
    /// 192.0.2.2 and 2001:db8::2.
    pub client: Namespace,
}

impl Network {
    /// Makes both; needs root.
    pub fn new() -> Self {
        let network = Self { server: Namespace::new("server"), client: Namespace::new("client") };
        cable((&network.server, "eth0"), (&network.client, "eth0"));
        let (server, client) = (network.server.name(), network.client.name());
        for (namespace, host) in [(server, "1"), (client, "2")] {
            run("ip", &["-n", namespace, "address", "add", &format!("192.0.2.{host}/24"), "dev", "eth0"]);
            run(
                "ip",
                &["-n", namespace, "address", "add", &format!("2001:db8::{host}/64"), "dev", "eth0", "nodad"],
            );
        }
        network
    }
}

/// Joins two devices that it makes, and that are up then.
pub fn cable(near: (&Namespace, &str), far: (&Namespace, &str)) {
    let (namespace, device) = near;
    let end = [device, "netns", namespace.name(), "type", "veth"];
    let other = ["peer", "name", far.1, "netns", far.0.name()];
    run("ip", &[&["link", "add"][..], &end, &other].concat());
    for (namespace, device) in [near, far] {
        run("ip", &["-n", namespace.name(), "link", "set", device, "up"]);
    }
}

/// A network namespace with its loopback up. Deleted when dropped.
pub struct Namespace(String);

impl Namespace {
    /// Makes one; `role` becomes part of its name.
    pub fn new(role: &str) -> Self {
        static STALE: Once = Once::new();
        STALE.call_once(delete_stale);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("{PREFIX}{}-{number}-{role}", std::process::id()));
        run("ip", &["netns", "add", namespace.name()]);
        run("ip", &["-n", namespace.name(), "link", "set", "lo", "up"]);
        // Programs inside find this in place of /etc/resolv.conf. One that changes it must not change the machine's.
        fs::create_dir_all(namespace.etc()).unwrap();
        let text = fs::read("/etc/resolv.conf").unwrap_or_default();
        fs::write(namespace.etc().join("resolv.conf"), text).unwrap();
        namespace
    }

    /// What `ip netns exec` puts in place of files in `/etc`.
    pub fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.0)
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Runs a program inside, to its end; it must succeed.
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        run("ip", &[&["netns", "exec", self.name(), program], args].concat())
    }

    /// Calls `make` inside, typically to open a socket, which then stays inside.
    pub fn inside<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(&self.0);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // A thread enters a namespace for good, so this one is for the call alone.
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            make()
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.etc());
        if !Path::new("/run/netns").join(&self.0).exists() {
            return;
        }
        // A namespace without a name lives on with the programs in it.
        let inside = run_unchecked("ip", &["netns", "pids", &self.0]);
        for process in String::from_utf8_lossy(&inside.stdout).split_ascii_whitespace() {
            if let Some(process) = process.parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
        run_unchecked("ip", &["netns", "delete", &self.0]);
    }
}

/// Deletes the namespaces of runs that were killed before they could, and what stood for their `/etc`.
fn delete_stale() {
    for folder in ["/run/netns", "/etc/netns"] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                drop(Namespace(name.clone()));
            }
        }
    }
}
