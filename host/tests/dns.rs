//! DNS settings of a client: in force while the tunnel is up, for programs that know nothing of it, and gone afterwards,
//! however it ends.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;
use std::path::PathBuf;

use lab::names::NameServer;
use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::program::{path, unpacked};
use lab::{PATIENCE, run_unchecked, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const PUSHES: &str = "push \"dhcp-option DNS 10.8.0.1\"\npush \"dhcp-option DOMAIN corp.example\"\n";

/// A server that pushes DNS settings, a name server behind it and one that the client has anyway.
struct Office {
    at: Place,
    home: NameServer,
    _server: Process,
    _names: Process,
}

impl Office {
    fn new(test: &str, pushes: &str) -> Self {
        let at = Place::new(test);
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\nkeepalive 1 5\n{pki}{pushes}"
        );
        let server = at.up_at_server(Stock, "server", &text);
        let options = [
            "--no-daemon",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
            "--listen-address=10.8.0.1",
            "--address=/host.corp.example/10.8.0.7",
            "--pid-file=",
            "--user=root",
        ];
        let mut names = Process::start(&at.network.server, at.folder.path(), "dnsmasq", "dnsmasq", &options);
        names.expect_line("started", PATIENCE);
        let home = NameServer::start(&at.network, SERVER_IPV4.parse().unwrap());
        Self { at, home, _server: server, _names: names }
    }

    fn connect(&self, name: &str, more: &str) -> Process {
        self.at.up_at_client(Adit, name, &client_text(more))
    }

    /// The client's `/etc/resolv.conf`.
    fn resolv_conf(&self) -> PathBuf {
        self.at.network.client.etc().join("resolv.conf")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.resolv_conf()).unwrap()
    }

    /// The address that a program in the client's namespace gets for a name.
    fn resolve(&self, name: &str) -> String {
        let args = ["netns", "exec", self.at.network.client.name(), "getent", "ahostsv4", name];
        let output = run_unchecked("ip", &args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_ascii_whitespace().next().unwrap_or_default().to_owned()
    }

    /// A program that notes how it is called.
    fn recorder(&self, name: &str) -> PathBuf {
        let folder = self.at.folder.path().join("bin");
        fs::create_dir_all(&folder).unwrap();
        let log = self.at.folder.path().join("calls");
        self.at.script(&format!("bin/{name}"), &format!("{{ echo \"$@\"; cat; }} >>{}", path(&log)));
        folder
    }

    fn calls(&self) -> String {
        self.at.file("calls")
    }

    /// What a process has started: the guard of a client's settings.
    fn child_of(client: &Process) -> u32 {
        let id = client.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_ascii_whitespace().next().unwrap().parse().unwrap()
    }
}

fn client_text(more: &str) -> String {
    lab::place::client_text(&format!("proto udp\nremote {SERVER_IPV4} 1194\n{more}"))
}

fn kill(id: u32) {
    let _ = kill_process(Pid::from_raw(id as i32).unwrap(), Signal::KILL);
}

#[test]
fn the_file_is_changed_and_restored() {
    let office = Office::new("dns file", PUSHES);
    let before = office.text();
    assert_eq!(office.resolve("host.corp.example"), SERVER_IPV4);
    let mut client = office.connect("client", "");
    client.expect_line("DNS: names are resolved by 10.8.0.1 by ", PATIENCE);
    assert_eq!(office.resolve("host.corp.example"), "10.8.0.7");
    assert_eq!(office.resolve("host"), "10.8.0.7");
    let asked = office.home.asked().len();
    assert_eq!(office.resolve("elsewhere.example"), "");
    assert_eq!(office.home.asked().len(), asked, "the other name server was asked too");
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    assert_eq!(office.text(), before);
    assert_eq!(office.resolve("host.corp.example"), SERVER_IPV4);

    // Without root, the guard still has it.
    let mut client = office.connect("unprivileged", "user nobody\ngroup nogroup\n");
    client.expect_line("UID set to ", PATIENCE);
    assert_eq!(office.resolve("host.corp.example"), "10.8.0.7");
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    assert_eq!(office.text(), before);

    let mut client = office.connect("disabled", "dns-updown disable\n");
    assert_eq!(office.text(), before);
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
}

