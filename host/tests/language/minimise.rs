//! A case made smaller, as long as it still shows what it showed.

use crate::case::Case;

/// How often it may be tried.
const MOST_TRIES: usize = 150;

/// The smallest case found that still `shows` it: lines and options taken out, first many at once, then few.
pub(crate) fn minimise(case: &Case, mut shows: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut tries = 0;
    let mut size = 8;
    while size > 0 && tries < MOST_TRIES {
        let mut smaller = false;
        for candidate in without(&best, size) {
            tries += 1;
            if tries > MOST_TRIES {
                break;
            }
            if shows(&candidate) {
                best = candidate;
                smaller = true;
                break;
            }
        }
        if !smaller {
            size /= 2;
        }
    }
    best
}

/// The case without `size` lines or options, in all places.
fn without(case: &Case, size: usize) -> Vec<Case> {
    let mut smaller = Vec::new();
    for (name, text) in &case.files {
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        for start in (0..lines.len()).step_by(size) {
            let mut left = lines.clone();
            left.drain(start..(start + size).min(lines.len()));
            let mut case = case.clone();
            case.files.insert(name.clone(), left.concat());
            smaller.push(case);
        }
    }
    let options: Vec<&[String]> = case.args.chunk_by(|_, next| !next.starts_with("--")).collect();
    for start in (0..options.len()).step_by(size) {
        let mut left = options.clone();
        left.drain(start..(start + size).min(options.len()));
        smaller.push(Case { args: left.concat(), ..case.clone() });
    }
    smaller
}
