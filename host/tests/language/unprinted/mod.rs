//! Which directives OpenVPN's print does not show: what becomes of them, no comparison of prints can see. The list says
//! for each where it is tested instead, and cannot rot: OpenVPN is asked, with and without each directive of adit's.

mod list;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use adit::config::{DirectiveClass, DirectiveGroup};

use crate::case::{Case, MAIN, Workshop};
use crate::corpus::{CLIENT, SERVER};
use crate::lab::network::Namespace;
use crate::outcome::Outcome;
use crate::stock::Stock;
use crate::words::ROWS;
use list::UNPRINTED;

/// Where a directive is tested, other than by OpenVPN's print of it.
pub(super) enum Instead {
    /// By this function, in this file of the repository.
    Test(&'static str, &'static str),
    /// Not, for this reason.
    Nothing(&'static str),
}

/// Certificates alone, for either role.
const PLAIN: &str = "dev tun\nca ca.crt\ncert server.crt\nkey server.key\n";

/// Directives that the generator does not write by itself: a text, and what shows the directive if the print changes.
const BESIDE_ROWS: &[(&str, &str, &str)] = &[
    ("ca", "tls-client", "tls-client\nca cacert.pem"),
    ("cert", "tls-client", "tls-client\ncert client1.crt"),
    ("key", "tls-client", "tls-client\nkey client1.key"),
    ("dh", "tls-server\ndh none", "tls-server\ndh dh.pem"),
    ("client", "tls-client\nremote x", "client\nremote x"),
    ("pull", "tls-client\nremote x", "tls-client\nremote x\npull"),
    ("tls-client", "tls-server\ndh none", "tls-client"),
    ("tls-server", "tls-client", "tls-server\ndh none"),
    ("mode", "tls-server\ndh none", "tls-server\ndh none\nmode server"),
    ("server", "tls-server\ndh none\nmode server", "server 10.8.0.0 255.255.255.0\ndh none"),
    ("connection", "client\nremote x", "client\n<connection>\nremote y\n</connection>"),
    ("config", "tls-client", "tls-client\nconfig more.conf"),
    ("ignore-unknown-option", "tls-client", "tls-client\nignore-unknown-option nonsense"),
    ("daemon", "tls-client", "tls-client\ndaemon"),
    ("syslog", "tls-client", "tls-client\nsyslog"),
    ("log", "tls-client", "tls-client\nlog x.log"),
    ("log-append", "tls-client", "tls-client\nlog-append x.log"),
    ("writepid", "tls-client", "tls-client\nwritepid x.pid"),
    ("verb", "tls-client", "tls-client\nverb 5"),
    ("mute", "tls-client", "tls-client\nmute 5"),
    ("errors-to-stderr", "tls-client", "tls-client\nerrors-to-stderr"),
    ("machine-readable-output", "tls-client", "tls-client\nmachine-readable-output"),
    ("http-proxy", "client\nremote x\nproto tcp", "client\nremote x\nproto tcp\nhttp-proxy 192.0.2.9 8080"),
    (
        "http-proxy-user-pass",
        "client\nremote x\nproto tcp\nhttp-proxy 192.0.2.9 8080",
        "client\nremote x\nproto tcp\nhttp-proxy 192.0.2.9 8080\nhttp-proxy-user-pass login.txt",
    ),
    (
        "http-proxy-option",
        "client\nremote x\nproto tcp\nhttp-proxy 192.0.2.9 8080",
        "client\nremote x\nproto tcp\nhttp-proxy 192.0.2.9 8080\nhttp-proxy-option AGENT x",
    ),
    ("proto-force", "client\nremote x", "client\nremote x\nproto-force udp"),
    ("dns-updown", "tls-client", "tls-client\ndns-updown disable"),
    ("nobind", "tls-client\nremote x\nport 5", "tls-client\nremote x\nport 5\nnobind"),
    (
        "ifconfig-pool",
        "tls-server\ndh none\nmode server",
        "tls-server\ndh none\nmode server\ntopology subnet\nifconfig-pool 10.8.0.9 10.8.0.12",
    ),
    (
        "verify-client-cert",
        "server 10.8.0.0 255.255.255.0\ndh none\nauth-user-pass-verify ./run.sh via-env",
        "server 10.8.0.0 255.255.255.0\ndh none\nauth-user-pass-verify ./run.sh via-env\nverify-client-cert none",
    ),
];

/// What OpenVPN prints of a text.
fn printed(stock: &Stock, workshop: &Workshop, text: &str) -> Option<Vec<String>> {
    let case = Case::of_text("", format!("verb 4\n{text}\n"));
    workshop.lay_out(&case);
    let outcome = stock.run(workshop, &["--config", MAIN, "--writepid", "/dev/full"]);
    match outcome {
        Outcome::Settings(lines) => Some(lines),
        Outcome::Refused(_) => None,
    }
}

/// Texts without the directive and with it.
fn samples(name: &str) -> Vec<(String, String)> {
    let beside = BESIDE_ROWS.iter().filter(|(beside, ..)| *beside == name);
    let mut samples: Vec<_> =
        beside.map(|(_, without, with)| (format!("{PLAIN}{without}"), format!("{PLAIN}{with}"))).collect();
    for row in ROWS.iter().filter(|row| row.name == name) {
        let bases: &[&str] = match row.place {
            'c' | 'n' => &[CLIENT],
            's' => &[SERVER],
            _ => &[CLIENT, SERVER],
        };
        for arguments in row.good().iter().chain(&row.bad()) {
            for base in bases {
                let without = format!("{base}{}\n", row.needs().join("\n"));
                samples.push((without.clone(), format!("{without}{name} {arguments}")));
            }
        }
    }
    samples
}

#[test]
fn what_openvpn_does_not_print_is_tested_elsewhere() {
    let (stock, workshop) = (Stock::installed(), Workshop::new("language-unprinted"));
    fs::write(workshop.path().join("more.conf"), "").unwrap();
    // What OpenVPN does not have it cannot print.
    let effective: Vec<_> = DirectiveGroup::all()
        .filter(|group| group.title() != "The virtual router")
        .flat_map(|group| group.directives())
        .filter(|directive| directive.class() == DirectiveClass::Effective)
        .filter(|directive| !directive.help().ends_with("(adit's own)"))
        .collect();
    let mut unprinted = BTreeSet::new();
    let mut without_sample = Vec::new();
    let namespace = Namespace::new("language-unprinted");
    namespace.inside(|| {
        for directive in &effective {
            let samples = samples(directive.name());
            if samples.is_empty() {
                without_sample.push(directive.name());
            }
            let shows = |(without, with): &(String, String)| {
                let with = printed(&stock, &workshop, with);
                with.is_some() && with != printed(&stock, &workshop, without)
            };
            if !samples.iter().any(shows) {
                unprinted.insert(directive.name());
            }
        }
    });
    assert_eq!(without_sample, [""; 0], "there is neither a row of words nor a text for these");
    let listed: BTreeSet<_> = UNPRINTED.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = unprinted.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "OpenVPN does not print these, and the list does not say what tests them: {missing:?}"
    );
    let surplus: Vec<_> = listed.difference(&unprinted).collect();
    assert!(surplus.is_empty(), "OpenVPN prints these, or adit has no effect for them: {surplus:?}");
}

#[test]
fn the_tests_of_the_list_are_there_and_name_the_directive() {
    for (name, instead) in UNPRINTED {
        let (file, function) = match instead {
            Instead::Test(file, function) => (file, function),
            Instead::Nothing(reason) => {
                assert!(!reason.is_empty(), "{name}: why is it not tested?");
                continue;
            }
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {function}(")), "{file} has no test '{function}', for {name}");
        assert!(text.contains(name), "{file} does not speak of {name}");
    }
}
