//! What the command does besides tunnels, against stock OpenVPN: its keys are used there, its probe is answered from
//! there; and its man page; and what it finds in configurations.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../lab/mod.rs"]
mod lab;

mod check;
mod docs;
mod genkey;
mod migration;
mod probe;
mod router_page;
mod samples;

use std::path::Path;
use std::process::{Command, Output};

use lab::program::Program;

/// Runs adit in `folder`, to its end.
fn adit(folder: &Path, args: &[&str]) -> Output {
    Command::new(Program::Adit.executable()).args(args).current_dir(folder).output().unwrap()
}
