//! Stock OpenVPN and adit, both ways round, over the rows of one table.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]

mod case;
#[path = "../lab/mod.rs"]
mod lab;
mod table;

use case::{Case, End};
use lab::program::Program::{self, Adit, Stock};

/// The control: what this lab shows with OpenVPN alone, which has no way to be kept from EKM.
#[test]
fn stock_serves_stock() {
    let mut rows = table::rows()[..4].to_vec();
    for row in &mut rows {
        row.5 = table::Derivation::Ekm;
    }
    meet(&rows, Stock, Stock);
}

#[test]
fn adit_serves_stock() {
    meet(table::rows(), Adit, Stock);
}

#[test]
fn stock_serves_adit() {
    meet(table::rows(), Stock, Adit);
}

/// Every row with these two programs. Who renegotiates and who leaves changes from row to row.
fn meet(rows: &[table::Row], server: Program, client: Program) {
    let one_end = |odd: bool| if odd { End::Client } else { End::Server };
    let cases: Vec<Case> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| Case {
            row: *row,
            server,
            client,
            renegotiates: one_end(index & 2 != 0),
            leaves: one_end((index >> 1 ^ index >> 2) & 1 == 0),
        })
        .collect();
    lab::run_cases(&cases, Case::name, Case::run);
}
