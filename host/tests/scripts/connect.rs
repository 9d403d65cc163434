//! `client-connect`, `client-disconnect`, `learn-address`, `tls-verify`: what scripts decide and learn about clients.

use rustix::process::Signal;

use super::lab::pki::{Keys, Pki, Purpose};
use super::lab::{PATIENCE, traffic};
use super::{Place, UP};

#[test]
fn a_script_gives_a_client_its_settings_and_learns_how_it_ended() {
    let place = Place::new("connect");
    let connect = place.script(
        "connect",
        "[ \"$1\" = \"$client_connect_config_file\" ] || exit 1\n\
         echo \"ifconfig-push 10.8.0.77 255.255.255.0\" >$1\necho 'push \"route 10.66.0.0 255.255.0.0\"' >>$1\n\
         echo connect $common_name $trusted_ip $IV_VER $time_unix >>said",
    );
    let disconnect = place.script(
        "disconnect",
        "echo disconnect $common_name $ifconfig_pool_remote_ip $time_unix >>said\n\
         echo \"$bytes_received $bytes_sent $time_duration\" >counts",
    );
    let learn = place.script("learn", "echo learn $* >>said");
    let mut server = place
        .serve(&format!("client-connect {connect}\nclient-disconnect {disconnect}\nlearn-address {learn}\n"));
    let mut client = place.connect("client1", "explicit-exit-notify 1\n");
    let routes = place.network.client.run("ip", &["-4", "route"]);
    assert!(routes.contains("10.66.0.0/16 via 10.8.0.1 dev tun0"), "{routes}");
    let shown = place.network.client.run("ip", &["-4", "-oneline", "address", "show", "dev", "tun0"]);
    assert!(shown.contains("inet 10.8.0.77/24"), "{shown}");
    traffic::ping(&place.network.server, "10.8.0.77");
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
    place.expect_in_file("counts", "");
    server.signal(Signal::TERM);
    assert!(server.expect_exit(PATIENCE).success());

    let said = place.file("said");
    let lines: Vec<&str> = said.lines().collect();
    let [connected, learnt, disconnected, unlearnt] = lines[..] else { panic!("{said}") };
    let release = connected.strip_prefix("connect client1 192.0.2.2 2.").unwrap_or_else(|| panic!("{said}"));
    let since = release.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
    assert_eq!(learnt, "learn add 10.8.0.77 client1");
    assert_eq!(disconnected, format!("disconnect client1 10.8.0.77 {since}"));
    assert_eq!(unlearnt, "learn delete 10.8.0.77");
    let counts = place.file("counts");
    let counts: Vec<u64> = counts.split_whitespace().map(|count| count.parse().unwrap()).collect();
    // Three pings of 84 bytes, each way, and what encryption adds.
    assert!(counts[0] > 3 * 84 && counts[1] > 3 * 84, "{counts:?}");
    assert!(counts[2] < 60, "{counts:?}");
}

