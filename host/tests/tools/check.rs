//! What `adit --check` says of the guide's configurations, of Debian's samples, and of files that are not right.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::adit;
use crate::lab::Folder;
use crate::lab::pki::{Keys, Pki};
use crate::lab::program::{Program, path};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const SAMPLE_KEYS: &str = "/usr/share/doc/openvpn/examples/sample-keys";

/// A folder with the names that the guide's configurations use.
fn guide(case: &str) -> Folder {
    let folder = Folder::new(case);
    let pki = Pki::easy_rsa(Keys::Rsa);
    for (name, file) in [
        ("ca.crt", pki.ca()),
        ("server.crt", pki.certificate("server")),
        ("server.key", pki.key("server")),
        ("client1.crt", pki.certificate("client1")),
        ("client1.key", pki.key("client1")),
    ] {
        folder.write(name, fs::read(file).unwrap());
        set_mode(&folder.path().join(name), 0o600);
    }
    for name in ["final-server.conf", "final-client.conf"] {
        folder.write(name, fs::read(format!("{FIXTURES}/guide-2016/{name}")).unwrap());
    }
    folder
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

/// The lines of the report, and the exit status.
fn check(folder: &Folder, args: &[&str]) -> (Vec<String>, i32) {
    let output = adit(folder.path(), &[&["--check"], args].concat());
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), output.status.code().unwrap())
}

