//! Names, logins and what a client says of itself, as odd as stock OpenVPN sends them.

use std::fs;

use super::lab::console::Console;
use super::lab::pki::{Keys, Pki};
use super::lab::place::{Place, UP};
use super::lab::process::Process;
use super::lab::program::Program::{Adit, Stock};
use super::lab::program::path;
use super::lab::{PATIENCE, run, traffic, wait_until};
use super::{PWNED, client_text, expect_lines, expect_printable, server_text};

/// A certificate of the CA for a name that easy-rsa would not take; its directives.
fn certificate(place: &Place, common_name: &str) -> String {
    let folder = place.folder.path();
    let [key, request, certificate] = ["odd.key", "odd.csr", "odd.crt"].map(|name| folder.join(name));
    let pki = Pki::easy_rsa(Keys::Ec);
    let subject = format!("/CN={}", common_name.replace('/', "\\/"));
    run("openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path(&key)]);
    run("openssl", &["req", "-new", "-utf8", "-key", path(&key), "-subj", &subject, "-out", path(&request)]);
    let extensions =
        place.folder.write("odd.ext", "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n");
    let (ca, ca_key) = (pki.ca(), pki.key("ca"));
    run(
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            path(&request),
            "-CA",
            path(&ca),
            "-CAkey",
            path(&ca_key),
            "-set_serial",
            "4711",
            "-days",
            "30",
            "-extfile",
            path(&extensions),
            "-out",
            path(&certificate),
        ],
    );
    format!("ca {}\ncert {}\nkey {}\n", path(&ca), path(&certificate), path(&key))
}

/// A server with everything that passes something on: scripts, files for clients, leases, status, log, management.
fn serve(place: &Place, more: &str) -> (Process, Console) {
    let hook = place.hook();
    let ccd = place.folder.path().join("ccd");
    fs::create_dir_all(&ccd).unwrap();
    // Outside of the folder for clients, where a name that is a path would lead.
    place.folder.write("outside", "push \"echo outside\"\n");
    let text = server_text(&format!(
        "script-security 3\nlog server.log\nstatus status 1\nmanagement server.sock unix\nclient-config-dir ccd\n\
         ifconfig-pool-persist leases 1\nclient-connect {hook}\nclient-disconnect {hook}\nlearn-address {hook}\n\
         tls-verify {hook}\n{more}"
    ));
    let mut server = Adit.start(&place.network.server, &place.folder, "server", &text);
    server.expect_line(UP, PATIENCE);
    let mut console = Console::unix(&place.folder.path().join("server.sock"));
    console.ask("log on all");
    console.ask("state on");
    (server, console)
}

/// All that people, programs and scripts saw of the client.
fn expect_all_printable(place: &Place, console: &mut Console) {
    for version in 1..=3 {
        let status = console.ask(&format!("status {version}")).join("\n");
        // Its third version has tabs between its fields.
        expect_printable("management", &status.replace('\t', " "));
        // A row for each client and each address, and none that a name has forged.
        for (kind, count) in [("CLIENT_LIST", 1), ("ROUTING_TABLE", 1)] {
            let rows = status.lines().filter(|line| line.starts_with(kind)).count();
            assert_eq!(rows, if version == 1 { 0 } else { count }, "{status}");
        }
    }
    expect_printable("management", &core::mem::take(&mut console.notices).join("\n"));
    assert!(wait_until(PATIENCE, || place.text("status").contains("10.8.0.2")), "{}", place.text("status"));
    for name in ["server.log", "status"] {
        expect_printable(name, &place.text(name));
    }
    for name in ["leases", "calls"] {
        expect_lines(name, &place.text(name));
    }
    assert!(!place.folder.path().join(PWNED).exists(), "a client's text was run");
}

/// The client pings the server, so that its route is in use.
fn connect(place: &Place, text: &[u8]) -> Process {
    let file = place.folder.write("client.conf", text);
    let mut client = Process::start(
        &place.network.client,
        place.folder.path(),
        "client",
        Stock.executable(),
        &[path(&file)],
    );
    client.expect_line(UP, PATIENCE);
    traffic::ping(&place.network.client, "10.8.0.1");
    client
}

#[test]
fn a_name_that_is_a_path_a_command_and_a_terminal_s() {
    let place = Place::new("hostile name");
    let touch = format!("touch {PWNED}");
    let name = format!("../outside,$({touch})`id`;\u{1b}[2J\n\u{9b}\u{202e}");
    let (_server, mut console) = serve(&place, "");
    let mut text = client_text("");
    text += &certificate(&place, &name);
    let client = connect(&place, text.as_bytes());
    assert!(wait_until(PATIENCE, || place.text("calls").contains("== client-connect")));
    assert_eq!(client.count("echo outside"), 0, "a file outside of client-config-dir was read");
    let calls = place.text("calls");
    assert!(calls.contains(&format!("\ncommon_name=../outside,$(touch {PWNED})")), "{calls}");
    expect_all_printable(&place, &mut console);
}

#[test]
fn a_login_and_a_peer_info_of_odd_bytes() {
    for via in ["via-env", "via-file"] {
        let place = Place::new(&format!("hostile {via}"));
        let hook = place.hook();
        let verify = format!("auth-user-pass-verify {hook} {via}\nusername-as-common-name\n");
        let (server, mut console) = serve(&place, &verify);
        let mut login = b"../outside,$(touch ".to_vec();
        login.extend(PWNED.as_bytes());
        login.extend(b")`id`;\x1b]0;title\x07\xff\xc2\x9b31m\xe2\x80\xae\n\x1b[31mpass\xfeword\n");
        let login = place.folder.write("login", login);
        let mut text =
            client_text(&format!("push-peer-info\nauth-user-pass {}\n", path(&login))).into_bytes();
        for (number, value) in
            [&b"\x1b[31m"[..], b"\xff\xfe", b"$(touch pwned)`id`", b"\xe2\x80\xae", b"%n%s", b"a=b,c"]
                .iter()
                .enumerate()
        {
            text.extend(format!("setenv UV_N{number} \"").into_bytes());
            text.extend(*value);
            text.extend(b"\"\n");
        }
        let client = connect(&place, &text);
        assert!(wait_until(PATIENCE, || place.text("calls").contains("== client-connect")));
        assert_eq!(client.count("echo outside"), 0, "a file outside of client-config-dir was read");
        let calls = place.text("calls");
        assert!(calls.contains("\nusername=../outside,$(touch pwned)`id`;"), "{calls}");
        assert!(calls.contains("\nUV_N2=__touch_pwned)_id_\n"), "{calls}");
        assert!(server.count("peer info: UV_N2=$(touch pwned)`id`") == 1, "{}", server.log());
        expect_all_printable(&place, &mut console);
    }
}