#[test]
fn a_script_refuses_a_client_at_once_or_later() {
    let place = Place::new("refuse");
    let connect = place.script(
        "connect",
        "case $(cat mode) in\nno) exit 1 ;;\n*) echo 2 >$client_connect_deferred_file\n\
         { sleep 1; echo 'push \"dhcp-option DOMAIN late.example\"' >$client_connect_config_file\n\
         cat mode >$client_connect_deferred_file; } & ;;\nesac",
    );
    let disconnect = place.script("disconnect", "echo $common_name >>disconnected");
    let mode = |mode: &str| place.folder.write("mode", mode);
    mode("no");
    let mut server = place
        .serve(&format!("client-connect {connect}\nclient-disconnect {disconnect}\nlog-append server.log\n"));
    for refused in ["no", "0"] {
        mode(refused);
        let mut client = place.start_client("client1", "");
        client.expect_line("AUTH_FAILED", PATIENCE);
        client.expect_exit(PATIENCE);
    }
    assert_eq!(server.count("MULTI: the client-connect script has refused the client"), 2);
    mode("1");
    let mut client = place.start_client("client1", "");
    client.expect_line("PUSH_REPLY,", PATIENCE);
    client.expect_line("late.example", PATIENCE);
    client.expect_line(UP, PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
    server.signal(Signal::TERM);
    server.expect_exit(PATIENCE);
    // Who was refused never was connected.
    assert_eq!(place.file("disconnected"), "client1\n");
}

#[test]
fn the_address_of_a_client_that_comes_back_is_an_update() {
    let place = Place::new("update");
    let learn = place.script("learn", "echo $* >>said");
    let _server = place.serve(&format!("learn-address {learn}\n"));
    let first = place.connect("client1", "");
    drop(first);
    let _second = place.connect("client1", "");
    place.expect_in_file("said", "update 10.8.0.2 client1");
    assert_eq!(place.file("said"), "add 10.8.0.2 client1\nupdate 10.8.0.2 client1\n");
}

#[test]
fn a_script_judges_the_certificates_of_either_end() {
    let place = Place::new("tls-verify");
    let verify = place.script("verify", "echo $* >>said\n[ \"$1\" = 1 ] || [ \"$2\" != CN=mallory ]");
    let mut server = place.serve(&format!("tls-verify {verify}\n"));
    Pki::easy_rsa(Keys::Ec).issue(Purpose::Client, "mallory");
    let mut client = place.start_client("mallory", "");
    server.expect_line("VERIFY SCRIPT ERROR: depth=0, CN=mallory", PATIENCE);
    client.expect_line("TLS: Initial packet from", PATIENCE);
    assert_eq!(client.count(UP), 0);
    drop(client);
    let _client = place.connect("client1", "");
    server.expect_line("VERIFY SCRIPT OK: depth=0, CN=client1", PATIENCE);
    assert_eq!(place.file("said"), "1 CN=Easy-RSA CA\n0 CN=mallory\n1 CN=Easy-RSA CA\n0 CN=client1\n");

    // And adit's client that of its server.
    let refuse = place.script("refuse", "[ \"$1\" = 1 ]");
    let more = format!("script-security 2\ntls-verify {refuse}\ndev null\n");
    let mut client = place.start_client_by(super::Adit, "client1", &more);
    client.expect_line("VERIFY SCRIPT ERROR: depth=0, CN=server", PATIENCE);
    assert_eq!(client.count(UP), 0);
}

#[test]
fn scripts_run_after_root_was_given_up_and_a_failing_one_ends_the_start() {
    let place = Place::new("nobody");
    let hook = place.script("hook", "echo $script_type $(id -u)");
    let more = format!(
        "client-connect {hook}\nclient-disconnect {hook}\nup {hook}\nuser nobody\ngroup nogroup\npersist-tun\n"
    );
    let mut server = place.serve(&more);
    server.expect_line("up 0", PATIENCE);
    let client = place.connect("client1", "");
    server.expect_line("client-connect 65534", PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
    server.signal(Signal::HUP);
    server.expect_line("client-disconnect 65534", PATIENCE);
    client.signal(Signal::USR1);
    assert!(super::wait_until(PATIENCE, || server.count("client-connect 65534") == 2));
    server.signal(Signal::TERM);
    server.expect_exit(PATIENCE);

    let fails = place.script("fails", "exit 7");
    for (more, sentence) in [
        (
            format!("up {fails}\n"),
            "Failed running command (--up/--down): external program exited with error status: 7",
        ),
        (format!("up {fails}\nscript-security 1\n"), "disallowed by script-security setting"),
    ] {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!("server 10.8.0.0 255.255.255.0\ndev tun\nscript-security 2\n{pki}{more}");
        let mut server = super::Adit.start(&place.network.server, &place.folder, "failing", &text);
        assert!(!server.expect_exit(PATIENCE).success());
        assert_eq!(server.count(sentence), 1, "{}", server.log());
    }
}
