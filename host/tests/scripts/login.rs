//! `auth-user-pass-verify`: clients that log in, at once, late, or not.

use core::time::Duration;

use super::lab::pki::{Keys, Pki};
use super::lab::program::Program::Stock;
use super::lab::program::path;
use super::lab::traffic::{self, Echoes};
use super::lab::{PATIENCE, run_cases, wait_until};
use super::{Place, UP, login};

/// Says yes to alice with her password, and to nobody else why not.
const CHECK: &str = "[ \"$username $password\" = 'alice wonder' ] && exit 0\n\
                     echo \"no such user: $username\" >$auth_failed_reason_file\nexit 1";

/// The verifier's directives, by `method`; it has `username` and `password` whichever way they came.
fn verifier(place: &Place, method: &str, check: &str) -> String {
    let read =
        "[ -n \"$1\" ] && { { read -r username; read -r password; } <\"$1\"; stat -c %a \"$1\" >mode; }\n";
    let script = place.script("verify", &format!("{read}{check}"));
    let level = if method == "via-env" { 3 } else { 2 };
    format!("script-security {level}\nauth-user-pass-verify {script} {method}\n")
}

#[test]
fn name_and_password_let_a_client_in_and_others_are_told_why_not() {
    run_cases(
        &["via-env", "via-file"],
        |method| (*method).to_owned(),
        |method| {
            let place = Place::within(&format!("login {method}"));
            let more = "verify-client-cert none\nusername-as-common-name\ntmp-dir .\n";
            let mut server = place.serve(&format!("{more}{}", verifier(&place, method, CHECK)));
            let ca = format!("ca {}\n", path(&Pki::easy_rsa(Keys::Ec).ca()));
            let mallory = login(&place, "mallory", "wonder");
            let mut client = place.start_bare_client_by(Stock, "mallory", &format!("{ca}{mallory}"));
            client.expect_line("AUTH_FAILED,no such user: mallory", PATIENCE);
            client.expect_exit(PATIENCE);
            server
                .expect_line("TLS Auth Error: Auth Username/Password verification failed for peer", PATIENCE);

            let alice = login(&place, "alice", "wonder");
            let mut client = place.start_bare_client_by(Stock, "alice", &format!("{ca}{alice}"));
            client.expect_line(UP, PATIENCE);
            server.expect_line(
                "TLS: Username/Password authentication succeeded for username 'alice'",
                PATIENCE,
            );
            server.expect_line("[alice] Peer Connection Initiated with ", PATIENCE);
            traffic::ping(&place.network.client, "10.8.0.1");
            if *method == "via-file" {
                assert_eq!(place.file("mode"), "600\n");
            }
            // No secret stays behind, neither in a file nor in the log.
            let left: Vec<_> = std::fs::read_dir(place.folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with("openvpn_"))
                .collect();
            assert!(left.is_empty(), "{left:?}");
            assert_eq!(server.count("wonder"), 0);
        },
    );
}

#[test]
fn a_verifier_may_take_its_time_and_tell_by_a_file() {
    let place = Place::new("deferred login");
    // By the shell's own means: what is in the background has nobody's descriptors.
    let check = "{ sleep 1; [ $username = alice ] && echo 1 >$auth_control_file && exit\n\
                 echo 'come back tomorrow' >$auth_failed_reason_file; echo 0 >$auth_control_file; } &\nexit 2";
    let mut server = place.serve(&verifier(&place, "via-file", check));
    let mut client = place.start_client("client1", &login(&place, "bob", "x"));
    server.expect_line("TLS: Username/Password authentication deferred for username 'bob'", PATIENCE);
    client.expect_line("AUTH_FAILED,come back tomorrow", PATIENCE);
    client.expect_exit(PATIENCE);
    let mut client = place.start_client("client1", &login(&place, "alice", "x"));
    server.expect_line("TLS: Username/Password authentication deferred for username 'alice'", PATIENCE);
    client.expect_line(UP, PATIENCE);
    server.expect_line("TLS: Username/Password authentication succeeded for username 'alice'", PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
}

#[test]
fn a_client_is_told_to_wait_for_a_login_elsewhere() {
    let place = Place::new("pending login");
    let check = "printf '40\\nwebauth\\nWEB_AUTH::https://login.example/\\n' >$auth_pending_file\n\
                 { until [ -e go ]; do sleep 0.1; done; echo 1 >$auth_control_file; } &\nexit 2";
    let _server = place.serve(&verifier(&place, "via-file", check));
    let more = format!("setenv IV_SSO webauth\npush-peer-info\n{}", login(&place, "alice", "x"));
    let mut client = place.start_client("client1", &more);
    client.expect_line("AUTH_PENDING received", PATIENCE);
    client.expect_line("Info command was pushed by server ('WEB_AUTH::https://login.example/')", PATIENCE);
    place.folder.write("go", "");
    client.expect_line(UP, PATIENCE);
    drop(client);

    let mut client = place.start_client("client1", &login(&place, "alice", "x"));
    client.expect_line("required pending auth method 'webauth' not supported", PATIENCE);
}

#[test]
fn a_login_of_five_seconds_costs_nobody_a_packet() {
    let place = Place::new("slow login");
    Pki::easy_rsa(Keys::Ec).issue(super::lab::pki::Purpose::Client, "slow");
    let check =
        "[ $username = slow ] && { echo >asked; sleep 5; until [ -e go ]; do sleep 0.1; done; }\nexit 0";
    let server = place.serve(&verifier(&place, "via-file", check));
    let _quick = place.connect("client1", &login(&place, "quick", "x"));
    let mut slow = place.start_client("slow", &format!("dev null\n{}", login(&place, "slow", "x")));
    place.expect_in_file("asked", "");
    let address = "10.8.0.1:4000".parse().unwrap();
    let (from, to) = (&place.network.server, &place.network.client);
    let echoes = traffic::echoes(from, to, address, 2500, Duration::from_secs(5));
    // All of it happened while the script had not answered.
    assert_eq!(server.count("authentication succeeded for username 'slow'"), 0);
    assert_eq!(echoes, Echoes::default());
    place.folder.write("go", "");
    // Stock OpenVPN cannot do without the device that it asks for now.
    slow.expect_line("PUSH: Received control message: 'PUSH_REPLY,", PATIENCE);
}

#[test]
fn a_verifier_that_puts_off_a_client_that_has_gone_leaves_nothing_behind() {
    let place = Place::new("gone login");
    let check = "echo >asked; until [ -e go ]; do sleep 0.1; done; exit 2";
    let more = format!("proto tcp-server\ntmp-dir .\n{}", verifier(&place, "via-file", check));
    let mut server = place.serve(&more);
    let client = place.start_client("client1", &format!("proto tcp-client\n{}", login(&place, "alice", "x")));
    place.expect_in_file("asked", "");
    drop(client);
    server.expect_line("Connection reset", PATIENCE);
    let left = || {
        let names = std::fs::read_dir(place.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("openvpn_")).count()
    };
    assert_ne!(left(), 0);
    place.folder.write("go", "");
    assert!(wait_until(PATIENCE, || left() == 0));
}
