//! What a hostile server pushes: options between commas.

#![no_main]

use adit::config::{PushBase, TunnelSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let text = String::from_utf8_lossy(text);
    let options: Vec<&str> = text.split(',').collect();
    let notices = match TunnelSettings::parse(&options, &PushBase::default()) {
        Ok((settings, notices)) => {
            for name in settings.dns.search_domains.iter().chain(&settings.dns.domain) {
                assert!(!name.contains(special_to_a_shell), "{name}");
            }
            notices
        }
        Err(sentence) => vec![sentence],
    };
    for notice in notices {
        assert!(!notice.contains(char::is_control), "{notice:?}");
    }
});

fn special_to_a_shell(c: char) -> bool {
    c.is_whitespace() || "$`;|&<>'\"\\(){}*?!#~".contains(c)
}
