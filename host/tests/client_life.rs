//! A client's life against stock OpenVPN: servers that are not there, go away or refuse; proxies of other makers on the
//! way; logins.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::time::Duration;
use std::fs;
use std::net::{TcpListener, UdpSocket};

use lab::names::NameServer;
use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::program::{path, unpacked};
use lab::{PATIENCE, run_cases, traffic, wait_until};
use rustix::process::Signal;

impl Place {
    /// Stock OpenVPN as the server.
    fn serve(&self, name: &str, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 4\n{pki}{more}"
        );
        self.up_at_server(Stock, name, &text)
    }

    /// adit as the client.
    fn connect(&self, more: &str) -> Process {
        self.start_at_client(Adit, "client", &client_text(more))
    }

    fn ping(&self) {
        traffic::ping(&self.network.client, "10.8.0.1");
    }
}

#[test]
fn two_remotes_fall_back_from_udp_to_tcp() {
    let place = Place::new("fallback");
    let _server = place.serve("server", "proto tcp-server\n");
    // No way there at all; nobody answers and ICMP says so; the server.
    let mut client = place.connect(&format!(
        "remote 203.0.113.1 1194 udp\nremote {SERVER_IPV4} 1194 udp\nremote {SERVER_IPV4} 1194 tcp\n\
         server-poll-timeout 2\n"
    ));
    client.expect_line(UP, PATIENCE);
    client.expect_line("write UDP: Network is unreachable", PATIENCE);
    client.expect_line("cannot open the link: the network is unreachable", PATIENCE);
    client.expect_line("read UDP: Connection refused", PATIENCE);
    client.expect_line("SIGUSR1[soft,server_poll] received, process restarting", PATIENCE);
    assert_eq!(client.count("Restart pause"), 1, "connect-timeout is pause enough");
    place.ping();
}

#[test]
fn connection_blocks_have_settings_of_their_own() {
    let place = Place::new("blocks");
    let keys = ["one", "two"].map(|name| {
        let file = place.folder.path().join(name);
        lab::run("openvpn", &["--genkey", "tls-crypt", path(&file)]);
        fs::read_to_string(file).unwrap()
    });
    let inline = |key: &str| format!("<tls-crypt>\n{key}</tls-crypt>\n");
    let _server = place.serve("server", &format!("proto udp\n{}", inline(&keys[1])));
    let block = |key: &str, more: &str| {
        format!("<connection>\nremote {SERVER_IPV4} 1194 udp\n{more}{}</connection>\n", inline(key))
    };
    let blocks = [block(&keys[0], "connect-timeout 2\n"), block(&keys[1], "explicit-exit-notify 1\n")];
    let mut client = place.connect(&blocks.concat());
    client.expect_line(UP, PATIENCE);
    assert_eq!(client.count("SIGUSR1[soft,server_poll] received"), 1);
    place.ping();
}

#[test]
fn a_password_that_is_not_cached_is_read_again_for_each_renegotiation() {
    let place = Place::new("nocache");
    let verify = place.script("verify", "echo \"$username $password\" >>calls");
    let _server = place.serve(
        "server",
        &format!("proto udp\nscript-security 3\nauth-user-pass-verify {verify} via-env\nreneg-sec 3\n"),
    );
    place.folder.write("login", "joe\nfirst\n");
    let mut client = place.connect(&format!(
        "remote {SERVER_IPV4} 1194 udp\nauth-user-pass login\nauth-nocache\nreneg-sec 0\n"
    ));
    client.expect_line(UP, PATIENCE);
    place.folder.write("login", "joe\nsecond\n");
    assert!(wait_until(PATIENCE, || place.file("calls").contains("joe second\n")), "{}", client.log());
    place.ping();
    assert_eq!(client.count(UP), 1, "{}", client.log());
}

/// What a process has started and not yet waited for, scripts among that.
fn children(process: &Process) -> String {
    let id = process.id();
    fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default()
}

