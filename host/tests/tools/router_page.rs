//! `docs/router.md`: each of its examples is found to be in order, and every directive of the router has one.

use crate::adit;
use crate::lab::Folder;
use crate::lab::pki::{Keys, Pki};

const PAGE: &str = include_str!("../../../docs/router.md");

/// What an example leaves out.
const SERVER: &str = "server 10.8.0.0 255.255.255.0\ntopology subnet\ndev tun\nkeepalive 10 60\n\
                      ca ca.crt\ncert server.crt\nkey server.key\n";

#[test]
fn every_example_is_in_order() {
    let pki = Pki::easy_rsa(Keys::Ec);
    let folder = Folder::new("router-page");
    let line = |name: &str, path: std::path::PathBuf| format!("{name} {}\n", path.display());
    let keys = [
        ("ca ca.crt\n", line("ca", pki.ca())),
        ("cert server.crt\n", line("cert", pki.certificate("server"))),
        ("key server.key\n", line("key", pki.key("server"))),
    ];
    let mut examples = 0;
    for block in PAGE.split("```conf\n").skip(1) {
        let (example, _) = block.split_once("```").unwrap();
        let text =
            if example.starts_with("server ") { example.to_owned() } else { format!("{SERVER}{example}") };
        let text = keys.iter().fold(text, |text, (written, real)| text.replace(written, real));
        folder.write("server.conf", &text);
        let checked = adit(folder.path(), &["--check", "server.conf"]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{example}\n{said}");
        assert!(!said.contains("warning:"), "{example}\n{said}");
        examples += 1;
    }
    assert!(examples > 15, "{examples} examples");
}

#[test]
fn every_directive_has_an_example() {
    let help = String::from_utf8(adit(&std::env::temp_dir(), &["--help"]).stdout).unwrap();
    let (_, group) = help.split_once("The virtual router").expect("a group of its own");
    let names = group.lines().skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = names.filter_map(|line| line.trim().strip_prefix("--")).collect();
    assert!(names.len() > 15, "{help}");
    let examples: String = PAGE
        .split("```conf\n")
        .skip(1)
        .filter_map(|block| block.split_once("```"))
        .map(|(text, _)| text)
        .collect();
    for name in names.iter().filter_map(|line| line.split_whitespace().next()) {
        assert!(
            examples.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "{name} has no example"
        );
    }
}
