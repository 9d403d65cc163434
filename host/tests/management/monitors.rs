//! Monitors from PyPI and Debian, unmodified, look at a server of adit's: at its status file and at its management interface.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lab::console::Console;
use super::lab::process::Process;
use super::lab::program::Program::{Adit, Stock};
use super::lab::program::{path, unpacked};
use super::lab::{PATIENCE, run_cases, traffic, wait_until};
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
    let file = || fs::read_to_string(&status).unwrap_or_default();
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

/// What collectd, with its module for OpenVPN, reads of each version of the status file.
const COLLECTD: &str = r#"
Hostname lab
Interval 0.2
BaseDir "."
PIDFile "pid"
PluginDir "PEER/usr/lib/collectd"
TypesDB "PEER/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File stderr
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "FOLDER/read"
  StoreRates false
</Plugin>
LoadPlugin openvpn
<Plugin openvpn>
  StatusFile "FOLDER/copy"
  CollectUserCount true
</Plugin>
"#;

#[test]
fn collectd_reads_every_version_of_the_status() {
    run_cases(
        &[1, 2, 3],
        |version| format!("collectd {version}"),
        |version| {
            let place = Place::within(&format!("collectd {version}"));
            let folder = path(place.folder.path());
            let _server = place.serve(Adit, &format!("status status 1\nstatus-version {version}\n"));
            let _client = place.connect(Stock, "");
            traffic::ping(&place.network.client, "10.8.0.1");
            let separator = if *version == 3 { '\t' } else { ',' };
            let counted = |status: &str| -> Option<(String, String)> {
                let row = status.lines().find(|line| line.contains("client1"))?;
                let mut fields = row.split(separator).skip(if *version == 1 { 2 } else { 5 });
                Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
            };
            // A copy, since the next one is a second away.
            let mut status = String::new();
            let counts = wait_until(PATIENCE, || {
                status = place.file("status");
                counted(&status).is_some_and(|(received, sent)| received != "0" && sent != "0")
            });
            assert!(counts, "{status}");
            place.folder.write("copy", &status);
            let peer = unpacked("collectd");
            let config = COLLECTD.replace("PEER", &peer).replace("FOLDER", folder);
            let config = place.folder.write("collectd.conf", config);
            let libraries = fs::read_dir(format!("{peer}/usr/lib")).unwrap().flatten();
            let libraries =
                libraries.map(|entry| entry.path()).find(|path| path.join("libyajl.so.2").exists());
            let collectd = format!("{peer}/usr/sbin/collectd");
            let environment = format!("LD_LIBRARY_PATH={}", path(&libraries.expect("libyajl2")));
            let args = [&environment, &collectd, "-f", "-C", path(&config)];
            let _collectd =
                Process::start(&place.network.server, place.folder.path(), "collectd", "env", &args);

            // A head, then lines of the time of reading and what was read.
            let first = |name: &str| -> Option<String> {
                let folder = place.folder.path().join("read/lab").join(name);
                let text = fs::read_to_string(fs::read_dir(folder).ok()?.next()?.ok()?.path()).ok()?;
                Some(text.split_once('\n')?.1.split_once('\n')?.0.split_once(',')?.1.to_owned())
            };
            let read = |name: &str| {
                assert!(wait_until(PATIENCE, || first(name).is_some()), "{name}: {status}");
                first(name).unwrap()
            };
            let (received, sent) = counted(&status).unwrap();
            assert_eq!(read("openvpn-client1"), format!("{received},{sent}"), "{status}");
            assert_eq!(read("openvpn-copy").parse(), Ok(1.0));
        },
    );
}
