//! Many cases through both, and a report of where they part.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::{env, thread};

use crate::case::{Case, Workshop};
use crate::compare::{Difference, differences};
use crate::divergences::unmeant;
use crate::lab::network::Namespace;
use crate::minimise::minimise;
use crate::outcome::Outcome;
use crate::stock::Stock;
use crate::{number, ours};

/// How the cases went.
#[derive(Default)]
pub(crate) struct Tally {
    cases: usize,
    printed: usize,
    refused: usize,
    /// What OpenVPN complained of, and how often.
    complaints: BTreeMap<String, usize>,
    /// The first example of each kind of difference, and how often it came.
    found: BTreeMap<String, (usize, Difference, Case)>,
}

fn compare(stock: &Stock, workshop: &Workshop, case: &Case) -> (Outcome, Vec<Difference>) {
    workshop.lay_out(case);
    let theirs = stock.judge(workshop, case);
    let ours = ours::judge(workshop, case);
    workshop.clear(case);
    let differences = differences(&theirs, &ours).into_iter();
    let differences = differences.filter_map(|difference| unmeant(difference, case, stock.version));
    (theirs, differences.collect())
}

pub(crate) fn run_all(stock: &Stock, name: &str, cases: &(dyn Fn(usize) -> Option<Case> + Sync)) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let work = |number: usize| {
        let workshop = Workshop::new(&format!("language-{:?}-{name}-{number}", stock.version));
        let namespace = Namespace::new(&format!("language-{number}"));
        namespace.inside(|| {
            while let Some(case) = cases(next.fetch_add(1, Ordering::Relaxed)) {
                let (theirs, differences) = compare(stock, &workshop, &case);
                let mut tally = tally.lock().unwrap();
                tally.cases += 1;
                match theirs {
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
pub(crate) fn report(stock: &Stock, name: &str, tally: &Tally) -> usize {
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
    let workshop = Workshop::new(&format!("language-{:?}-{name}-report", stock.version));
    let mut kinds: Vec<_> = tally.found.iter().collect();
    kinds.sort_by_key(|(_, (count, ..))| core::cmp::Reverse(*count));
    for (kind, (count, difference, case)) in kinds.iter().take(number("ADIT_LANGUAGE_REPORT", 25) as usize) {
        let small = minimise(case, |case| {
            compare(stock, &workshop, case).1.iter().any(|difference| difference.kind() == **kind)
        });
        println!("---- {count} times, first from {}: {difference}", case.origin);
        println!("     {}", small.args.join(" "));
        for (name, text) in &small.files {
            println!("     {name}: {}", String::from_utf8_lossy(text).escape_debug());
        }
    }
    tally.found.len()
}
