//! What scripts find in their environment and as their arguments, adit's beside stock OpenVPN's: same configuration, same
//! certificates, same other end.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Signal;

use super::lab::PATIENCE;
use super::lab::network::SERVER_IPV4;
use super::lab::program::Program::{self, Adit, Stock};
use super::{Place, UP, login};

/// Variables whose values may differ, and why. Both programs tell them, or neither does.
type Differences = [(&'static str, &'static str)];

const CLIENT_DIFFERENCES: &Differences = &[
    ("daemon_pid", "another process"),
    ("daemon_start_time", "another time"),
    ("signal", "a client that says farewell ends OpenVPN by a signal of its own, exit-with-notification"),
];

const SERVER_DIFFERENCES: &Differences = &[
    ("daemon_pid", "another process"),
    ("daemon_start_time", "another time"),
    ("time_unix", "another time"),
    ("time_ascii", "another time"),
    ("time_duration", "another length"),
    ("trusted_port", "the kernel's choice"),
    ("untrusted_port", "the kernel's choice"),
    ("bytes_received", "adit counts the data channel, OpenVPN control packets too"),
    ("bytes_sent", "likewise"),
];

/// What only OpenVPN tells, to hooks that come after the one it is for: the files are gone by then.
const STALE: [&str; 3] = ["auth_control_file", "auth_pending_file", "auth_failed_reason_file"];

/// The scripts' calls, by `script_type` and number: arguments and environment.
type Calls = BTreeMap<String, BTreeMap<String, String>>;

/// Has every hook write down what it is told.
fn hooks(place: &Place, names: &[&str]) -> String {
    let out = place.folder.path().join("calls");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out).unwrap();
    let out = out.display();
    let script = place.script(
        "hook",
        &format!(
            "n=0; while ! mkdir {out}/${{script_type:-none}}.$n 2>/dev/null; do n=$((n+1)); done\n\
             f={out}/${{script_type:-none}}.$n/call\nn=0; for word; do echo \"arg$n=$word\" >>$f; n=$((n+1)); done\n\
             unset n f word; env >>{out}/$(ls -t {out} | grep \"^${{script_type:-none}}\\.\" | head -n 1)/call"
        ),
    );
    names.iter().map(|name| format!("{name} \"{script} 'one word' two\"\n")).collect()
}

fn calls(place: &Place) -> Calls {
    let mut calls = Calls::new();
    for entry in fs::read_dir(place.folder.path().join("calls")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path().join("call")).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        calls.insert(entry.file_name().into_string().unwrap(), text.lines().filter_map(pair).collect());
    }
    calls
}

