//! The language against stock OpenVPN: thousands of configurations go through both programs, and both must stop alike, or
//! print the same settings. What may differ stands in `divergences/list.rs`, with the reason.
//!
//! The judge is Debian's OpenVPN 2.6, whose print adit's is like, and by hand 2.7, whose language adit has
//! (`./test language-27`, or `ADIT_OPENVPN27=PROGRAM`). `ADIT_LANGUAGE_CASES` and
//! `ADIT_LANGUAGE_SEED` say how many and from which seed; `ADIT_LANGUAGE_REPORT` how many kinds of differences are shown,
//! each with the smallest case; with `ADIT_LANGUAGE_COMPLAINTS` OpenVPN's complaints are counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod compare;
mod corpus;
mod divergences;
mod generator;
#[path = "../lab/mod.rs"]
mod lab;
mod minimise;
mod newer;
mod ours;
mod outcome;
mod random;
mod run;
mod stock;
mod unprinted;
mod words;

use std::env;

use case::{Case, Workshop};
use divergences::unused;
use generator::{Kind, generate};
use lab::network::Namespace;
use outcome::Outcome;
use run::{report, run_all};
use stock::Stock;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// The OpenVPN that is installed judges, or the 2.7 that `./test language-27` names: stable Debian has none.
#[test]
fn configurations_are_read_as_openvpn_reads_them() {
    match env::var_os("ADIT_OPENVPN27") {
        Some(_) => compare_with(&Stock::newer()),
        None => compare_with(&Stock::installed()),
    }
}

/// One after the other, since what all of them leave unused of the list of divergences is known only at the end.
fn compare_with(stock: &Stock) {
    let corpus = corpus::cases(stock.version);
    let mut failed = report(stock, "corpus", &run_all(stock, "corpus", &|n| corpus.get(n).cloned()));
    let (seed, count) = (number("ADIT_LANGUAGE_SEED", 1), number("ADIT_LANGUAGE_CASES", 4000));
    println!("seed {seed}, {count} cases at random");
    for (kind, share) in [(Kind::OddText, 15), (Kind::CommandLine, 10), (Kind::Profile, 75)] {
        let tally = run_all(stock, &format!("{kind:?}"), &|n| {
            let n = n as u64;
            (n < count * share / 100).then(|| generate(kind, seed.wrapping_mul(1_000_000).wrapping_add(n)))
        });
        failed += report(stock, &format!("{kind:?}"), &tally);
    }
    assert_eq!(failed, 0, "kinds of differences that are not meant");
    assert_eq!(unused(stock.version), [""; 0], "divergences of the list that nothing shows");
}

/// What only the command looks at, since the library opens no files by itself: where OpenVPN refuses, so does it.
#[test]
fn files_that_must_be_there() {
    let workshop = Workshop::new("language-files");
    let client = "client\ndev tun\nremote 192.0.2.1\nca ca.crt\nauth-user-pass login.txt\n";
    let server =
        "server 10.8.0.0 255.255.255.0\ndev tun\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n";
    let namespace = Namespace::new("language-files");
    for (base, line) in [
        (client, "up missing.sh"),
        (client, "up ./plain.sh"),
        (client, "down missing.sh"),
        (client, "tls-verify missing.sh"),
        (client, "tmp-dir missing"),
        (client, "chroot missing"),
        (client, "status missing/status.log"),
        (client, "chroot jail\nroute-pre-down ./run.sh"),
        (server, "client-connect missing.sh"),
        (server, "client-config-dir missing"),
        (server, "chroot jail\nclient-config-dir ccd"),
        (server, "auth-user-pass-verify missing.sh via-env"),
    ] {
        let case = Case::of_text(line, format!("{base}{line}\n"));
        workshop.lay_out(&case);
        namespace.inside(|| {
            assert!(
                matches!(Stock::installed().judge(&workshop, &case), Outcome::Refused(_)),
                "OpenVPN takes {line}"
            );
            let Outcome::Refused(said) = ours::judge(&workshop, &case) else { panic!("adit takes {line}") };
            let said = said.join("\n");
            let named = line.split_whitespace().any(|word| said.contains(&format!("{word}: ")));
            assert!(named, "{line}: {said}");
        });
    }
}