#[test]
fn a_client_that_is_killed_leaves_nothing() {
    let office = Office::new("dns kill", PUSHES);
    let network = &office.at.network;
    network.client.run("ip", &["route", "add", "default", "via", SERVER_IPV4]);
    let before = (office.text(), network.client.run("ip", &["route"]));
    let now = || (office.text(), network.client.run("ip", &["route"]));
    for options in
        ["redirect-gateway def1\n", "redirect-gateway\n", "redirect-gateway\nuser nobody\npersist-tun\n"]
    {
        let client = office.connect("killed", options);
        assert_ne!(now().0, before.0);
        assert_ne!(now().1, before.1);
        client.signal(Signal::KILL);
        assert!(wait_until(PATIENCE, || now() == before), "{options}: {:?}", now());
    }

    // Both at once: the next start finds what is left, and could not even find its server otherwise.
    let client = office.connect("both", "redirect-gateway\n");
    kill(Office::child_of(&client));
    kill(client.id());
    drop(client);
    assert_ne!(now().0, before.0);
    assert!(wait_until(PATIENCE, || now().1 != before.1 && !now().1.contains("tun")), "{:?}", now());
    let mut client = office.connect("next", "");
    assert_eq!(client.count("an earlier process was killed"), 3, "{}", client.log());
    assert_eq!(office.resolve("host.corp.example"), "10.8.0.7");
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    assert_eq!(now(), before);
}

/// Killed at any moment, it leaves the system its default route.
#[test]
fn a_guard_hears_of_a_route_before_it_is_taken_away() {
    let office = Office::new("dns order", "");
    office.at.network.client.run("ip", &["route", "add", "default", "via", SERVER_IPV4]);
    let conf = office.at.folder.write("client.conf", client_text("redirect-gateway\n"));
    let calls = ["strace", "-f", "-s", "4096", "-e", "trace=write,sendto,sendmsg", "-o", "trace"];
    let args = [&calls[1..], &[Adit.executable(), path(&conf)]].concat();
    let (network, folder) = (&office.at.network.client, office.at.folder.path());
    let mut client = Process::start(network, folder, "client", calls[0], &args);
    client.expect_line(UP, PATIENCE);
    let trace = office.at.file("trace");
    let (_, trace) = trace.split_once("TUN/TAP device").unwrap();
    let first = |what: &[&str]| {
        let line = trace.lines().position(|line| what.iter().all(|what| line.contains(what)));
        line.unwrap_or_else(|| panic!("{what:?}: {trace}"))
    };
    let told = first(&["keep", "route add 0.0.0.0/0 via 192.0.2.1"]);
    assert!(told < first(&["RTM_DELROUTE"]), "{trace}");
    // What is traced would outlive who traces.
    let adit = Pid::from_raw(Office::child_of(&client) as i32).unwrap();
    kill_process(adit, Signal::TERM).unwrap();
    assert!(client.expect_exit(PATIENCE).success());
}

#[test]
fn only_some_names_and_other_programs() {
    let pushes = "push \"dns search-domains a.example\"\npush \"dns server 0 address 10.8.0.1\"\n\
                  push \"dns server 0 resolve-domains corp.example\"\n";
    let office = Office::new("dns programs", pushes);
    let before = office.text();
    let mut client = office.connect("file", "");
    client.expect_line(
        "cannot send only the names in corp.example to the tunnel: all names go to 10.8.0.1",
        PATIENCE,
    );
    assert_eq!(office.resolve("host.corp.example"), "10.8.0.7");
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
    assert_eq!(office.text(), before);

    let start = |name: &str, more: &str, system: &str| {
        let file = office.at.folder.write(&format!("{name}.conf"), client_text(more));
        let bin = office.at.folder.path().join("bin");
        let command =
            format!("{system} PATH={}:$PATH; exec {} {}", path(&bin), Adit.executable(), path(&file));
        let args = ["--mount", "sh", "-e", "-c", &command];
        let mut client =
            Process::start(&office.at.network.client, office.at.folder.path(), name, "unshare", &args);
        client.expect_line(UP, PATIENCE);
        client.signal(Signal::TERM);
        assert!(client.expect_exit(PATIENCE).success());
        let calls = office.calls();
        fs::remove_file(office.at.folder.path().join("calls")).unwrap();
        calls
    };
    office.recorder("resolvconf");
    assert_eq!(start("resolvconf", "", ""), "-a tun0\nnameserver 10.8.0.1\nsearch a.example\n-d tun0\n");

    office.recorder("resolvectl");
    // A small /etc, with the link that systemd-resolved makes.
    let etc = path(office.at.folder.path()).to_owned() + "/etc";
    let system = format!(
        "mkdir {etc}; (cd /etc; cp -a {ETC} {etc}); \
         ln -s ../run/systemd/resolve/stub-resolv.conf {etc}/resolv.conf; mount --bind {etc} /etc;"
    );
    assert_eq!(
        start("resolved", "", &system),
        "dns tun0 10.8.0.1\ndomain tun0 a.example ~corp.example\ndefault-route tun0 no\ndnssec tun0 no\n\
         dnsovertls tun0 no\nrevert tun0\n"
    );

    let log = office.at.folder.path().join("calls");
    let command =
        format!("sh -c 'echo $script_type $dev $dns_server_1_resolve_domain_1 $1 >>{}' sh word", path(&log));
    let script = office.at.script("updown", &command);
    let updown = format!("script-security 2\ndns-updown {script}\n");
    assert_eq!(
        start("command", &updown, ""),
        "dns-up tun0 corp.example word\ndns-down tun0 corp.example word\n"
    );
    // The second by the guard, once the client is root no more.
    assert_eq!(
        start("unprivileged", &format!("{updown}user nobody\n"), ""),
        "dns-up tun0 corp.example word\ndns-down tun0 corp.example word\n"
    );
}