/// The two are alike, except for what may differ; every hook was called, and every variable that may differ was told.
fn compare(adit: &Calls, stock: &Calls, differences: &Differences) {
    assert!(adit.keys().eq(stock.keys()), "{:?}\n{:?}", adit.keys(), stock.keys());
    let mut wrong = String::new();
    for (call, told) in stock {
        let ours = &adit[call];
        for name in told.keys().chain(ours.keys()) {
            let temporary = |value: &String| value.starts_with("/tmp/openvpn_");
            let (theirs, own) = (told.get(name), ours.get(name));
            let meant = match (theirs, own) {
                (Some(theirs), Some(own)) => {
                    theirs == own
                        || temporary(theirs) && temporary(own)
                        || differences.iter().any(|(other, _)| other == name)
                }
                (Some(_), None) => STALE.contains(&name.as_str()) && !call.starts_with("user-pass-verify."),
                _ => false,
            };
            if !meant {
                wrong += &format!("\n{call}: {name}: OpenVPN {theirs:?}, adit {own:?}");
            }
        }
    }
    for (name, _) in differences {
        if !stock.values().any(|told| told.contains_key(*name)) {
            wrong += &format!("\n{name} may differ, and nobody is told it");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_client_s_scripts_are_told_what_stock_openvpn_tells_them() {
    let place = Place::new("client environment");
    let mut server = place.serve_by(
        Stock,
        "server-ipv6 fd00:8::/64\npush \"dhcp-option DNS 10.8.0.1\"\npush \"dhcp-option DNS6 fd00::53\"\n\
         push \"dhcp-option DOMAIN example.org\"\npush \"route 10.66.0.0 255.255.0.0\"\n\
         push \"route-ipv6 fd00:66::/48\"\npush \"setenv-safe PUSHED yes\"\npush \"route-metric 7\"\n",
    );
    let call = |program: Program| {
        let names = ["up", "down", "route-up", "route-pre-down", "ipchange", "tls-verify"];
        let more = format!(
            "script-security 2\nsetenv FOO \"bar baz\"\nsetenv-safe SAFE yes\nremote {SERVER_IPV4} 1195 tcp-client\n\
             route 10.99.0.0 255.255.0.0\nexplicit-exit-notify 1\n{}",
            hooks(&place, &names)
        );
        let mut client = place.start_client_by(program, "client1", &more);
        client.expect_line(UP, PATIENCE);
        client.signal(Signal::TERM);
        client.expect_exit(PATIENCE);
        calls(&place)
    };
    let (stock, adit) = (call(Stock), call(Adit));
    for hook in ["up.0", "route-up.0", "route-pre-down.0", "down.0", "ipchange.0", "tls-verify.1"] {
        assert!(stock.contains_key(hook), "{hook}: {:?}", stock.keys());
    }
    compare(&adit, &stock, CLIENT_DIFFERENCES);
    assert_eq!(adit["up.0"]["OPENVPN_PUSHED"], "yes");
    server.signal(Signal::TERM);
    server.expect_exit(PATIENCE);
}

#[test]
fn a_server_s_scripts_are_told_what_stock_openvpn_tells_them() {
    let place = Place::new("server environment");
    let login = login(&place, "alice", "wonder land");
    let call = |program: Program| {
        let names = [
            "up",
            "down",
            "route-up",
            "route-pre-down",
            "tls-verify",
            "client-connect",
            "client-disconnect",
            "learn-address",
        ];
        let hooks = hooks(&place, &names);
        let verify = hooks.lines().next().unwrap().replacen("up ", "auth-user-pass-verify ", 1);
        let mut server = place.serve_by(
            program,
            &format!(
                "local {SERVER_IPV4}\nserver-ipv6 fd00:8::/64\nroute 10.77.0.0 255.255.0.0\nscript-security 3\n\
                 setenv FOO \"bar baz\"\n{hooks}{verify} via-env\n"
            ),
        );
        let mut client = place.start_client("client1", &format!("explicit-exit-notify 1\n{login}"));
        client.expect_line(UP, PATIENCE);
        client.signal(Signal::TERM);
        client.expect_exit(PATIENCE);
        server.expect_any_line(&["exit message received by peer", "remote-exit"], PATIENCE);
        server.signal(Signal::TERM);
        server.expect_exit(PATIENCE);
        calls(&place)
    };
    let (mut stock, mut adit) = (call(Stock), call(Adit));
    // At its end OpenVPN tells nobody that addresses are free again.
    for calls in [&mut stock, &mut adit] {
        calls.retain(|call, _| !call.starts_with("none."));
        calls.retain(|_, told| told.get("arg2").is_none_or(|word| word != "delete"));
    }
    assert_eq!(adit["user-pass-verify.0"]["password"], "wonder land");
    compare(&adit, &stock, SERVER_DIFFERENCES);
}

#[test]
fn a_pushed_option_brings_nothing_but_its_text() {
    let place = Place::new("hostile push");
    let pwned = place.folder.path().join("pwned");
    // In one word, so that the whole of it is the value of a pushed variable.
    let touch = format!("touch${{IFS}}{}", pwned.display());
    let _server = place.serve_by(
        Stock,
        &format!(
            "push \"dhcp-option DOMAIN evil.example;{touch}\"\npush \"dhcp-option DOMAIN $({touch})\"\n\
             push \"setenv-safe X $({touch})\"\npush \"setenv-safe Y x;{touch};\"\n\
             push \"setenv-safe Z `{touch}`\"\npush \"setenv LD_PRELOAD /tmp/evil.so\"\n\
             push \"up 'touch {0}'\"\npush \"route-up 'touch {0}'\"\n",
            pwned.display()
        ),
    );
    let names = ["up", "route-up", "route-pre-down", "down"];
    let more = format!("script-security 2\n{}", hooks(&place, &names));
    let mut client = place.start_client_by(Adit, "client1", &more);
    client.expect_line(UP, PATIENCE);
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
    let calls = calls(&place);
    for hook in names {
        let told = &calls[&format!("{hook}.0")];
        assert_eq!(told["OPENVPN_X"], format!("$({touch})"), "{hook}");
        assert_eq!(told["OPENVPN_Y"], format!("x;{touch};"), "{hook}");
        assert_eq!(told["OPENVPN_Z"], format!("`{touch}`"), "{hook}");
        let unsafe_name = |name: &String| name == "LD_PRELOAD" || name.starts_with("foreign_option_");
        assert!(!told.keys().any(unsafe_name), "{hook}: {told:?}");
    }
    assert!(!pwned.exists(), "a pushed text was run");
}
