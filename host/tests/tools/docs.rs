//! The man page in the eyes of both programs that show man pages.

use crate::lab::{run, run_unchecked};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/adit.8");

#[test]
fn the_man_page_renders_without_a_warning() {
    // Whether other pages are installed is not its matter.
    let lint = run_unchecked("mandoc", &["-T", "lint", "-W", "style", PAGE]);
    let findings = String::from_utf8_lossy(&lint.stdout).into_owned();
    assert!(findings.lines().all(|line| line.contains("referenced manual not found")), "{findings}");
    let groff = run_unchecked("groff", &["-mdoc", "-ww", "-z", PAGE]);
    assert!(groff.status.success() && groff.stderr.is_empty(), "{groff:?}");
    let text = run("mandoc", &["-T", "utf8", "-O", "width=100", PAGE]);
    for words in ["is one end of an OpenVPN tunnel", "Demand a name in the peer's certificate"] {
        assert!(text.contains(words), "{words}");
    }
}