#[test]
fn scripts_at_the_end_of_a_tunnel_hold_up_neither_the_loop_nor_who_asks_twice() {
    let place = Place::new("closing");
    let mut server = place.serve("server", "proto udp\nkeepalive 1 4\n");
    let down =
        place.script("down", "echo $script_type $signal >>said\nwhile [ -e wait ]; do sleep 0.1; done");
    let mut client = place.connect(&format!(
        "remote {SERVER_IPV4} 1194 udp\nscript-security 2\nroute-pre-down {down}\ndown {down}\nconnect-retry 1 1\n\
         route 10.99.0.0 255.255.0.0\n"
    ));
    client.expect_line(UP, PATIENCE);
    // The session ends and the scripts take their time: signals are served, and nothing begins anew before they end.
    place.folder.write("wait", "");
    client.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || place.file("said").contains("route-pre-down sigusr1\n")));
    client.signal(Signal::USR2);
    client.expect_line("OpenVPN STATISTICS", PATIENCE);
    assert_eq!(client.count(UP), 1);
    fs::remove_file(place.folder.path().join("wait")).unwrap();
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    assert_eq!(place.file("said"), "route-pre-down sigusr1\ndown sigusr1\n");
    place.ping();

    // At the end the scripts hang; who asks again does not wait for them, and the route has gone.
    place.folder.write("wait", "");
    client.signal(Signal::TERM);
    assert!(wait_until(PATIENCE, || place.file("said").contains("route-pre-down sigterm\n")));
    assert!(wait_until(PATIENCE, || !children(&client).is_empty()));
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    client.expect_line("the scripts that still run are not waited for, and are killed", PATIENCE);
    assert!(!place.network.client.run("ip", &["route"]).contains("10.99.0.0"));

    server.signal(Signal::TERM);
    server.expect_exit(PATIENCE);
}

