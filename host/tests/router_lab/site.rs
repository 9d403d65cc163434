//! A site: an adit server between its clients, each on a cable of its own, and a LAN with a bastion.

use core::net::{IpAddr, SocketAddr};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::{fs, thread};

use crate::lab::console::Console;
use crate::lab::network::{Namespace, cable};
use crate::lab::pki::{Keys, Pki, Purpose};
use crate::lab::place::{Place, UP};
use crate::lab::process::Process;
use crate::lab::program::Program::{Adit, Stock};
use crate::lab::program::{path, unpacked};
use crate::lab::{Folder, PATIENCE, run, run_unchecked, wait_until};

/// The server's address on the LAN, and the bastion's.
pub const OURS: &str = "10.0.1.3";
pub const BASTION: &str = "10.0.2.2";
/// The whole picture.
pub const EXAMPLE: &str = include_str!("../../../examples/config/bastion-server.conf");
/// What it allows, and a test takes away.
pub const SSH_RULE: &str = "allow group:ops 10.0.2.2/32 tcp 22\n";

/// The clients, the server, the LAN's switch, the bastion.
pub struct Site {
    pub place: Place,
    pub bastion: Bastion,
    pub switch: Namespace,
    /// Those after the first, which is the place's.
    further: Vec<Namespace>,
}

impl Site {
    /// With so many clients, in a table of cases.
    pub fn within(name: &str, clients: usize) -> Self {
        Self::at(Place::within(name), clients)
    }

    fn at(place: Place, clients: usize) -> Self {
        let server = place.network.server.name();
        // Its `eth0` is the LAN's side.
        run("ip", &["-n", server, "link", "set", "eth0", "down"]);
        run("ip", &["-n", server, "link", "set", "eth0", "name", "wan1", "up"]);
        let further = (2..=clients).map(|number| {
            let client = Namespace::new(&format!("client{number}"));
            let device = format!("wan{number}");
            cable((&place.network.server, &device), (&client, "eth0"));
            let address = |host| format!("198.51.100.{}/30", 4 * number + host);
            run("ip", &["-n", server, "address", "add", &address(1), "dev", &device]);
            run("ip", &["-n", client.name(), "address", "add", &address(2), "dev", "eth0"]);
            client
        });
        let further = further.collect();
        let switch = Namespace::new("switch");
        run("ip", &["-n", switch.name(), "link", "add", "br0", "type", "bridge", "forward_delay", "0"]);
        run("ip", &["-n", switch.name(), "link", "set", "br0", "up"]);
        plug(&switch, "port1", &place.network.server, "eth0");
        run("ip", &["-n", server, "address", "add", "10.0.1.2/16", "dev", "eth0"]);
        let bastion = Bastion::new(&place.folder, &switch);
        for number in 2..=clients {
            Pki::easy_rsa(Keys::Ec).issue(Purpose::Client, &format!("client{number}"));
        }
        Self { place, bastion, switch, further }
    }

    /// A client's namespace, from 1 on.
    pub fn client(&self, number: usize) -> &Namespace {
        number.checked_sub(2).map_or(&self.place.network.client, |at| &self.further[at])
    }

    /// The server, with what a test needs beside `text`.
    pub fn serve(&self, text: &str) -> Process {
        self.place.up_at_server(Adit, "server", &with_console(text))
    }

    /// Changes the server's file, and tells it.
    pub fn change(&self, server: &mut Process, text: &str) {
        self.place.folder.write("server.conf", with_console(text));
        server.signal(rustix::process::Signal::HUP);
        server.expect_line("only directives of the router have changed", PATIENCE);
    }

