//! What a user sees of the command when things do not go smoothly: signals, restarts, peers that vanish, files, names
//! that nobody resolves.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::time::Duration;

use lab::network::{Namespace, Network, SERVER_IPV4, SERVER_IPV6};
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::program::path;
use lab::{Folder, PATIENCE, run_cases, traffic, wait_until};
use rustix::process::Signal;

/// Less than any of the timers that would get over a hang.
const AT_ONCE: Duration = Duration::from_secs(3);
const TRANSPORTS: [&str; 2] = ["udp", "tcp"];

impl Place {
    fn serve(&self, name: &str, more: &str) -> Process {
        self.up_at_server(Adit, name, &server_text(more))
    }

    fn connect(&self, more: &str) -> Process {
        self.up_at_client(Adit, "client", &client_text(more))
    }
}

fn server_text(more: &str) -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    format!(
        "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/64\n\
         dh none\nverb 3\n{pki}{more}"
    )
}

/// `proto` of a server.
fn serving(transport: &str) -> String {
    format!("proto {transport}{}\n", if transport.starts_with("tcp") { "-server" } else { "" })
}

fn remote(transport: &str) -> String {
    format!("proto {transport}\nremote {SERVER_IPV4} 1194\n")
}

#[test]
fn a_server_without_root_shows_and_keeps_what_it_knows() {
    let place = Place::new("files");
    let files = "status status 1\nifconfig-pool-persist leases 1\nuser nobody\ngroup nogroup\npersist-tun\n";
    let more = format!("{}keepalive 1 4\nexplicit-exit-notify 1\n{files}", serving("udp"));
    let mut server = place.serve("server", &more);
    server.expect_line("UID set to ", PATIENCE);
    let mut client =
        Stock.start(&place.network.client, &place.folder, "client", &client_text(&remote("udp")));
    client.expect_line(UP, PATIENCE);
    assert!(wait_until(AT_ONCE, || place.file("status").contains("\n10.8.0.2,client1,192.0.2.2:")));
    assert!(wait_until(AT_ONCE, || place.file("leases") == "client1,10.8.0.2,fd00:8::1000\n"));

    server.signal(Signal::USR2);
    server.expect_line("ROUTING TABLE", AT_ONCE);

    // Without root the device could not be opened again: it is kept.
    for (signal, times) in [(Signal::USR1, 2), (Signal::HUP, 3)] {
        server.signal(signal);
        assert!(wait_until(PATIENCE, || server.count(UP) == times), "{signal:?}");
        assert!(wait_until(PATIENCE, || client.count("Initiated with") == times), "{signal:?}");
        assert!(wait_until(PATIENCE, || place.file("status").contains("\n10.8.0.2,client1,")));
        traffic::ping(&place.network.client, "10.8.0.1");
    }

    server.signal(Signal::TERM);
    assert!(server.expect_exit(AT_ONCE).success());
    assert!(place.file("status").contains("\nclient1,192.0.2.2:"), "{}", place.file("status"));
    let mut server = place.serve("next", &more);
    server.expect_line("primary virtual IP for client1/", PATIENCE);
    assert_eq!(place.file("leases"), "client1,10.8.0.2,fd00:8::1000\n");
}

#[test]
fn a_client_outlives_its_server() {
    run_cases(
        &TRANSPORTS,
        |transport| (*transport).to_owned(),
        |transport| {
            let (network, folder) = (Network::new(), Folder::new(&format!("restart {transport}")));
            let server_text = server_text(&format!("{}keepalive 1 4\n", serving(transport)));
            let start = |name: &str| {
                let mut server = Adit.start(&network.server, &folder, name, &server_text);
                server.expect_line(UP, PATIENCE);
                server
            };
            let server = start("server");
            let text = client_text(&format!("{}explicit-exit-notify 1\n", remote(transport)));
            let mut client = Adit.start(&network.client, &folder, "client", &text);
            client.expect_line(UP, PATIENCE);
            // Killed: it says nothing.
            drop(server);
            let server = start("again");
            assert!(wait_until(PATIENCE, || client.count(UP) == 2));
            traffic::ping(&network.client, "10.8.0.1");
            traffic::ping(&network.client, "fd00:8::1");

            client.signal(Signal::USR1);
            assert!(wait_until(PATIENCE, || client.count(UP) == 3));
            traffic::ping(&network.client, "10.8.0.1");
            client.signal(Signal::INT);
            assert!(client.expect_exit(AT_ONCE + Duration::from_secs(1)).success());
            assert!(wait_until(AT_ONCE, || server.count("client-instance") >= 2));
        },
    );
}

#[test]
fn both_ends_notice_that_the_other_has_vanished() {
    let place = Place::new("vanish");
    let mut server = place.serve("server", &format!("{}keepalive 1 2\n", serving("udp")));
    let mut client = place.connect(&remote("udp"));
    place.network.client.run("ip", &["link", "set", "eth0", "down"]);
    client.expect_line("[server] Inactivity timeout (--ping-restart), restarting", PATIENCE);
    server.expect_line("[client1] Inactivity timeout (--ping-restart), restarting", PATIENCE);
    client.expect_line("write UDP: Network is unreachable", PATIENCE);
    place.network.client.run("ip", &["link", "set", "eth0", "up"]);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2));
    traffic::ping(&place.network.client, "10.8.0.1");
}

