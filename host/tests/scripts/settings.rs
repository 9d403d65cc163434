//! `client-config-dir`: what is configured for one client alone.

use std::fs;

use super::lab::process::Process;
use super::lab::{PATIENCE, traffic};
use super::{Place, UP};

/// Begins to connect as client1, with `text` as its file, or none.
fn client(place: &Place, file: &str, text: Option<&str>) -> Process {
    let path = place.folder.path().join("ccd").join(file);
    match text {
        Some(text) => fs::write(path, text).unwrap(),
        None => drop(fs::remove_file(path)),
    }
    place.start_client("client1", "")
}

fn served(place: &Place, more: &str) -> Process {
    fs::create_dir(place.folder.path().join("ccd")).unwrap();
    place.serve(&format!("client-config-dir ccd\npush \"route 10.66.0.0 255.255.0.0\"\n{more}"))
}

#[test]
fn a_client_s_file_says_what_it_gets() {
    let place = Place::new("ccd");
    let server = served(&place, "");
    for (text, pushed, not_pushed) in [
        ("ifconfig-push 10.8.0.200 255.255.255.0\n", "ifconfig 10.8.0.200 255.255.255.0", "no such thing"),
        ("push \"dhcp-option DNS 10.8.0.53\"\n", "dhcp-option DNS 10.8.0.53", "no such thing"),
        (
            "push-reset\npush \"dhcp-option DOMAIN only.example\"\n",
            "dhcp-option DOMAIN only.example",
            "route 10.66.0.0",
        ),
        ("push-remove route\n", "ifconfig 10.8.0.", "route 10.66.0.0"),
    ] {
        let mut client = client(&place, "client1", Some(text));
        client.expect_line("PUSH: Received control message: 'PUSH_REPLY,", PATIENCE);
        let log = client.log();
        let reply = log.lines().find(|line| line.contains("PUSH_REPLY,")).unwrap();
        assert!(reply.contains(pushed) && !reply.contains(not_pushed), "{text}: {reply}");
    }
    let reading = "OPTIONS IMPORT: reading client specific options from: ";
    assert!(server.count(reading) >= 4, "{}", server.log());
}

#[test]
fn some_have_the_default_and_some_may_not_come_in() {
    let place = Place::new("ccd default");
    let _server = served(&place, "");
    let mut one = client(&place, "DEFAULT", Some("push \"dhcp-option DOMAIN default.example\"\n"));
    one.expect_line("default.example", PATIENCE);
    drop(one);
    let mut one = client(&place, "client1", Some("disable\n"));
    one.expect_line("AUTH_FAILED", PATIENCE);
    one.expect_exit(PATIENCE);
    // What cannot be used is said, and the rest of the file holds.
    let mut one =
        client(&place, "client1", Some("no-such-option\npush \"dhcp-option DOMAIN rest.example\"\n"));
    one.expect_line("rest.example", PATIENCE);
}

#[test]
fn exclusive_means_that_the_default_is_not_enough() {
    let place = Place::new("ccd exclusive");
    let mut server = served(&place, "ccd-exclusive\n");
    let mut one = client(&place, "DEFAULT", Some(""));
    one.expect_line("AUTH_FAILED", PATIENCE);
    one.expect_exit(PATIENCE);
    server.expect_line("there is no file for the common name 'client1' in ", PATIENCE);
    let mut one = client(&place, "client1", Some(""));
    one.expect_line(UP, PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
}