    /// All clients, stock, connected; named after their certificates.
    pub fn connect_all(&self) -> Vec<Process> {
        let pki = Pki::easy_rsa(Keys::Ec);
        let start = |number: usize| {
            let remote = match number {
                1 => "192.0.2.1".to_owned(),
                _ => format!("198.51.100.{}", 4 * number + 1),
            };
            let name = format!("client{number}");
            let text = format!(
                "client\nnobind\ndev tun\nremote-cert-tls server\nverb 3\nremote {remote}\n{}",
                pki.directives(&name)
            );
            Stock.start(self.client(number), &self.place.folder, &name, &text)
        };
        let mut clients: Vec<Process> = (1..=1 + self.further.len()).map(start).collect();
        for client in &mut clients {
            client.expect_line(UP, PATIENCE);
        }
        clients
    }

    /// The server's management interface.
    pub fn console(&self) -> Console {
        Console::unix(&self.place.folder.path().join("server.sock"))
    }

    /// The lines of the flow log.
    pub fn flow_log(&self) -> Vec<serde_json::Value> {
        self.place.file("flows.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A program at a client, to its end; with all that it prints.
    pub fn at_client(&self, number: usize, words: &[&str]) -> (bool, String) {
        let output = run_unchecked("ip", &[&["netns", "exec", self.client(number).name()], words].concat());
        (output.status.success(), printed(&output))
    }

    /// `ssh` from a client to the bastion, to have `command` run there.
    pub fn ssh(&self, number: usize, command: &str) -> (bool, String) {
        let words = self.bastion.ssh_words(&self.place.folder, command);
        self.at_client(number, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// An `ssh` that stays.
    pub fn open_ssh(&self, number: usize) -> OpenSsh {
        OpenSsh::start(self.client(number), &self.bastion.ssh_words(&self.place.folder, "cat"))
    }
}

/// Joins `device` in `namespace` with a port of the switch; it is up then.
pub fn plug(switch: &Namespace, port: &str, namespace: &Namespace, device: &str) {
    cable((namespace, device), (switch, port));
    run("ip", &["-n", switch.name(), "link", "set", port, "master", "br0"]);
}

fn with_console(text: &str) -> String {
    format!("{text}verb 4\nmanagement server.sock unix\n")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A host on the LAN whose `sshd` lets in who comes from that LAN, and that has no way to anywhere else.
pub struct Bastion {
    pub host: Namespace,
    sshd: Process,
}

impl Bastion {
    fn new(folder: &Folder, switch: &Namespace) -> Self {
        let host = Namespace::new("bastion");
        plug(switch, "port2", &host, "eth0");
        run("ip", &["-n", host.name(), "address", "add", &format!("{BASTION}/16"), "dev", "eth0"]);
        for name in ["host-key", "user-key"] {
            let file = folder.path().join(name);
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path(&file)]);
        }
        // Its users, in place of the machine's.
        let users =
            "root:x:0:0::/root:/bin/sh\nadmin:x:60001:60001::/:/bin/sh\nsshd:x:60002:60002::/:/bin/false\n";
        fs::write(host.etc().join("passwd"), users).unwrap();
        fs::write(host.etc().join("shadow"), "admin:*:1::::::\n").unwrap();
        let config = folder.write(
            "sshd_config",
            format!(
                "ListenAddress {BASTION}\nHostKey {}\nAuthorizedKeysFile /run/sshd/keys\n\
                 AllowUsers admin@10.0.0.0/16\nStrictModes no\nUsePAM no\nUseDNS no\nPidFile none\n",
                path(&folder.path().join("host-key"))
            ),
        );
        let peer = unpacked("sshd");
        let mut libraries =
            fs::read_dir(format!("{peer}/usr/lib")).unwrap().flatten().map(|entry| entry.path());
        let libraries = libraries.find(|folder| folder.join("libwrap.so.0").exists()).unwrap();
        // `ip netns exec` gives it mounts of its own. `admin` may not be able to read in the test's folder.
        let command = format!(
            "mount -t tmpfs none /run && mkdir /run/sshd && cp {} /run/sshd/keys && \
             LD_LIBRARY_PATH={} exec {peer}/usr/sbin/sshd -D -e -f {}",
            path(&folder.path().join("user-key.pub")),
            path(&libraries),
            path(&config)
        );
        let mut sshd = Process::start(&host, folder.path(), "sshd", "sh", &["-c", &command]);
        sshd.expect_line("Server listening on", PATIENCE);
        Self { host, sshd }
    }

    fn ssh_words(&self, folder: &Folder, command: &str) -> Vec<String> {
        let key = folder.path().join("user-key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let words = ["ssh", "-F", "none", "-i", path(&key), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"];
        let unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
        let whom = format!("admin@{BASTION}");
        [&words[..], &unknown, &[&whom, command]].concat().into_iter().map(str::to_owned).collect()
    }

    /// Whom its log says it has let in: `Accepted publickey for admin from 10.0.1.200 port 49152 ssh2`
    pub fn accepted(&self) -> Vec<SocketAddr> {
        let log = self.sshd.log();
        let lines = log.lines().filter_map(|line| line.strip_prefix("Accepted publickey for admin from "));
        lines
            .map(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                SocketAddr::new(words[0].parse::<IpAddr>().unwrap(), words[2].parse().unwrap())
            })
            .collect()
    }
}

/// An `ssh` to the bastion, where `cat` sends back each line.
pub struct OpenSsh {
    child: Child,
    said: thread::JoinHandle<Vec<String>>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl OpenSsh {
    fn start(client: &Namespace, words: &[String]) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", client.name(), "setpriv", "--pdeathsig", "KILL", "--"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (heard, lines) = std::sync::mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).all(|line| heard.send(line).is_ok()));
        let errors = BufReader::new(child.stderr.take().unwrap());
        let said = thread::spawn(move || errors.lines().map_while(Result::ok).collect());
        Self { child, said, lines }
    }

    /// Types a line.
    pub fn enter(&mut self, line: &str) {
        let _ = writeln!(self.child.stdin.as_mut().unwrap(), "{line}");
    }

    /// The line comes back.
    pub fn echoes(&mut self, line: &str) {
        self.enter(line);
        assert_eq!(self.lines.recv_timeout(PATIENCE).as_deref(), Ok(line));
    }

    /// Waits for its end; its exit status, what it complained of, and that nothing more has come back.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        let ended = wait_until(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        if !ended {
            let _ = self.child.kill();
        }
        assert!(ended, "ssh goes on");
        assert!(self.lines.recv().is_err(), "a line came through");
        (status.unwrap().code(), self.said.join().unwrap().join("\n"))
    }
}

