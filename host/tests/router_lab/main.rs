//! The lab of the virtual router: stock OpenVPN clients, adit as server, and a bastion on its LAN whose `sshd` accepts
//! only that LAN. Who comes is known there, or can be found out; who may not come does not; and nobody else's machine,
//! and nothing of the server's own, was set up for it.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../lab/mod.rs"]
mod lab;
mod site;
mod ways;

use std::collections::BTreeSet;

use lab::program::Program::Adit;
use lab::program::path;
use lab::{PATIENCE, run, run_cases, wait_until};
use rustix::process::Signal;
use site::{BASTION, EXAMPLE, OURS, SSH_RULE, Site, example, settings};

/// Its name, and what it does; the name is that of its folder, too.
type Case = (&'static str, fn(&str));

/// One test, since two cases of the whole program run at a time.
#[test]
fn the_lab() {
    let cases: [Case; 4] = [
        ("the whole picture", the_whole_picture),
        ("masquerade", |name| a_log_line_leads_to_a_certificate(name, "nat masquerade", false)),
        ("blocks", |name| a_log_line_leads_to_a_certificate(name, "nat blocks 1024", true)),
        ("ways", ways::all_kinds_of_packets_find_their_way),
    ];
    run_cases(&cases, |(name, _)| (*name).to_owned(), |(name, run)| run(name));
}

#[test]
fn the_example_is_the_page_s() {
    let page = include_str!("../../../docs/router.md");
    let (_, block) = page.split_once("```conf\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let example: String = EXAMPLE.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
    assert_eq!(example.replace("/etc/openvpn/", ""), block);
}

/// The file of `examples/config`: client1 and client3 are of the group, client2 is not.
fn the_whole_picture(name: &str) {
    let site = Site::within(name, 3);
    let (server_host, bastion) = (&site.place.network.server, &site.bastion);
    assert_eq!(server_host.run("cat", &["/proc/sys/net/ipv4/ip_forward"]).trim(), "0");
    assert!(!bastion.host.run("ip", &["route"]).contains("default"));
    let before = [settings(server_host), settings(&bastion.host)];

    let file = site.place.folder.write("example.conf", example());
    let said = run(Adit.executable(), &["--check", path(&file)]);
    assert!(!said.contains("warning:"), "{said}");
    let mut server = site.serve(&example());
    let clients = site.connect_all();
    let mut console = site.console();

    // An address for each certificate, in the bastion's own log.
    for client in [1, 3] {
        let (well, said) = site.ssh(client, "echo $((40 + 2))");
        assert!(well && said.contains("42"), "{said}");
    }
    let accepted = bastion.accepted();
    assert_eq!(accepted.len(), 2);
    assert_ne!(accepted[0].ip(), accepted[1].ip());
    for (from, client) in accepted.iter().zip(["client1", "client3"]) {
        let last = from.ip().to_string().strip_prefix("10.0.1.").and_then(|last| last.parse().ok());
        assert!(last.is_some_and(|last: u8| (200..=220).contains(&last)), "{from}");
        let who = console.ask(&format!("whois {} {} tcp", from.ip(), from.port()));
        let holder = format!("{client}: {from} for 10.8.0.");
        assert!(who.iter().any(|line| line.starts_with(&holder)), "{who:?}");
        let logged = |line: &serde_json::Value| {
            line["event"] == "start" && line["identity"] == client && line["outside"] == from.to_string()
        };
        assert!(wait_until(PATIENCE, || site.flow_log().iter().any(logged)), "{:?}", site.flow_log());
    }

    // Who is not of the group: told by ICMP and by a RST, counted and logged; and explained.
    let (_, said) = site.at_client(2, &["ping", "-n", "-c", "1", "-W", "3", BASTION]);
    assert!(said.contains("From 10.8.0.1 icmp_seq=1 Packet filtered"), "{said}");
    let (well, said) = site.ssh(2, "true");
    assert!(!well && said.contains("Connection refused"), "{said}");
    for what in ["icmp type 8", "tcp 22"] {
        let line = format!("denied: {what} to {BASTION}: no rule allows it");
        assert!(wait_until(PATIENCE, || server.count(&line) > 0), "{line}");
    }
    let why = console.ask(&format!("explain client2 {BASTION} tcp 22")).join("\n");
    assert!(why.contains("none that is about client2 fits") && why.contains("TCP reset"), "{why}");
    let why = console.ask(&format!("explain client1 {BASTION} tcp 22")).join("\n");
    assert!(why.contains("line 16") && !why.contains("dropped"), "{why}");
    assert_eq!(bastion.accepted().len(), 2);

    site.port_forward_works(&clients);
    site.the_gateway_is_a_hop();

    // The rule goes while ssh is open.
    let mut ssh = site.open_ssh(1);
    ssh.echoes("one");
    site.change(&mut server, &example().replace(SSH_RULE, ""));
    ssh.enter("two");
    let (status, said) = ssh.end();
    assert_eq!(status, Some(255), "{said}");
    assert!(said.contains("reset") || said.contains("Broken pipe"), "{said}");
    let (well, said) = site.ssh(3, "true");
    assert!(!well && said.contains("Connection refused"), "{said}");
    lab::traffic::ping(site.client(1), BASTION);
    lab::traffic::ping(site.client(3), BASTION);
    for client in &clients {
        assert_eq!(client.count(lab::place::UP), 1, "{}", client.log());
    }

    // All of that, and nothing was set up anywhere.
    let after = [settings(server_host), settings(&bastion.host)];
    for (before, after) in before.iter().zip(&after) {
        let (before, after): (BTreeSet<&str>, BTreeSet<&str>) =
            (before.lines().collect(), after.lines().collect());
        let changes: Vec<_> = before.symmetric_difference(&after).collect();
        assert!(changes.is_empty(), "{changes:#?}");
    }
    server.signal(Signal::TERM);
    server.expect_exit(PATIENCE);
    assert!(server.count("dropped packets, denied: ") == 1, "{}", server.log());
}

/// All come from one address; the port, and the time, tell who it was.
fn a_log_line_leads_to_a_certificate(name: &str, nat: &str, by_block: bool) {
    let site = Site::within(name, 2);
    let text = example().replace("nat identity 10.0.1.200-10.0.1.220", nat).replace("client3", "client2");
    let server = site.serve(&text);
    let clients = site.connect_all();
    for client in [1, 2] {
        let (well, said) = site.ssh(client, "true");
        assert!(well, "{said}");
    }
    let accepted = site.bastion.accepted();
    assert_eq!(accepted.iter().map(|from| from.ip().to_string()).collect::<Vec<_>>(), [OURS, OURS]);
    if by_block {
        let blocks: BTreeSet<u16> = accepted.iter().map(|from| from.port() / 1024).collect();
        assert_eq!(blocks.len(), 2, "{accepted:?}");
    }
    let mut console = site.console();
    let now = run("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]);
    let log = site.place.folder.path().join("flows.jsonl");
    for (from, client) in accepted.iter().zip(["client1", "client2"]) {
        let (address, port) = (from.ip().to_string(), from.port().to_string());
        let holder = format!("{client}: {from} for 10.8.0.");
        let who = console.ask(&format!("whois {address} {port} tcp"));
        assert!(who.iter().any(|line| line.starts_with(&holder)), "{who:?}");
        if by_block {
            // Another port of the block, which nothing ever came from.
            let other = (from.port() & !1023) + ((from.port() & 1023) + 512) % 1024;
            let who = console.ask(&format!("whois {address} {other} tcp"));
            assert!(who[0].starts_with(&format!("{client}: ")), "{who:?}");
        }
        // The file alone, when the server is gone or has forgotten.
        let words = ["--whois", &address, &port, "tcp", now.trim(), path(&log)];
        let found = || {
            let output = lab::run_unchecked(Adit.executable(), &words);
            String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with(&holder))
        };
        assert!(wait_until(PATIENCE, found), "{}", site.place.file("flows.jsonl"));
    }
    drop((server, clients));
}
