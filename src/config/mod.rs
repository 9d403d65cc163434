//! Configuration: from a profile's text to typed settings.
//!
//! Owns the language (lexer, directives, inline blocks, pushed options) and the typed [`ClientConfig`] and
//! [`ServerConfig`]. Opens no file: the host provides those that a text names. Knows nothing of sessions.

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
