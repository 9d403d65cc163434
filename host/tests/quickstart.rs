//! The README's first command, and its next step: a stock OpenVPN joins the quickstart's server.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod lab;

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use rustix::process::Signal;

use lab::network::{Network, SERVER_IPV4};
use lab::process::Process;
use lab::program::path;
use lab::{Folder, PATIENCE, traffic};

/// The example's program. Cargo builds no examples for another package's tests, and does not say where they are.
fn quickstart() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // Where cargo is, rustc is as well; the path of root may lack both.
        let tools = Path::new(env!("CARGO")).parent().unwrap();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([tools.to_owned()].into_iter().chain(env::split_paths(&path))).unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "adit", "--example", "quickstart"])
            .arg("--message-format=json")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let program = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            (message["target"]["name"] == "quickstart")
                .then(|| message["executable"].as_str().map(PathBuf::from))?
        });
        program.unwrap_or_else(|| panic!("cargo names no program:\n{messages}"))
    })
}

#[test]
fn one_command_shows_a_tunnel() {
    let output = Command::new(quickstart()).args(["--mib", "8"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
    let fact = |name: &str| {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix("  "));
        line.unwrap_or_else(|| panic!("there is no fact '{name}':\n{text}"))
    };
    assert!(fact("handshake").starts_with("TLSv1.3, TLS_"), "{text}");
    assert!(fact("tunnel").starts_with("10.8.0.2 <-> 10.8.0.1, AES-256-GCM"), "{text}");
    assert_eq!(fact("page"), "http://10.8.0.1/ is HTTP/1.1 200 OK");
    assert!(text.contains("Hello from inside the tunnel."), "{text}");
    for direction in ["down", "up"] {
        assert!(fact(direction).starts_with("8388608 bytes, "), "{text}");
        assert!(fact(&format!("packets {direction}")).ends_with(" sent, 0 missing"), "{text}");
    }
    let renegotiations =
        fact("renegotiations").strip_suffix(" under load").and_then(|count| count.parse().ok());
    assert!(renegotiations.is_some_and(|count: u32| count >= 2), "{text}");
    assert_eq!(fact("drops"), "client: none; server: none");
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    for (args, sentence) in [
        (&["--mib"][..], "quickstart: --mib needs an argument; --help says which\n"),
        (&["--serve", "x"], "quickstart: --serve x: this is not what --help asks for\n"),
        (&["--fast"], "quickstart: there is no option --fast; --help lists what there is\n"),
        (
            &["--serve", "0", "--profile", "/nowhere/quickstart.ovpn"],
            "quickstart: cannot write /nowhere/quickstart.ovpn: No such file or directory (os error 2)\n",
        ),
    ] {
        let output = Command::new(quickstart()).args(args).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), sentence);
    }
}

#[test]
fn a_stock_openvpn_joins_and_gets_the_page() {
    let folder = Folder::new("quickstart");
    let network = Network::new();
    let bind = format!("{SERVER_IPV4}:1194");
    let args = ["--serve", "--bind", &bind, "--profile", "joins.ovpn"];
    let mut server = Process::start(&network.server, folder.path(), "server", path(quickstart()), &args);
    server.expect_line("Ctrl-C ends this", PATIENCE);

    let profile = folder.path().join("joins.ovpn");
    assert_eq!(fs::metadata(&profile).unwrap().permissions().mode() & 0o777, 0o600, "it holds a key");
    let mut client = Process::start(&network.client, folder.path(), "client", "openvpn", &[path(&profile)]);
    client.expect_line("Initialization Sequence Completed", PATIENCE);
    server.expect_line("a client has joined as 10.8.0.2 (AES-256-GCM)", PATIENCE);
    traffic::ping(&network.client, "10.8.0.1");

    let page = http(&network, "GET / HTTP/1.1\r\nHost: 10.8.0.1\r\n\r\n", 0);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("Hello from inside the tunnel."), "{page}");
    let down = http(&network, "GET /bulk/3000000 HTTP/1.1\r\n\r\n", 0);
    assert_eq!(down.split_once("\r\n\r\n").map(|(_, body)| body.len()), Some(3_000_000));
    let up = http(&network, "PUT /bulk HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n", 3_000_000);
    assert!(up.ends_with("\r\n\r\n3000000 bytes received\n"), "{up}");
    let nothing = http(&network, "GET /nothing HTTP/1.1\r\n\r\n", 0);
    assert!(nothing.starts_with("HTTP/1.1 404 "), "{nothing}");

    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
    server.expect_line("a client has gone: remote-exit", Duration::from_secs(10));
}

/// Sends a request with a body of so many bytes to 10.8.0.1 from the client's namespace, and reads the response.
fn http(network: &Network, request: &str, body: usize) -> String {
    let mut stream = network.client.inside(|| TcpStream::connect("10.8.0.1:80")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; body]).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