#[test]
fn the_guide_s_server_can_be_used_and_is_told_what_has_changed() {
    let folder = guide("check guide");
    let (lines, status) = check(&folder, &["final-server.conf"]);
    assert_eq!(status, 0, "{lines:#?}");
    for start in [
        "final-server.conf:7:1: warning: dh: this has no effect",
        "final-server.conf:17:1: warning: status: this replaces the one on line 15",
        "final-server.conf:12:1: warning: comp-lzo: nothing is compressed",
        "final-server.conf:8:1: warning: server: there is no 'topology'",
        "final-server.conf:8:8: warning: server: the clients' network 10.0.255.0/24 lies within 10.0.0.0/16",
        "final-server.conf: a server's configuration that can be used; no errors, 5 warnings",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {lines:#?}");
    }
    assert_eq!(lines.len(), 6, "{lines:#?}");
    let (lines, status) = check(&folder, &["final-client.conf"]);
    assert!(status == 0 && lines.iter().any(|line| line.contains("ns-cert-type")), "{lines:#?}");
}

#[test]
fn files_that_are_not_there_or_not_secret() {
    let folder = guide("check files");
    fs::rename(folder.path().join("server.crt"), folder.path().join("actmotech.local.crt")).unwrap();
    let text = "server 10.8.0.0 255.255.255.0\ntopology subnet\ndev tun\nkeepalive 10 60\nca ca.crt\n\
                cert actmotech.xyz.crt\nkey server.key\nclient-config-dir ccd\nscript-security 2\n\
                client-connect hook.sh\nlog logs/adit.log\n";
    folder.write("server.conf", text);
    folder.write("hook.sh", "#!/bin/sh\n");
    set_mode(&folder.path().join("hook.sh"), 0o644);
    set_mode(&folder.path().join("server.key"), 0o644);
    let (lines, status) = check(&folder, &["server.conf"]);
    assert_eq!(status, 1);
    let here = fs::canonicalize(folder.path()).unwrap();
    for start in [
        format!(
            "server.conf:6:6: error: cert: cannot read 'actmotech.xyz.crt': No such file or directory in {}; there is \
             'actmotech.local.crt'",
            here.display()
        ),
        "server.conf:7:5: warning: key: 'server.key' is a secret, and others may read it (mode 0644)".into(),
        "server.conf:8:19: error: client-config-dir: there is no directory 'ccd'".into(),
        "server.conf:10:16: error: client-connect: 'hook.sh' is not executable".into(),
        "server.conf:11:5: error: log: there is no directory 'logs'".into(),
        "server.conf: it cannot be used; 4 errors, 1 warning".into(),
    ] {
        assert!(lines.iter().any(|line| line.starts_with(&start)), "{start}: {lines:#?}");
    }
    assert_eq!(lines.len(), 6, "{lines:#?}");

    // From elsewhere, with options behind, and with the settings of clients.
    for name in ["ccd", "logs"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    set_mode(&folder.path().join("hook.sh"), 0o755);
    let outside = Folder::new("check outside");
    let (config, directory) = (folder.path().join("server.conf"), folder.path().to_str().unwrap());
    let config = config.to_str().unwrap();
    for args in [
        &["--config", config, "--cd", directory, "--cert", "actmotech.local.crt"][..],
        &[config, "--cd", directory, "--cert", "actmotech.local.crt"],
    ] {
        let (lines, status) = check(&outside, args);
        assert!(status == 0 && lines.len() == 2, "{args:?}: {lines:#?}");
    }
    folder.write("ccd/client1", "ifconfig-push 10.8.0.9 255.255.255.0\nirout 10.9.0.0 255.255.0.0\n");
    let (lines, _) = check(&folder, &["--config", "server.conf", "--cert", "actmotech.local.crt"]);
    assert!(
        lines.iter().any(|line| line.starts_with("ccd/client1:2:1: ") && line.contains("irout")),
        "{lines:#?}"
    );
}

#[test]
fn the_published_keys_are_known() {
    let folder = Folder::new("check samples");
    folder.write(
        "client.ovpn",
        format!(
            "client\ndev tun\nremote vpn.example\nca {SAMPLE_KEYS}/ca.crt\ncert {SAMPLE_KEYS}/client.crt\n\
             key {SAMPLE_KEYS}/client.key\ntls-auth {SAMPLE_KEYS}/ta.key 1\nremote-cert-tls server\n"
        ),
    );
    let (lines, status) = check(&folder, &["client.ovpn"]);
    assert_eq!(status, 0, "{lines:#?}");
    for words in [
        "is one of the samples that OpenVPN is published with",
        "this is the key that OpenVPN is published with",
    ] {
        assert_eq!(lines.iter().filter(|line| line.contains(words)).count(), 1, "{words}: {lines:#?}");
    }
}

#[test]
fn nothing_is_touched() {
    let folder = guide("check calls");
    let calls = folder.path().join("calls");
    let trace = [
        "-f",
        "-qq",
        "-e",
        "trace=%network,%file,write,ioctl",
        "-o",
        path(&calls),
        Program::Adit.executable(),
    ];
    let args = [&trace[..], &["--check", "final-server.conf", "final-client.conf"]].concat();
    let output = Command::new("strace").args(args).current_dir(folder.path()).output();
    assert!(output.unwrap().status.success());
    let calls = fs::read_to_string(calls).unwrap();
    assert!(calls.contains("\"final-server.conf\""), "{calls}");
    let wrong = |call: &&str| {
        // What it says goes to standard output; all else is read.
        let says = call.contains(" write(1, ");
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "write(", "rename", "unlink", "mkdir", "chmod"];
        let touches = ["socket", "connect(", "/dev/net", "TUNSETIFF"];
        !says && writes.iter().chain(&touches).any(|part| call.contains(part))
    };
    let wrong: Vec<&str> = calls.lines().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn programs_get_the_same_as_json() {
    let folder = guide("check json");
    folder.write(
        "wrong.conf",
        "client\ndev tun\nremot vpn.example\nca ca.crt\nauth-user-pass\nremote-cert-tls server\n",
    );
    let output = adit(folder.path(), &["--check", "final-server.conf", "wrong.conf", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["version"], &report["ok"]), (&1.into(), &false.into()));
    let [server, wrong] = &report["configurations"].as_array().unwrap()[..] else { panic!("{report:#}") };
    assert_eq!(
        (&server["role"], &server["errors"], &server["warnings"]),
        (&"server".into(), &0.into(), &5.into())
    );
    assert_eq!(
        server["files"],
        serde_json::json!(["ca.crt", "final-server.conf", "server.crt", "server.key"])
    );
    assert_eq!((&wrong["role"], &wrong["errors"]), (&Value::Null, &2.into()));
    assert_eq!(
        wrong["findings"][0],
        serde_json::json!({
            "severity": "error",
            "file": "wrong.conf",
            "line": 3,
            "column": 1,
            "message": "unrecognized option 'remot': did you mean 'remote'?",
        })
    );
    assert_eq!(wrong["findings"][1]["line"], Value::Null);
}
