//! Configuration: from a profile's text to typed settings.
//!
//! Owns the language and the typed [`ClientConfig`], [`ServerConfig`] and [`HostConfig`]. Opens no file: the host
//! provides those that a text names ([`Files`]). Knows nothing of sessions.
//!
//! A text passes `lexer` (words), `statement` (lines and blocks), `directive` and `directives` (the table: what each
//! name takes and sets in a `draft`), and `finish` (defaults, files, relations) to become a [`Profile`]. What a server
//! pushes passes the same lexer to become [`TunnelSettings`].

mod client;
mod connection;
mod diagnostic;
mod directive;
mod directives;
mod dns;
mod draft;
mod files;
mod finish;
mod framing;
mod host;
mod instance;
mod leases;
pub mod lexer;
mod network;
mod outline;
mod profile;
mod proxy;
mod push;
mod reference;
mod route;
mod router;
mod server;
mod session;
mod show;
mod statement;
mod text;
mod values;

pub use client::{
    AddressFamily, AuthRetry, AuthUserPass, ClientConfig, ConnectRetry, Connection, Credentials, PullAction,
    PullFilter, Remote,
};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use directive::distance;
pub use dns::{DnsServer, DnsSettings, DnsTransport, Dnssec};
pub use files::{Files, NoFiles};
pub use host::{
    AuthScript, Bind, ClientConfigDir, Command, CredentialsVia, Daemon, Device, DnsUpdown, HostConfig,
    Listener, LogConfig, LogTarget, ManagementAddress, ManagementConfig, MtuDiscovery, PoolPersist,
    ProcessConfig, Remapped, ScriptConfig, ScriptSecurity, SocketOptions, StatusFile, StatusVersion,
};
pub use instance::{IfconfigIpv6Push, IfconfigPush, InstanceConfig, PushChange};
pub use network::IpNetwork;
pub use outline::{Outline, Stated};
pub use profile::{Parsed, Profile, RoleConfig};
pub use proxy::{HttpProxy, Proxy, ProxyLogin, SocksProxy};
pub use push::{Ifconfig, IfconfigIpv6, IfconfigOther, Inactive, ProtocolFlags, PushBase, TunnelSettings};
pub use reference::{DirectiveClass, DirectiveGroup, DirectiveInfo, Place};
pub use route::{Ipv4Route, Ipv6Route, NamedRoute, RedirectGateway, RouteAddress, RouteDelay, RouteSettings};
pub use router::{
    Action, ClientLimits, DnsForward, DnsUpstream, Filtering, ForwardTarget, Group, LanConfig, Lifetimes,
    Mapping, Nat, Netmap, PortForward, Protocol, RouterConfig, Rule, RuleMode, SourceRule, Who,
};
pub use server::{
    AuthGenToken, ConnectFrequency, Ipv4Network, Ipv4Pool, Ipv6Network, Ipv6Pool, Lease, ServerConfig,
    Topology,
};
pub use session::{
    CertRole, Mssfix, PingTimeout, RenegotiateConfig, SessionConfig, TlsConfig, TlsVersion, TlsVersionMax,
    VerifyClientCert, VerifyX509Name, WrapConfig,
};
pub use text::NamedText;
