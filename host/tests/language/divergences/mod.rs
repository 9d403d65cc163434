//! Where adit differs from OpenVPN 2.6 on purpose. Each entry of the list says why, and covers as little as it can; one
//! that covers nothing any more fails the test.

mod list;

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::case::Case;
use crate::compare::Difference;
use crate::stock::Version;
use list::DIVERGENCES;

/// A difference that is meant.
struct Divergence {
    /// Why.
    reason: &'static str,
    /// Of which OpenVPN, if not of both.
    of: Option<Version>,
    covers: What,
}

/// What it covers.
enum What {
    /// adit refuses, and its clause holds this text.
    Refuses(&'static str),
    /// adit refuses, and this is true of the finding.
    RefusesWhere(fn(&Finding<'_>, &Case) -> bool),
    /// OpenVPN refuses, and its complaint holds this text. Each of its complaints must be covered.
    Allows(&'static str),
    /// OpenVPN refuses, and this is true of its complaint.
    AllowsWhere(fn(&str, &Case) -> bool),
    /// A setting of this beginning has another value, and this is true of OpenVPN's, adit's and the case.
    Value(&'static [&'static str], fn(&str, &str, &Case) -> bool),
}

/// What adit says: `x.conf:4:1: DIRECTIVE: clause`.
struct Finding<'a> {
    directive: &'a str,
    clause: &'a str,
}

impl<'a> Finding<'a> {
    fn of(text: &'a str) -> Self {
        let sentence = text.split_once(": ").map_or(text, |(_, sentence)| sentence);
        match sentence.split_once(": ") {
            Some((directive, clause)) if !directive.contains(' ') => Self { directive, clause },
            _ => Self { directive: "", clause: sentence },
        }
    }

    /// What the clause quotes first.
    fn quotes(&self) -> &'a str {
        self.clause.split('\'').nth(1).unwrap_or_default()
    }
}

/// How often each entry covered something, by its place in the list.
static SEEN: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// Settings that depend on the machine and not on the configuration.
const OF_THE_MACHINE: &[&str] = &["tuntap_options.disable_dco"];

/// What of the difference is not meant.
pub(crate) fn unmeant(difference: Difference, case: &Case, version: Version) -> Option<Difference> {
    let meant = match &difference {
        Difference::OnlyAditRefuses(findings) => {
            let left: Vec<_> =
                findings.iter().filter(|finding| !finding_meant(finding, case, version)).cloned().collect();
            return (!left.is_empty()).then_some(Difference::OnlyAditRefuses(left));
        }
        Difference::OnlyStockRefuses(said) => {
            let complaints = complaints(said);
            !complaints.is_empty() && complaints.iter().all(|said| complaint_meant(said, case, version))
        }
        Difference::Value { key, stock, adit } => value_meant(key, stock, adit, case, version),
        Difference::Line { key, stock, adit } => value_meant(
            key,
            stock.as_deref().unwrap_or_default(),
            adit.as_deref().unwrap_or_default(),
            case,
            version,
        ),
    };
    (!meant).then_some(difference)
}

/// What OpenVPN refuses, of all that it says: not its warnings and its advice.
fn complaints(said: &[String]) -> Vec<&str> {
    const CIPHER: &str = "Unsupported cipher in --data-ciphers: ";
    let names_cipher = said.iter().any(|line| line.starts_with(CIPHER));
    let mut lines = said.iter().map(String::as_str);
    let errors: Vec<_> = lines
        .clone()
        .filter(|line| match line.strip_prefix("Options error: ") {
            // What is said of the list says less than what is said of the cipher.
            Some(error) if names_cipher && error.starts_with("--data-ciphers list") => false,
            Some(error) => !error.starts_with("Please correct th"),
            None => line.starts_with(CIPHER),
        })
        .collect();
    if !errors.is_empty() {
        return errors;
    }
    // Other errors have no mark of their own, and are the last word.
    lines
        .rfind(|line| !line.starts_with("Use --help") && !line.starts_with("Exiting due"))
        .into_iter()
        .collect()
}

fn complaint_meant(said: &str, case: &Case, version: Version) -> bool {
    covered(version, |what| match what {
        What::Allows(text) => said.contains(text),
        What::AllowsWhere(covers) => covers(said, case),
        _ => false,
    })
}

fn finding_meant(finding: &str, case: &Case, version: Version) -> bool {
    let finding = Finding::of(finding);
    covered(version, |what| match what {
        What::Refuses(text) => finding.clause.contains(text),
        What::RefusesWhere(covers) => covers(&finding, case),
        _ => false,
    })
}

fn value_meant(key: &str, stock: &str, adit: &str, case: &Case, version: Version) -> bool {
    // Without the number of the connection.
    let name = key.split_once(']').filter(|_| key.starts_with('[')).map_or(key, |(_, name)| name);
    OF_THE_MACHINE.contains(&name)
        || covered(version, |what| match what {
            What::Value(names, covers) => {
                names.iter().any(|begins| name.starts_with(begins)) && covers(stock, adit, case)
            }
            _ => false,
        })
}

/// Whether an entry covers it; all that do are counted.
fn covered(version: Version, covers: impl Fn(&What) -> bool) -> bool {
    let mut seen = SEEN.lock().unwrap();
    let mut any = false;
    for (n, _) in of(version).filter(|(_, divergence)| covers(&divergence.covers)) {
        *seen.entry(n).or_default() += 1;
        any = true;
    }
    any
}

/// The entries that covered nothing.
pub(crate) fn unused(version: Version) -> Vec<&'static str> {
    let seen = SEEN.lock().unwrap();
    of(version).filter(|(n, _)| !seen.contains_key(n)).map(|(_, divergence)| divergence.reason).collect()
}

/// The entries that count for this OpenVPN, with their places.
fn of(version: Version) -> impl Iterator<Item = (usize, &'static Divergence)> {
    DIVERGENCES.iter().enumerate().filter(move |(_, divergence)| divergence.of.is_none_or(|of| of == version))
}
