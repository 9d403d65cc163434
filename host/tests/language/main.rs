//! The language against stock OpenVPN: thousands of configurations go through both, and both must stop alike, or print
//! the same settings. What may differ stands in `divergences/list.rs`, with the reason.
//!
//! `ADIT_LANGUAGE_CASES` and `ADIT_LANGUAGE_SEED` say how many and from which seed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod compare;
mod corpus;
mod divergences;
mod generator;
#[path = "../lab/mod.rs"]
mod lab;
mod minimise;
mod ours;
mod random;
mod stock;
mod words;

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::{env, thread};

use case::{Case, Workshop};
use compare::{Difference, differences};
use divergences::{unmeant, unused};
use generator::{Kind, generate};
use lab::network::Namespace;
use minimise::minimise;
use stock::Outcome;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// How the cases went.
#[derive(Default)]
struct Tally {
    cases: usize,
    printed: usize,
    refused: usize,
    /// What OpenVPN complained of, and how often.
    complaints: BTreeMap<String, usize>,
    /// The first example of each kind of difference, and how often it came.
    found: BTreeMap<String, (usize, Difference, Case)>,
}

fn compare(workshop: &Workshop, case: &Case) -> (Outcome, Vec<Difference>) {
    workshop.lay_out(case);
    let stock = stock::judge(workshop, case);
    let adit = ours::judge(workshop, case);
    workshop.clear(case);
    let differences = differences(&stock, &adit);
    let differences = differences.into_iter().filter_map(|difference| unmeant(difference, case)).collect();
    (stock, differences)
}

fn run_all(name: &str, cases: &(dyn Fn(usize) -> Option<Case> + Sync)) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let work = |number: usize| {
        let workshop = Workshop::new(&format!("language-{name}-{number}"));
        let namespace = Namespace::new(&format!("language-{number}"));
        namespace.inside(|| {
            while let Some(case) = cases(next.fetch_add(1, Ordering::Relaxed)) {
                let (stock, differences) = compare(&workshop, &case);
                let mut tally = tally.lock().unwrap();
                tally.cases += 1;
                match stock {
                    Outcome::Settings(_) => tally.printed += 1,
                    Outcome::Refused(said) => {
                        tally.refused += 1;
                        *tally.complaints.entry(complaint(&said)).or_default() += 1;
                    }
                }
                for difference in differences {
                    let entry =
                        tally.found.entry(difference.kind()).or_insert_with(|| (0, difference, case.clone()));
                    entry.0 += 1;
                }
            }
        });
    };
    thread::scope(|scope| {
        for number in 0..2 {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
    tally.into_inner().unwrap()
}

/// The words that matter.
fn complaint(said: &[String]) -> String {
    let mut words = said.iter().filter(|line| !line.starts_with("Use --help"));
    words.next_back().cloned().unwrap_or_default()
}

/// Says what was found, each with the smallest case that shows it; how many kinds there are.
fn report(name: &str, tally: &Tally) -> usize {
    println!(
        "{name}: {} cases, {} printed, {} refused by OpenVPN",
        tally.cases, tally.printed, tally.refused
    );
    if env::var_os("ADIT_LANGUAGE_COMPLAINTS").is_some() {
        let mut complaints: Vec<_> = tally.complaints.iter().collect();
        complaints.sort_by_key(|(_, count)| core::cmp::Reverse(**count));
        for (words, count) in complaints {
            println!("{count:5} {words}");
        }
    }
    if tally.found.is_empty() {
        return 0;
    }
    let workshop = Workshop::new(&format!("language-{name}-report"));
    let mut kinds: Vec<_> = tally.found.iter().collect();
    kinds.sort_by_key(|(_, (count, ..))| core::cmp::Reverse(*count));
    for (kind, (count, difference, case)) in kinds.iter().take(number("ADIT_LANGUAGE_REPORT", 25) as usize) {
        let small = minimise(case, |case| {
            compare(&workshop, case).1.iter().any(|difference| difference.kind() == **kind)
        });
        println!("---- {count} times, first from {}: {difference}", case.origin);
        println!("     {}", small.args.join(" "));
        for (name, text) in &small.files {
            println!("     {name}: {}", String::from_utf8_lossy(text).escape_debug());
        }
    }
    tally.found.len()
}

/// One after the other, since what all of them leave unused of the list of divergences is known only at the end.
#[test]
fn configurations_are_read_as_openvpn_reads_them() {
    let corpus = corpus::cases();
    let mut failed = report("corpus", &run_all("corpus", &|n| corpus.get(n).cloned()));
    let (seed, count) = (number("ADIT_LANGUAGE_SEED", 1), number("ADIT_LANGUAGE_CASES", 4000));
    println!("seed {seed}, {count} cases at random");
    for (kind, share) in [(Kind::OddText, 15), (Kind::CommandLine, 10), (Kind::Profile, 75)] {
        let tally = run_all(&format!("{kind:?}"), &|n| {
            let n = n as u64;
            (n < count * share / 100).then(|| generate(kind, seed.wrapping_mul(1_000_000).wrapping_add(n)))
        });
        failed += report(&format!("{kind:?}"), &tally);
    }
    assert_eq!(failed, 0, "kinds of differences that are not meant");
    assert_eq!(unused(), [""; 0], "divergences of the list that nothing shows");
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
            assert!(matches!(stock::judge(&workshop, &case), Outcome::Refused(_)), "OpenVPN takes {line}");
            let output = Command::new(env!("CARGO_BIN_EXE_adit"))
                .args(case.whole_command_line())
                .current_dir(workshop.path())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let name =
                line.split_whitespace().rev().find(|word| said.contains(&format!("{word}: "))).is_some();
            assert!(!output.status.success() && name, "adit takes {line}: {said}");
            assert!(
                !String::from_utf8_lossy(&output.stdout).contains("Current Parameter Settings"),
                "{line}"
            );
        });
    }
}
