//! Configuration: from a profile's text to typed settings.
//!
//! Owns the language and the typed [`ClientConfig`], [`ServerConfig`] and [`HostConfig`]. Opens no file: the host
//! provides those that a text names ([`Files`]). Knows nothing of sessions.
//!
//! A text passes `lexer` (words), `statement` (lines and blocks), `directive` and `directives` (the table: what each
//! name takes and sets in a `draft`), and `finish` (defaults, files, relations) to become a [`Profile`]. What a server
//! pushes passes the same lexer to become [`TunnelSettings`].

mod client;
mod diagnostic;
mod directive;
mod directives;
mod dns;
mod draft;
mod files;
mod finish;
mod framing;
mod host;
mod leases;
pub mod lexer;
mod profile;
mod push;
mod route;
mod server;
mod session;
mod statement;
mod text;
mod values;

pub use client::{AddressFamily, AuthUserPass, ClientConfig, ConnectRetry, Credentials, Remote};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use dns::{DnsServer, DnsSettings, DnsTransport, Dnssec};
pub use files::{Files, NoFiles};
pub use host::{Device, HostConfig, LogTarget, PoolPersist, StatusFile};
pub use profile::{Parsed, Profile, RoleConfig};
pub use push::{Ifconfig, IfconfigIpv6, IfconfigOther, Inactive, ProtocolFlags, PushBase, TunnelSettings};
pub use route::{Ipv4Route, Ipv6Route, RedirectGateway, RouteAddress, RouteSettings};
pub use server::{ConnectFrequency, Ipv4Network, Ipv6Network, Lease, ServerConfig, Topology};
pub use session::{
    CertRole, Mssfix, PingTimeout, RenegotiateConfig, SessionConfig, TlsConfig, TlsVersion, TlsVersionMax,
    VerifyClientCert, VerifyX509Name, WrapConfig,
};
pub use text::NamedText;