#[test]
fn the_first_remote_that_answers_is_taken() {
    run_cases(
        &TRANSPORTS,
        |transport| (*transport).to_owned(),
        |transport| {
            let (network, folder) = (Network::new(), Folder::new(&format!("remotes {transport}")));
            let text = server_text(&serving(&format!("{transport}6")));
            let mut server = Adit.start(&network.server, &folder, "server", &text);
            server.expect_line(UP, PATIENCE);
            // Nobody; a host without a listener; the server.
            let text = client_text(&format!(
                "proto {transport}\nremote 192.0.2.77 1194\nremote {SERVER_IPV4} 1195\nremote {SERVER_IPV6} 1194\n\
             server-poll-timeout 2\n"
            ));
            let mut client = Adit.start(&network.client, &folder, "client", &text);
            client.expect_line(UP, PATIENCE);
            traffic::ping(&network.client, "10.8.0.1");
            let refused = client.count("192.0.2.1:1195 failed: Connection refused");
            assert_eq!(refused, usize::from(*transport == "tcp"));
        },
    );
}

#[test]
fn a_look_up_that_hangs_holds_up_no_signal() {
    let place = Place::new("look-up");
    // There is nobody at that address.
    place.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    let text = client_text("proto udp\nremote vpn.example.com 1194\n");
    let file = place.folder.write("client.conf", text);
    let adit = format!("exec {} {}", Adit.executable(), path(&file));
    let command = format!("mount --bind resolv.conf /etc/resolv.conf && {adit}");
    let args = ["--mount", "sh", "-c", &command];
    let mut client = Process::start(&place.network.client, place.folder.path(), "client", "unshare", &args);
    client.expect_line("adit ", PATIENCE);
    client.signal(Signal::USR2);
    client.expect_line("OpenVPN STATISTICS", AT_ONCE);
    client.signal(Signal::TERM);
    assert!(client.expect_exit(AT_ONCE).success());
    assert_eq!(client.count("RESOLVE"), 0);
}

#[test]
fn control_c_ends_a_client_that_asks_for_a_password() {
    let place = Place::new("control-c");
    let file = place.folder.write("client.conf", client_text(&format!("{}auth-user-pass\n", remote("udp"))));
    let command = format!("{} {}", Adit.executable(), path(&file));
    let folder = place.folder.path();
    let mut client = Process::start_at_terminal(&place.network.client, folder, "client", &command);
    client.expect_line("Enter Auth Username: ", PATIENCE);
    client.enter("alice");
    client.expect_line("Enter Auth Password: ", PATIENCE);
    client.enter("\u{3}");
    client.expect_line("SIGINT[hard,] received, process exiting", AT_ONCE);
    assert!(client.expect_exit(AT_ONCE).success());
}

#[test]
fn a_device_that_is_deleted_ends_the_process() {
    let place = Place::new("device");
    let mut server = place.serve("server", &serving("udp"));
    place.network.server.run("ip", &["link", "delete", "tun0"]);
    server.expect_line("ERROR: the TUN device is gone: ", PATIENCE);
    assert!(!server.expect_exit(AT_ONCE).success());
}

#[test]
fn what_keeps_a_server_from_starting_is_one_sentence() {
    let place = Place::new("start");
    let _other = place.serve("other", &serving("tcp"));
    let powerless = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"];
    for (name, directives, before, sentence) in [
        ("port", serving("tcp"), &[][..], "cannot listen for TCP on 0.0.0.0:1194: Address already in use"),
        ("address", "local 203.0.113.1\n".into(), &[], "cannot bind UDP to 203.0.113.1:1194: "),
        (
            "name",
            "local no.such.name\n".into(),
            &[],
            "RESOLVE: Cannot resolve host address: no.such.name:1194 (",
        ),
        (
            "status",
            "status /proc/no-status\n".into(),
            &[],
            "status: cannot write /proc/no-status: No such file or directory",
        ),
        (
            "log",
            "log /proc/no-log\n".into(),
            &[],
            "cannot open the log /proc/no-log: No such file or directory",
        ),
        (
            "leases",
            "ifconfig-pool-persist /proc/no-leases\n".into(),
            &[],
            "ifconfig-pool-persist: cannot write /proc/no-leases: No such file or directory",
        ),
        (
            "pid",
            "writepid /proc/no-pid\n".into(),
            &[],
            "writepid: cannot write /proc/no-pid: No such file or directory",
        ),
        ("user", "user whoever\n".into(), &[], "user: there is no user \"whoever\" on this system"),
        ("root", String::new(), &powerless, "cannot open TUN device tun: root or CAP_NET_ADMIN is needed ("),
        (
            "module",
            String::new(),
            &["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"],
            "cannot open /dev/net/tun: ",
        ),
    ] {
        let mut server = start_after(&place.network.server, &place.folder, name, &directives, before);
        let status = server.expect_exit(PATIENCE);
        assert_eq!(status.code(), Some(1), "{name}: {}", server.log());
        assert_eq!(server.count(sentence), 1, "{name}: {}", server.log());
    }
}

/// Starts a server by the command line `before` it.
fn start_after(
    namespace: &Namespace,
    folder: &Folder,
    name: &str,
    directives: &str,
    before: &[&str],
) -> Process {
    let file = folder.write(&format!("{name}.conf"), server_text(directives));
    let adit = [Adit.executable(), path(&file)];
    let words = [&["env"], before, &adit].concat();
    Process::start(namespace, folder.path(), name, words[0], &words[1..])
}
