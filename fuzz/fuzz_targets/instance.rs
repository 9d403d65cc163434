//! The settings of one client: a file of `client-config-dir`, or what a script wrote.

#![no_main]

use adit::config::{InstanceConfig, NamedText, NoFiles, PushChange};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let (config, findings) = InstanceConfig::parse([&NamedText::file("ccd", text)], &mut NoFiles);
    let lines = text.split(|&byte| byte == b'\n').count();
    assert!(config.push.len() + config.iroutes.len() + findings.len() <= lines);
    for change in &config.push {
        // What is pushed stays one option of one line.
        if let PushChange::Add(option) = change {
            assert!(!option.contains(',') && !option.contains(char::is_control), "{option:?}");
        }
    }
    for network in &config.iroutes {
        assert!(network.contains(network.address()));
    }
});