/// All that somebody could set to have packets forwarded: settings, filters, addresses, routes, devices.
pub fn settings(host: &Namespace) -> String {
    // What is not there yet would be a change to come.
    let settled = || !host.run("ip", &["-6", "address"]).contains("tentative");
    assert!(wait_until(PATIENCE, settled));
    let inside = |words: &[&str]| {
        let output = run_unchecked("ip", &[&["netns", "exec", host.name()], words].concat());
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        assert!(output.status.code().is_some_and(|code| code == 0 || words[0] == "grep"), "{words:?}");
        format!("{words:?}\n{}\n", lines.join("\n"))
    };
    [
        &["grep", "-rs", ".", "/proc/sys/net/ipv4", "/proc/sys/net/ipv6"][..],
        &["grep", "-s", ".", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"],
        &["nft", "list", "ruleset"],
        &["ip", "-oneline", "link"],
        &["ip", "-oneline", "-4", "address"],
        &["ip", "rule"],
        &["ip", "route", "show", "table", "all"],
        &["ip", "-6", "route", "show", "table", "all"],
    ]
    .map(inside)
    .concat()
}

/// The example's text, with the lab's keys.
pub fn example() -> String {
    let pki = Pki::easy_rsa(Keys::Ec);
    let mut text = EXAMPLE.to_owned();
    for (name, file) in
        [("ca.crt", pki.ca()), ("server.crt", pki.certificate("server")), ("server.key", pki.key("server"))]
    {
        text = text.replace(&format!("/etc/openvpn/{name}"), path(&file));
    }
    text
}