/// What an `/etc` of a test's own needs of the machine's: no keys and no passwords.
const ETC: &str = "passwd group nsswitch.conf hosts ld.so.cache ld.so.conf ld.so.conf.d";

/// A shell that makes a mount namespace into a system of its own, and runs adit there.
struct System(Process);

impl System {
    fn start(office: &Office, script: &str, peer: &str) -> Self {
        let conf = office.at.folder.write("client.conf", client_text(""));
        let assign = [
            format!("peer={}", unpacked(peer)),
            format!("names={ETC}"),
            format!("adit={}", Adit.executable()),
            format!("conf={}", path(&conf)),
        ];
        let mut args: Vec<&str> = assign.iter().map(String::as_str).collect();
        args.extend(["unshare", "--mount", "sh", "-e", "-c", script]);
        Self(Process::start(&office.at.network.client, office.at.folder.path(), "client", "env", &args))
    }

    /// What a program prints that runs in there.
    fn run(&self, words: &[&str]) -> String {
        let id = self.0.id().to_string();
        let output = run_unchecked("nsenter", &[&["-t", &id, "--mount", "--net"], words].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn resolve(&self, name: &str) -> String {
        let text = self.run(&["getent", "ahostsv4", name]);
        text.split_ascii_whitespace().next().unwrap_or_default().to_owned()
    }

    fn signal(&self, office: &Office, signal: Signal) {
        let id = office.at.file("adit.pid").trim().parse().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

/// Makes `/etc` and `/run` of a mount namespace its own, with a system bus, systemd-resolved, and 192.0.2.1 to ask by
/// `eth0`; runs adit, and looks a name up once it is gone.
const SYSTEM: &str = r#"
    mkdir etc
    for name in $names; do cp -a "/etc/$name" etc; done
    ln -s ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
    grep -q ^systemd-resolve: etc/passwd || echo systemd-resolve:x:996:996::/:/bin/false >>etc/passwd
    mkdir -p etc/dbus-1/system.d
    cp "$peer"/usr/share/dbus-1/system.d/*.conf etc/dbus-1/system.d
    mount --bind etc /etc
    mount -t tmpfs tmpfs /run
    mkdir -p /run/dbus /run/systemd/resolve
    chown "$(id -u systemd-resolve):$(id -g systemd-resolve)" /run/systemd/resolve
    export PATH="$peer/usr/bin:$PATH"
    export LD_LIBRARY_PATH=$(dirname "$(find "$peer" /usr/lib -name 'libsystemd-shared-*.so' | head -n 1)")
    setpriv --pdeathsig KILL dbus-daemon --system --nofork --nopidfile --nosyslog &
    until [ -S /run/dbus/system_bus_socket ]; do sleep 0.02; done
    setpriv --pdeathsig KILL "$(find "$peer" -name systemd-resolved -type f -perm -1 | head -n 1)" &
    until resolvectl dns eth0 192.0.2.1; do sleep 0.05; done
    resolvectl default-route eth0 yes
    setpriv --pdeathsig KILL "$adit" "$conf" &
    echo $! >adit.pid
    wait $!
    getent ahostsv4 host.corp.example >after
"#;

#[test]
fn systemd_resolved_sends_only_the_names_of_the_tunnel_there() {
    let pushes = "push \"dns search-domains corp.example\"\npush \"dns server 0 address 10.8.0.1\"\n\
                  push \"dns server 0 resolve-domains corp.example\"\n";
    let office = Office::new("dns resolved", pushes);
    let mut client = System::start(&office, SYSTEM, "systemd-resolved");
    client.0.expect_line("DNS: names in corp.example are resolved by 10.8.0.1 by resolvectl", PATIENCE);
    client.0.expect_line(UP, PATIENCE);
    assert_eq!(client.resolve("host.corp.example"), "10.8.0.7");
    assert_eq!(client.resolve("host"), "10.8.0.7");
    assert_eq!(client.resolve("elsewhere.example"), SERVER_IPV4);
    let asked = office.home.asked();
    assert!(asked.iter().any(|name| name == "elsewhere.example"), "{asked:?}");
    assert!(!asked.iter().any(|name| name.contains("corp")), "{asked:?}");

    client.signal(&office, Signal::TERM);
    assert!(client.0.expect_exit(PATIENCE).success());
    let after = fs::read_to_string(office.at.folder.path().join("after")).unwrap();
    assert!(after.starts_with(SERVER_IPV4), "{after}");
}

/// Makes `/etc` and `/run` of a mount namespace its own, puts openresolv where it looks for itself, and has 192.0.2.1 to
/// ask by `eth0`; runs adit, and stays until it is told to go.
const OPENRESOLV: &str = r#"
    mkdir etc
    for name in $names; do cp -a "/etc/$name" etc; done
    cp "$peer/etc/resolvconf.conf" etc
    cat more.conf >>etc/resolvconf.conf
    for folder in lib sbin; do
        at=$(readlink -f "/$folder")
        lower=$at
        for new in "$peer/usr/$folder" "$peer/$folder"; do if [ -d "$new" ]; then lower=$new:$lower; fi; done
        mount -t overlay overlay -o "ro,lowerdir=$lower" "$at"
    done
    mount --bind etc /etc
    mount -t tmpfs tmpfs /run
    echo nameserver 192.0.2.1 | resolvconf -a eth0
    cp /etc/resolv.conf before
    setpriv --pdeathsig KILL "$adit" "$conf" &
    echo $! >adit.pid
    until [ -e done ]; do sleep 0.05; done
"#;

#[test]
fn openresolv_is_told_and_told_again() {
    for signal in [Signal::TERM, Signal::KILL] {
        let office = Office::new("dns openresolv", PUSHES);
        office.at.folder.write("more.conf", "");
        let mut client = System::start(&office, OPENRESOLV, "openresolv");
        client.0.expect_line("DNS: names are resolved by 10.8.0.1 by ", PATIENCE);
        client.0.expect_line(UP, PATIENCE);
        let before = office.at.file("before");
        assert!(before.contains("nameserver 192.0.2.1"), "{before}");
        let text = client.run(&["cat", "/etc/resolv.conf"]);
        assert!(text.contains("search corp.example\nnameserver 10.8.0.1\n"), "{text}");
        assert_eq!(client.resolve("host"), "10.8.0.7");
        assert_eq!(client.run(&["resolvconf", "-i"]).trim(), "tun0 eth0");
        client.signal(&office, signal);
        let is_restored = || client.run(&["cat", "/etc/resolv.conf"]) == before;
        assert!(wait_until(PATIENCE, is_restored), "{}", client.run(&["cat", "/etc/resolv.conf"]));
        assert_eq!(client.run(&["resolvconf", "-i"]).trim(), "eth0");
        assert_eq!(client.resolve("host.corp.example"), SERVER_IPV4);
        office.at.folder.write("done", "");
        assert!(client.0.expect_exit(PATIENCE).success());
    }
}

/// openresolv tells a dnsmasq of the client's own which names go where.
#[test]
fn openresolv_and_a_local_resolver_send_only_the_names_of_the_tunnel_there() {
    let pushes = "push \"dns search-domains corp.example\"\npush \"dns server 0 address 10.8.0.1\"\n\
                  push \"dns server 0 resolve-domains corp.example\"\n";
    let office = Office::new("dns openresolv local", pushes);
    let folder = path(office.at.folder.path());
    let restart = format!(
        "cd {folder}\n[ ! -e local.pid ] || kill $(cat local.pid)\nuntil dnsmasq --conf-file={folder}/local.conf \
         --resolv-file={folder}/local.resolv --pid-file={folder}/local.pid --listen-address=127.0.0.1 --bind-interfaces \
         --no-hosts --user=root; do sleep 0.05; done"
    );
    let restart = office.at.script("restart", &restart);
    office.at.folder.write(
        "more.conf",
        format!(
            "name_servers=127.0.0.1\ndnsmasq_conf={folder}/local.conf\ndnsmasq_resolv={folder}/local.resolv\n\
             dnsmasq_restart={restart}\n"
        ),
    );
    let mut client = System::start(&office, OPENRESOLV, "openresolv");
    client.0.expect_line("DNS: names in corp.example are resolved by 10.8.0.1 by ", PATIENCE);
    client.0.expect_line(UP, PATIENCE);
    assert!(office.at.file("local.conf").contains("server=/corp.example/10.8.0.1"));
    assert_eq!(client.resolve("host.corp.example"), "10.8.0.7");
    assert_eq!(client.resolve("elsewhere.example"), SERVER_IPV4);
    let asked = office.home.asked();
    assert!(asked.iter().any(|name| name == "elsewhere.example"), "{asked:?}");
    assert!(!asked.iter().any(|name| name.contains("corp")), "{asked:?}");
    client.signal(&office, Signal::TERM);
    assert!(wait_until(PATIENCE, || !office.at.file("local.conf").contains("10.8.0.1")));
    assert!(wait_until(PATIENCE, || client.resolve("host.corp.example") == SERVER_IPV4));
    office.at.folder.write("done", "");
    assert!(client.0.expect_exit(PATIENCE).success());
}
