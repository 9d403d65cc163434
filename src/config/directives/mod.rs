//! The table of all directives, by theme: each file has its rows and, beneath, what they do.
//!
//! To add a directive, add its row where it belongs (and take its name out of [`unbuilt`]).

mod client;
mod host;
mod network;
mod server;
mod session;
mod tls;
mod unbuilt;

use super::directive::Directive;

/// Every part of the table.
pub(crate) const ALL: &[&[Directive]] = &[
    client::DIRECTIVES,
    host::DIRECTIVES,
    network::DIRECTIVES,
    server::DIRECTIVES,
    session::DIRECTIVES,
    tls::DIRECTIVES,
    unbuilt::DIRECTIVES,
];
