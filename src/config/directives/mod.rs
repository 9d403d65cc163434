//! The table of all directives, by theme: each file has its rows and, beneath, what they do.
//!
//! To add a directive, add its row where it belongs, and a line about it to `help`. A row whose value is a field and nothing more is written by one of
//! the macros below; one that does more has a function.

/// Sets a field of the draft to `true`.
macro_rules! flag {
    ($($field:ident).+) => {
        |draft, _| {
            draft.$($field).+ = true;
            Ok(())
        }
    };
}

/// Sets a field of the draft to the first argument, as `parse` reads it.
macro_rules! value {
    ($($field:ident).+, $parse:expr) => {
        |draft, statement| {
            draft.$($field).+ = statement.get(1, $parse)?;
            Ok(())
        }
    };
}

/// The same for a field that is an `Option`.
macro_rules! some {
    ($($field:ident).+, $parse:expr) => {
        |draft, statement| {
            draft.$($field).+ = Some(statement.get(1, $parse)?);
            Ok(())
        }
    };
}

/// Sets a field of the draft to the file or block that the statement names.
macro_rules! source {
    ($($field:ident).+) => {
        |draft, statement| {
            draft.$($field).+ = Some(statement.source()?);
            Ok(())
        }
    };
}

mod client;
mod connection;
mod device;
mod dns;
pub(crate) mod help;
mod ignored;
mod legacy;
mod management;
mod process;
mod push;
mod refused;
mod router;
mod routes;
mod scripts;
mod server;
mod session;
mod sockets;
mod tls;

use super::directive::Directive;

/// Every part of the table.
pub(crate) const ALL: &[&[Directive]] = &[
    client::DIRECTIVES,
    connection::DIRECTIVES,
    device::DIRECTIVES,
    dns::DIRECTIVES,
    ignored::DIRECTIVES,
    legacy::DIRECTIVES,
    management::DIRECTIVES,
    process::DIRECTIVES,
    push::DIRECTIVES,
    refused::DIRECTIVES,
    router::DIRECTIVES,
    routes::DIRECTIVES,
    scripts::DIRECTIVES,
    server::DIRECTIVES,
    session::DIRECTIVES,
    sockets::DIRECTIVES,
    tls::DIRECTIVES,
];
