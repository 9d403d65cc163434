//! Pushed options, as many and as odd as stock OpenVPN sends them.

use core::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use super::lab::console::Console;
use super::lab::place::{Place, UP};
use super::lab::process::Process;
use super::lab::program::Program::{Adit, Stock};
use super::lab::{PATIENCE, traffic, wait_until};
use super::{client_text, expect_lines, expect_printable, peak_memory, server_text};

const HOME: &str = "nameserver 192.0.2.53\n";
const HOOKS: [&str; 4] = ["up", "route-up", "route-pre-down", "down"];

/// A client with everything that could pass something on: scripts, DNS, log, status, management.
struct Victim<'a> {
    place: &'a Place,
    client: Process,
    console: Console,
}

impl<'a> Victim<'a> {
    fn start(place: &'a Place, more: &str) -> Self {
        fs::write(place.network.client.etc().join("resolv.conf"), HOME).unwrap();
        let hook = place.hook();
        let mut text = client_text(
            "script-security 2\nlog client.log\nstatus status 1\nmanagement client.sock unix\n\
             dns-updown force\n",
        );
        for name in HOOKS {
            let _ = writeln!(text, "{name} {hook}");
        }
        text += more;
        let client = Adit.start(&place.network.client, &place.folder, "client", &text);
        let mut console = Console::unix(&place.folder.path().join("client.sock"));
        for command in ["log on all", "echo on all", "state on"] {
            console.ask(command);
        }
        Self { place, client, console }
    }

    fn resolv_conf(&self) -> String {
        fs::read_to_string(self.place.network.client.etc().join("resolv.conf")).unwrap()
    }

    /// All that people and programs saw of it by now.
    fn expect_all_printable(&mut self) {
        let mut seen = self.console.ask("status 2");
        seen.extend(self.console.ask("echo all"));
        seen.extend(self.console.ask("state all"));
        seen.append(&mut self.console.notices);
        expect_printable("management", &seen.join("\n"));
        for name in ["client.log", "status"] {
            expect_printable(name, &self.place.text(name));
        }
        expect_lines("calls", &self.place.text("calls"));
        assert!(!self.place.folder.path().join(super::PWNED).exists(), "a pushed text was run");
    }

    fn end(mut self) {
        self.client.signal(Signal::TERM);
        assert!(self.client.expect_exit(PATIENCE).success());
        assert_eq!(self.resolv_conf(), HOME);
    }
}

