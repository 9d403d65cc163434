//! Proxies on the way to a server.

use alloc::string::String;
use alloc::vec::Vec;

use super::client::Credentials;

/// What stands between us and a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// `http-proxy`: by CONNECT, for TCP.
    Http(HttpProxy),
    /// `socks-proxy`: SOCKS version 5.
    Socks(SocksProxy),
}

/// `http-proxy HOST PORT`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpProxy {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who we say we are.
    pub login: ProxyLogin,
    /// `http-proxy-option VERSION`, without `HTTP/`; 1.0 if there is none.
    pub version: Option<String>,
    /// `http-proxy-option AGENT`
    pub agent: Option<String>,
    /// `http-proxy-option CUSTOM-HEADER`: names and values, or whole lines.
    pub headers: Vec<(String, Option<String>)>,
}

/// `socks-proxy HOST PORT`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksProxy {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who we say we are.
    pub login: ProxyLogin,
}

/// A login at a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyLogin {
    /// None.
    #[default]
    Off,
    /// The user is asked (`auto`, `stdin`).
    Ask,
    /// These.
    Given(Credentials),
}