/// A proxy, and how the client goes through it.
struct Way {
    name: &'static str,
    transport: &'static str,
    proxy: Proxy,
    directives: &'static str,
    /// What the client says if it cannot.
    refusal: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Proxy {
    /// tinyproxy, with a login for joe or without.
    Http { login: bool },
    /// microsocks, with a login for joe.
    Socks,
    /// Dante, without a login; it relays datagrams.
    Dante,
}

const WAYS: [Way; 9] = [
    way("http", "tcp", Proxy::Http { login: false }, "http-proxy 192.0.2.1 8888\n", None),
    way("http-file", "tcp", Proxy::Http { login: true }, "http-proxy 192.0.2.1 8888 login basic\n", None),
    way(
        "http-inline",
        "tcp",
        Proxy::Http { login: true },
        "http-proxy 192.0.2.1 8888 auto\nhttp-proxy-option VERSION 1.1\nhttp-proxy-option AGENT test\n\
         http-proxy-option CUSTOM-HEADER X-One two\n<http-proxy-user-pass>\njoe\nsecret\n</http-proxy-user-pass>\n",
        None,
    ),
    way(
        "http-wrong",
        "tcp",
        Proxy::Http { login: true },
        "http-proxy 192.0.2.1 8888 wrong basic\n",
        Some("the HTTP proxy refused the login of http-proxy: 'HTTP/1."),
    ),
    way(
        "http-none",
        "tcp",
        Proxy::Http { login: true },
        "http-proxy 192.0.2.1 8888\n",
        Some("the HTTP proxy asks for a login ('HTTP/1."),
    ),
    way("socks-file", "tcp", Proxy::Socks, "socks-proxy 192.0.2.1 1080 login\n", None),
    way(
        "socks-wrong",
        "tcp",
        Proxy::Socks,
        "socks-proxy 192.0.2.1 1080 wrong\n",
        Some("the SOCKS proxy refused the login of socks-proxy"),
    ),
    way("dante-tcp", "tcp", Proxy::Dante, "socks-proxy 192.0.2.1\n", None),
    way("dante-udp", "udp", Proxy::Dante, "socks-proxy 192.0.2.1 1080\n", None),
];

const fn way(
    name: &'static str,
    transport: &'static str,
    proxy: Proxy,
    directives: &'static str,
    refusal: Option<&'static str>,
) -> Way {
    Way { name, transport, proxy, directives, refusal }
}

/// Runs what `./test` has unpacked at `$0`; no other library of its is missing on a system.
const DANTE: &str = r#"export LD_LIBRARY_PATH=$(dirname "$(find "$0" -name libwrap.so.0)")
exec "$0/usr/sbin/danted" -f proxy.conf"#;

impl Proxy {
    fn start(self, place: &Place) -> Process {
        let (namespace, folder) = (&place.network.server, place.folder.path());
        let (text, words): (String, &[&str]) = match self {
            Self::Http { login } => {
                let login = if login { "BasicAuth joe secret\n" } else { "" };
                let text = format!(
                    "Port 8888\nListen 192.0.2.1\nTimeout 600\nMaxClients 20\nConnectPort 1194\n{login}"
                );
                (text, &["tinyproxy", "-d", "-c", "proxy.conf"])
            }
            Self::Socks => {
                (String::new(), &["microsocks", "-i", "192.0.2.1", "-p", "1080", "-u", "joe", "-P", "secret"])
            }
            Self::Dante => {
                let text = "logoutput: stderr\ninternal: 192.0.2.1 port = 1080\nexternal: 192.0.2.1\n\
                            clientmethod: none\nsocksmethod: none\nuser.privileged: root\n\
                            user.unprivileged: nobody\n\
                            client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n\
                            socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n";
                (text.to_owned(), &["sh", "-e", "-c", DANTE, &unpacked("dante")])
            }
        };
        place.folder.write("proxy.conf", text);
        let proxy = Process::start(namespace, folder, "proxy", words[0], &words[1..]);
        let port = if matches!(self, Self::Http { .. }) { 8888 } else { 1080 };
        let listens = || namespace.inside(|| std::net::TcpStream::connect(("192.0.2.1", port)).is_ok());
        assert!(wait_until(PATIENCE, listens), "{}", proxy.log());
        proxy
    }
}

/// By the server's log the connection comes from the proxy, which is on the server's machine.
#[test]
fn proxies_lead_to_the_server() {
    run_cases(
        &WAYS,
        |way| way.name.to_owned(),
        |way| {
            let place = Place::within(way.name);
            let role = if way.transport == "tcp" { "tcp-server" } else { "udp" };
            let mut server = place.serve("server", &format!("proto {role}\nkeepalive 1 5\n"));
            let _proxy = way.proxy.start(&place);
            place.folder.write("login", "joe\nsecret\n");
            place.folder.write("wrong", "joe\nwrong\n");
            let directives = way.directives;
            let mut client =
                place.connect(&format!("proto {}\nremote {SERVER_IPV4} 1194\n{directives}", way.transport));
            if let Some(refusal) = way.refusal {
                client.expect_line(refusal, PATIENCE);
                assert_eq!(server.count("TLS: Initial packet"), 0);
                return;
            }
            client.expect_line(UP, PATIENCE);
            server.expect_line("Peer Connection Initiated with [AF_INET]192.0.2.1:", PATIENCE);
            place.ping();
            // The tunnel survives a restart of the client's session, through the proxy once more.
            client.signal(Signal::USR1);
            assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
            place.ping();
        },
    );
}

#[test]
fn a_relay_ends_with_the_connection_to_its_proxy_and_is_asked_for_again() {
    let place = Place::new("relay");
    let _server = place.serve("server", "proto udp\n");
    let _proxy = Proxy::Dante.start(&place);
    let mut client =
        place.connect(&format!("proto udp\nremote {SERVER_IPV4} 1194\nsocks-proxy 192.0.2.1 1080\n"));
    client.expect_line(UP, PATIENCE);
    client.expect_line("SOCKS proxy wants us to send UDP to [AF_INET]192.0.2.1:", PATIENCE);
    place.network.client.run("ss", &["-K", "dst", "192.0.2.1", "dport", "=", "1080"]);
    client.expect_line("SIGUSR1[soft,connection-reset] received, process restarting", PATIENCE);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    place.ping();
}

#[test]
fn an_http_proxy_asks_at_the_terminal() {
    let place = Place::new("proxy-terminal");
    let _server = place.serve("server", "proto tcp-server\n");
    let _proxy = Proxy::Http { login: true }.start(&place);
    let text =
        client_text(&format!("proto tcp\nremote {SERVER_IPV4} 1194\nhttp-proxy 192.0.2.1 8888 auto\n"));
    let file = place.folder.write("client.conf", text);
    let command = format!("{} {}", Adit.executable(), path(&file));
    let folder = place.folder.path();
    let mut client = Process::start_at_terminal(&place.network.client, folder, "client", &command);
    client.expect_line("Enter HTTP Proxy Username: ", PATIENCE);
    client.enter("joe");
    client.expect_line("Enter HTTP Proxy Password: ", PATIENCE);
    client.enter("secret");
    client.expect_line(UP, PATIENCE);
    assert!(!client.log().contains("secret"));
    place.ping();
}

/// `kill -9`: the client that finds a new server, and the server that has its client back under the same address, with
/// nothing left of the one before.
#[test]
fn who_is_killed_comes_back() {
    let mut cases = Vec::new();
    for transport in ["udp", "tcp"] {
        for (server, client) in [(Stock, Adit), (Adit, Stock)] {
            cases.extend(["server", "client"].map(|killed| (transport, server, client, killed)));
        }
    }
    run_cases(
        &cases,
        |(transport, server, client, killed)| format!("{transport} {server:?} {client:?} {killed}"),
        |&(transport, server, client, killed)| {
            let place = Place::within(&format!("killed {transport} {server:?} {killed}"));
            let role = if transport == "tcp" { "tcp-server" } else { "udp" };
            let pki = Pki::easy_rsa(Keys::Ec).directives("server");
            let serving = format!(
                "proto {role}\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\n\
                 keepalive 1 4\nstatus status 1\n{pki}"
            );
            let connecting = client_text(&format!("proto {transport}\nremote {SERVER_IPV4} 1194\n"));
            let mut first = place.up_at_server(server, "server", &serving);
            let mut came = place.up_at_client(client, "client", &connecting);
            place.ping();
            let (_again, _back);
            if killed == "server" {
                first.signal(Signal::KILL);
                first.expect_exit(PATIENCE);
                _again = place.up_at_server(server, "again", &serving);
                assert!(wait_until(PATIENCE, || came.count(UP) == 2), "{}", came.log());
            } else {
                came.signal(Signal::KILL);
                came.expect_exit(PATIENCE);
                assert!(!place.network.client.run("ip", &["route"]).contains("10.8.0."));
                if transport == "tcp" {
                    first.expect_line("Connection reset, restarting [0]", PATIENCE);
                }
                _back = place.up_at_client(client, "back", &connecting);
            }
            place.ping();
            let address = place.network.client.run("ip", &["-4", "address", "show", "dev", "tun0"]);
            assert!(address.contains("inet 10.8.0.2/24"), "{address}");
            // One session, with the one address.
            let status = || place.file("status");
            let rows = |start: &str| status().lines().filter(|line| line.starts_with(start)).count();
            let one = wait_until(PATIENCE, || rows("client1,192.0.2.2:") == 1 && rows("10.8.0.") == 1);
            assert!(one && rows("10.8.0.2,client1,") == 1, "{}", status());
        },
    );
}

/// What a client says of its end, or of its next attempt, when nobody answers it: stock OpenVPN and adit alike.
#[test]
fn a_silence_counts_from_the_first_packet_on() {
    let cases = ["udp", "tcp"].into_iter().flat_map(|transport| {
        ["ping-exit 2", "ping-restart 2"]
            .into_iter()
            .flat_map(move |silence| [Stock, Adit].map(|program| (transport, silence, program)))
    });
    run_cases(
        &cases.collect::<Vec<_>>(),
        |(transport, silence, program)| format!("{transport} {silence} {program:?}"),
        |(transport, silence, program)| {
            let place = Place::within(&format!("silence {transport} {silence} {program:?}"));
            // Takes what comes, and says nothing.
            let _nobody = place.network.server.inside(|| {
                (
                    UdpSocket::bind((SERVER_IPV4, 1194)).unwrap(),
                    TcpListener::bind((SERVER_IPV4, 1194)).unwrap(),
                )
            });
            let text = client_text(&format!("proto {transport}\nremote {SERVER_IPV4} 1194\n{silence}\n"));
            let mut client = place.start_at_client(*program, "client", &text);
            if silence.starts_with("ping-exit") {
                client.expect_line("[UNDEF] Inactivity timeout (--ping-exit), exiting", PATIENCE);
                client.expect_line("SIGTERM[soft,ping-exit] received, process exiting", PATIENCE);
                assert!(client.expect_exit(PATIENCE).success());
            } else {
                client.expect_line("[UNDEF] Inactivity timeout (--ping-restart), restarting", PATIENCE);
                client.expect_line("SIGUSR1[soft,ping-restart] received, process restarting", PATIENCE);
                assert!(wait_until(PATIENCE, || client.count("Inactivity timeout") == 2), "{}", client.log());
            }
        },
    );
}

/// A verify script that refuses once; the client reads its file again and comes back.
#[test]
fn auth_retry_gives_a_login_another_chance() {
    let place = Place::new("auth-retry");
    let script = place.script("verify", "[ -e refused ] || { : > refused; exit 1; }");
    let server = place
        .serve("server", &format!("proto udp\nscript-security 2\nauth-user-pass-verify {script} via-file\n"));
    place.folder.write("login", "alice\nsecret\n");
    let remote = format!("proto udp\nremote {SERVER_IPV4} 1194\nauth-user-pass login\n");
    let mut client = place.connect(&format!("{remote}auth-retry interact\n"));
    client.expect_line("SIGUSR1[soft,auth-failure] received, process restarting", PATIENCE);
    client.expect_line(UP, PATIENCE);
    place.ping();
    assert_eq!(server.count("verification failed for peer"), 1);

    fs::remove_file(place.folder.path().join("refused")).unwrap();
    let mut client = Adit.start(&place.network.client, &place.folder, "none", &client_text(&remote));
    client.expect_line("SIGTERM[soft,auth-failure] received, process exiting", PATIENCE);
    assert!(client.expect_exit(PATIENCE).success());
}

/// The password is asked for where the file holds only the name.
#[test]
fn a_file_with_a_name_alone_asks_for_the_password() {
    let place = Place::new("name-only");
    let script = place.script("verify", "printf 'alice\\nsecret\\n' | cmp -s - \"$1\"");
    let _server = place
        .serve("server", &format!("proto udp\nscript-security 2\nauth-user-pass-verify {script} via-file\n"));
    let login = place.folder.write("login", "alice\n");
    let text =
        client_text(&format!("proto udp\nremote {SERVER_IPV4} 1194\nauth-user-pass {}\n", path(&login)));
    let file = place.folder.write("client.conf", text);
    let command = format!("{} {}", Adit.executable(), path(&file));
    let mut client =
        Process::start_at_terminal(&place.network.client, place.folder.path(), "client", &command);
    client.expect_line("Enter Auth Password: ", PATIENCE);
    client.enter("secret");
    client.expect_line(UP, PATIENCE);
    assert_eq!(client.count("Enter Auth Username"), 0);
    place.ping();
}

/// A second step, in a browser perhaps: the server says how long that may take, which is longer than `hand-window`.
#[test]
fn a_login_that_is_decided_late_is_waited_for() {
    let place = Place::new("pending");
    let script = place.script(
        "verify",
        "printf '30\\nwebauth\\nWEB_AUTH::https://login.example/x?y,z\\n' > \"$auth_pending_file\"\n\
         (sleep 8; printf 1 > \"$auth_control_file\") > /dev/null 2>&1 &\nexit 2",
    );
    let _server = place
        .serve("server", &format!("proto udp\nscript-security 2\nauth-user-pass-verify {script} via-file\n"));
    place.folder.write("login", "alice\nsecret\n");
    let mut client = place.connect(&format!(
        "proto udp\nremote {SERVER_IPV4} 1194\nauth-user-pass login\nsetenv IV_SSO webauth\nhand-window 6\nverb 4\n"
    ));
    client.expect_line("AUTH_PENDING received, the server decides within 30 seconds", PATIENCE);
    client.expect_line("Info command was pushed by server", PATIENCE);
    client.expect_line(UP, PATIENCE);
    assert_eq!(client.count("SIGUSR1"), 0);
    assert!(!client.log().contains("login.example"), "a link that logs somebody in");
    place.ping();
}

/// The server's token stands for the login; a server that was started again does not know it.
#[test]
fn a_token_is_used_and_a_refused_one_replaced_by_the_login() {
    let place = Place::new("token");
    let script = place.script("verify", "head -n 2 \"$1\" | tail -n 1 >> passwords; grep -qx secret \"$1\"");
    let more = format!(
        "proto udp\nkeepalive 1 4\nscript-security 2\nauth-user-pass-verify {script} via-file\nauth-gen-token 600\n"
    );
    let server = place.serve("server", &more);
    place.folder.write("login", "alice\nsecret\n");
    let mut client = place.connect(&format!("proto udp\nremote {SERVER_IPV4} 1194\nauth-user-pass login\n"));
    client.expect_line(UP, PATIENCE);
    client.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    let passwords = || fs::read_to_string(place.folder.path().join("passwords")).unwrap_or_default();
    assert_eq!(passwords(), "secret\n", "the token needs no script");
    server.signal(Signal::KILL);
    drop(server);
    let _server = place.serve("again", &more);
    client.expect_line("SIGUSR1[soft,auth-failure (auth-token)] received, process restarting", PATIENCE);
    assert!(wait_until(PATIENCE, || client.count(UP) == 3), "{}", client.log());
    assert_eq!(passwords().lines().last(), Some("secret"));
    assert!(!client.log().contains("SESS_ID"), "a token in the log");
}

#[test]
fn what_the_client_takes_and_how_it_ends() {
    let place = Place::new("ends");
    let server = place.serve(
        "server",
        "proto udp\nexplicit-exit-notify 1\npush \"route 10.77.0.0 255.255.0.0\"\n\
         push \"route 10.78.0.0 255.255.0.0\"\npush \"ping-restart 30\"\n",
    );
    let remote = format!("proto udp\nremote {SERVER_IPV4} 1194\n");
    let start = |name: &str, more: &str| {
        let text = client_text(&format!("{remote}{more}"));
        let mut client = Adit.start(&place.network.client, &place.folder, name, &text);
        client.expect_line(UP, PATIENCE);
        client
    };
    let routes = || place.network.client.run("ip", &["-4", "route"]);

    let mut idle = start("idle", "inactive 2\npull-filter ignore \"route 10.77\"\n");
    assert!(routes().contains("10.78.0.0/16") && !routes().contains("10.77.0.0/16"), "{}", routes());
    idle.expect_line("SIGTERM[soft,inactive] received, process exiting", PATIENCE);
    idle.expect_exit(PATIENCE);

    let mut timed = start("timed", "session-timeout 2\nroute-nopull\n");
    assert!(routes().contains("10.8.0.0/24") && !routes().contains("10.7"), "{}", routes());
    timed.expect_line("SIGTERM[soft,session-timeout] received, process exiting", PATIENCE);
    timed.expect_exit(PATIENCE);

    let mut remapped = start("remapped", "remap-usr1 SIGTERM\n");
    server.signal(Signal::TERM);
    remapped.expect_line("SIGTERM[soft,server-pushed-connection-reset] received, process exiting", PATIENCE);
    remapped.expect_exit(PATIENCE);
    drop(server);

    let text = client_text(&format!("{remote}connect-retry-max 2\nconnect-timeout 1\n"));
    let mut tired = Adit.start(&place.network.client, &place.folder, "tired", &text);
    tired
        .expect_line("All connections have been connect-retry-max (2) times unsuccessful, exiting", PATIENCE);
    assert_eq!(tired.expect_exit(PATIENCE).code(), Some(1));
    assert_eq!(tired.count("UDPv4 link remote"), 2);
}

#[test]
fn all_names_are_looked_up_at_first_and_the_server_is_told_of_the_system() {
    let place = Place::new("preresolve");
    let mut server = place.serve("server", "proto udp\n");
    let names = NameServer::start(&place.network, SERVER_IPV4.parse().unwrap());
    // Nobody listens at the first.
    let mut client = place.connect(
        "remote one.example 1195 udp\nremote two.example 1194 udp\nconnect-timeout 2\npreresolve\n\
         push-peer-info\nsetenv UV_FLOOR 3\n",
    );
    client.expect_line(UP, PATIENCE);
    client.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    place.ping();
    let asked = names.asked();
    let times = |name| asked.iter().filter(|asked| *asked == name).count();
    // For both families each, and never again.
    assert!(matches!((times("one.example"), times("two.example")), (1 | 2, 1 | 2)), "{asked:?}");
    for line in ["peer info: UV_FLOOR=3", "peer info: IV_PLAT_VER=", "peer info: IV_SSL="] {
        server.expect_line(line, PATIENCE);
    }
}

/// The first address of the name is nobody's. (The resolver puts the one first that is nearer to ours.)
#[test]
fn all_addresses_of_a_name_are_tried() {
    let place = Place::new("addresses");
    let _server = place.serve("server", "proto udp\n");
    let text = client_text("remote vpn.test 1194 udp\nremote 192.0.2.9 1194 udp\nconnect-timeout 2\n");
    let file = place.folder.write("client.conf", text);
    place.folder.write("hosts", format!("192.0.2.3 vpn.test\n{SERVER_IPV4} vpn.test\n"));
    let adit = format!("exec {} {}", Adit.executable(), path(&file));
    let command = format!("mount --bind hosts /etc/hosts && {adit}");
    let args = ["--mount", "sh", "-c", &command];
    let mut client = Process::start(&place.network.client, place.folder.path(), "client", "unshare", &args);
    client.expect_line(UP, PATIENCE);
    let remotes = |client: &Process| {
        let log = client.log();
        log.lines()
            .filter_map(|line| Some(line.split_once("link remote: [AF_INET]")?.1.to_owned()))
            .collect::<Vec<_>>()
    };
    let (nobody, server) = ("192.0.2.3:1194", "192.0.2.1:1194");
    assert_eq!(remotes(&client), [nobody, server]);
    place.ping();
    // The name is looked up anew.
    client.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    assert_eq!(remotes(&client), [nobody, server, nobody, server]);
}

/// A look-up that hangs is given up, and begun anew at another remote.
#[test]
fn sigusr1_gives_up_a_look_up() {
    let place = Place::new("look-up");
    let _server = place.serve("server", "proto udp\n");
    // There is nobody at that address.
    place.folder.write("resolv.conf", "nameserver 192.0.2.53\noptions timeout:30 attempts:5\n");
    let file = place.folder.write(
        "client.conf",
        client_text(&format!("proto udp\nremote vpn.example.com 1194\nremote {SERVER_IPV4} 1194\n")),
    );
    let adit = format!("exec {} {}", Adit.executable(), path(&file));
    let command = format!("mount --bind resolv.conf /etc/resolv.conf && {adit}");
    let args = ["--mount", "sh", "-c", &command];
    let mut client = Process::start(&place.network.client, place.folder.path(), "client", "unshare", &args);
    client.expect_line("adit ", PATIENCE);
    std::thread::sleep(Duration::from_millis(500));
    client.signal(Signal::USR1);
    client.expect_line(UP, Duration::from_secs(10));
    place.ping();
}