/// `push` with these bytes.
fn push(option: &[u8]) -> Vec<u8> {
    let mut line = b"push \"".to_vec();
    for byte in option {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.extend(b"\"\n");
    line
}

/// Stock OpenVPN that pushes `lines`.
fn serve(place: &Place, name: &str, lines: &[Vec<u8>]) -> Process {
    let mut text = server_text("").into_bytes();
    lines.iter().for_each(|line| text.extend(line));
    let file = place.folder.write(&format!("{name}.conf"), text);
    let args = [file.to_str().unwrap()];
    let mut server =
        Process::start(&place.network.server, place.folder.path(), name, Stock.executable(), &args);
    server.expect_line(UP, PATIENCE);
    server
}

/// Everything that a shell, a terminal or a resolver could take amiss, in hundreds of options.
#[test]
fn text_for_shells_and_resolvers_is_told_and_goes_no_further() {
    let place = Place::new("hostile text");
    let touch = format!("touch${{IFS}}{}", place.pwned());
    let spells = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("x;{touch};"),
        format!("x|{touch}"),
        format!("'{touch}'"),
        format!("\"{touch}\""),
        format!("../../..{}", place.pwned()),
        "%s%n%x".to_owned(),
        "\u{202e}gpj.exe\u{200b}".to_owned(),
        "-o/tmp/x".to_owned(),
        "*".to_owned(),
    ];
    let mut options = Vec::new();
    for _ in 0..4 {
        for spell in &spells {
            options.extend([
                format!("dhcp-option DOMAIN {spell}"),
                format!("dhcp-option DOMAIN-SEARCH a.{spell}"),
                format!("dhcp-option DNS {spell}"),
                format!("dhcp-option NTP {spell}"),
                format!("dns server 0 address {spell}"),
                format!("dns search-domains {spell}"),
                format!("dns server 0 resolve-domains {spell}"),
                format!("route {spell} 255.255.0.0"),
                format!("route 10.66.0.0 255.255.0.0 {spell}"),
                format!("route-ipv6 {spell}"),
                format!("redirect-gateway {spell}"),
                format!("setenv LD_PRELOAD {spell}"),
                format!("setenv-safe {spell} y"),
                format!("up {spell}"),
                format!("script-security 3 {spell}"),
                format!("echo {spell}"),
                spell.clone(),
            ]);
        }
    }
    for (number, spell) in spells.iter().enumerate() {
        options.push(format!("setenv-safe N{number} {spell}"));
    }
    options.push("dhcp-option DNS 10.8.0.1".to_owned());
    options.push("dhcp-option DOMAIN fine.example".to_owned());
    let bytes: usize = options.iter().map(|option| option.len()).sum();
    assert!(bytes > 40_000, "{bytes}");
    let lines: Vec<_> = options.iter().map(|option| push(option.as_bytes())).collect();
    let server = serve(&place, "server", &lines);
    let before = place.network.client.run("ip", &["route"]);
    let mut victim = Victim::start(&place, "");
    victim.client.expect_line(UP, PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
    let sent = server.count("push-continuation 2");
    assert!(sent > 40, "{sent} continuations");

    // Only what is an address or a name came through.
    let settings: Vec<_> =
        victim.resolv_conf().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(settings, ["nameserver 10.8.0.1", "search fine.example"]);
    let routes = place.network.client.run("ip", &["route"]);
    let more: Vec<&str> = routes.lines().filter(|line| !before.contains(line.trim_end())).collect();
    assert!(more.iter().all(|line| line.starts_with("10.8.0.0/24")), "{more:?}");

    // Scripts are told variables of the name that is meant for them, as text.
    assert!(wait_until(PATIENCE, || place.text("calls").contains("== route-up")));
    let calls = place.text("calls");
    assert!(calls.contains(&format!("\nOPENVPN_N0=$({touch})\n")), "{calls}");
    assert!(calls.contains("\nforeign_option_1=dhcp-option DNS 10.8.0.1\n"), "{calls}");
    assert!(!calls.contains("LD_PRELOAD"), "{calls}");
    let telling: Vec<&str> =
        calls.lines().filter(|line| line.contains("${IFS}") && !line.starts_with("OPENVPN_N")).collect();
    assert!(telling.is_empty(), "{telling:?}");

    // What was passed over is told, with what was wrong, as far as anybody reads that.
    for told in [
        format!("pushed option dhcp-option passed over: '$({touch})' is not"),
        "pushed option up passed over: adit does not take this option from a server".to_owned(),
        "pushed option setenv passed over: ".to_owned(),
        format!("pushed option route passed over: '$({touch})' is not an IPv4 address"),
    ] {
        assert!(victim.client.count(&told) > 0, "{told}: {}", victim.client.log());
    }
    victim.client.expect_line(" more of the server's options were passed over", PATIENCE);
    assert_eq!(victim.client.count(" passed over: "), 100);
    victim.expect_all_printable();
    victim.end();
    assert!(place.text("calls").contains("== down"));
}

/// A message with bytes that are no text is told escaped, and nothing of it is used; the others are.
#[test]
fn control_bytes_and_bad_utf8_are_told_escaped() {
    let place = Place::new("hostile bytes");
    let bad: [&[u8]; 6] = [
        b"dhcp-option DOMAIN \x1b[31mred.example",
        b"dhcp-option DOMAIN \xff\xfe.example",
        b"echo \x07\x1b]0;title\x07",
        b"setenv-safe X a\x9b2Jb",
        b"route 10.66.0.0 255.255.0.0\r",
        b"dhcp-option DOMAIN \xc0\xae.example",
    ];
    // Each in a message of its own: options that fill one follow.
    let mut lines = Vec::new();
    for (number, option) in bad.iter().enumerate() {
        lines.push(push(option));
        for filler in 0..5 {
            lines.push(push(format!("setenv-safe F{number}{filler} {}", "x".repeat(180)).as_bytes()));
        }
    }
    lines.push(push(b"dhcp-option DOMAIN fine.example"));
    lines.push(push(b"dhcp-option DNS 10.8.0.1"));
    let _server = serve(&place, "server", &lines);
    let mut victim = Victim::start(&place, "");
    victim.client.expect_line(UP, PATIENCE);
    for quoted in [r"DOMAIN \x1b[31mred.example", r"DOMAIN \xff\xfe.example", r"echo \x07\x1b]0;title\x07"] {
        let log = victim.client.log();
        let told = log.lines().any(|line| {
            line.contains("a control message that is not printable text was ignored: '")
                && line.contains(quoted)
        });
        assert!(told, "{quoted}: {log}");
    }
    assert!(wait_until(PATIENCE, || place.text("calls").contains("== route-up")));
    let resolv_conf = victim.resolv_conf();
    assert!(!resolv_conf.contains("red") && resolv_conf.contains("fine.example"), "{resolv_conf}");
    assert!(!place.network.client.run("ip", &["route"]).contains("10.66."));
    victim.expect_all_printable();
    victim.end();
}

/// More than any client needs is refused as a whole, again and again, in the memory of an ordinary session; a server
/// that thinks better of it finds the client still there.
#[test]
fn a_megabyte_of_options_costs_nothing() {
    let place = Place::new("hostile megabyte");
    let ordinary = {
        let _server = serve(&place, "ordinary", &[]);
        let mut victim = Victim::start(&place, "");
        victim.client.expect_line(UP, PATIENCE);
        let peak = peak_memory(&victim.client);
        victim.end();
        peak
    };
    fs::remove_file(place.folder.path().join("calls")).unwrap();
    let lines: Vec<_> = (0..4400)
        .map(|number| push(format!("setenv-safe V{number} {}", "$(id)`id`;".repeat(22)).as_bytes()))
        .collect();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    assert!(bytes > 1 << 20, "{bytes}");
    let server = serve(&place, "server", &lines);
    let mut victim = Victim::start(&place, "connect-retry 1 1\n");
    let told = "cannot use the server's options: they are more than 65536 bytes";
    assert!(wait_until(2 * PATIENCE, || victim.client.count(told) >= 3), "{}", victim.client.log());
    let sent = server.count("SENT CONTROL");
    assert!(sent > 1000, "{sent} messages");
    let peak = peak_memory(&victim.client);
    println!("{ordinary} kB for an ordinary session, {peak} kB for {bytes} bytes of options");
    assert!(peak < ordinary + 4096, "{peak} kB, {ordinary} kB for an ordinary session");
    let log = victim.client.log().len();
    assert!(log < victim.client.count("TLS: Initial packet") * 2 * 65_536, "a log of {log} bytes");
    assert_eq!(victim.resolv_conf(), HOME);
    assert_eq!(place.text("calls"), "", "there was no tunnel to tell scripts of");
    victim.expect_all_printable();

    server.signal(Signal::KILL);
    drop(server);
    let _server = serve(&place, "better", &[]);
    victim.client.expect_line(UP, PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
    victim.end();
}
