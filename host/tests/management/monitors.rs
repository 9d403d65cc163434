//! Monitors from PyPI, unmodified, look at a server of adit's: at its status file and at its management interface.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lab::console::Console;
use super::lab::program::Program::{Adit, Stock};
use super::lab::program::path;
use super::lab::{PATIENCE, run_cases, wait_until};
use super::{PORT, Place};

/// Where the interface is, and which version of the status is in the file.
const CASES: [(&str, u8); 2] = [("tcp", 1), ("unix", 3)];

#[test]
fn monitors_see_who_is_connected() {
    run_cases(
        &CASES,
        |(place, version)| format!("{place} {version}"),
        |(place, version)| look(place, *version),
    );
}

fn look(interface: &str, version: u8) {
    let place = Place::new(&format!("monitors {interface}"));
    let status = place.folder.path().join("status");
    let socket = place.folder.path().join("server.sock");
    let directive = match interface {
        "tcp" => format!("management 127.0.0.1 {PORT}"),
        _ => "management server.sock unix".to_owned(),
    };
    let more = format!("{directive}\nstatus status 1\nstatus-version {version}\n");
    let _server = place.serve(Adit, &more);
    let _client = place.connect(Stock, "");
    let file = || std::fs::read_to_string(&status).unwrap_or_default();
    assert!(wait_until(PATIENCE, || file().contains("10.8.0.2")), "{}", file());
    // Somebody else watches as well.
    let mut console = match interface {
        "tcp" => Console::tcp(&place.network.server, PORT),
        _ => Console::unix(&socket),
    };
    console.ask("state on");
    let management = match interface {
        "tcp" => format!("127.0.0.1:{PORT}"),
        _ => path(&socket).to_owned(),
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitors/look.py");
    let python = python();
    let args = [path(&script), &management, path(&status), &version.to_string()].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let seen: Value = serde_json::from_str(&place.network.server.run(path(&python), &args)).unwrap();
    let expected = json!({
        "file": [["client1", "192.0.2.2", true]],
        // openvpn-monitor knows one address of a client, that of IPv6 if there is one.
        "routes": if version == 1 { &["10.8.0.2", "fd00:8::1000"][..] } else { &["fd00:8::1000"] },
        "api": {
            "version": "2.6.14",
            "state": "CONNECTED",
            "mode": "unknown",
            "address": "10.8.0.1",
            "clients": 1,
            "bytes": true,
            "names": ["client1"],
        },
        "page": { "client1": true, "10.8.0.1": true, "192.0.2.2": true, "fd00:8::1000": true },
    });
    assert_eq!(seen, expected);
}

/// The interpreter among the monitors.
fn python() -> PathBuf {
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = build.join("monitors/bin/python");
    assert!(python.exists(), "{}: `./test` or host/tests/monitors/install makes it", python.display());
    python
}
