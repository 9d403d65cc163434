//! Directives that OpenVPN no longer has, or never had under this name, and that stand in configurations all the same.

use super::super::directive::Directive;
use crate::algorithm::Role;

const ALWAYS_NEGOTIATED: &str = "ciphers are always negotiated: see data-ciphers";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::no_effect("ncp-disable", "", ALWAYS_NEGOTIATED),
    Directive::no_effect("keysize", "BITS", "the length of a key follows from its cipher"),
    Directive::no_effect("prng", "ALGORITHM [BYTES]", "random numbers come from the system"),
    Directive::no_effect("max-routes", "[N]", "there is no limit on the number of routes"),
    Directive::no_effect("opt-verify", "", "options are negotiated, not compared").only(Role::Server),
    Directive::no_effect("tun-ipv6", "", "tunnels carry IPv6 in any case")
        .also(super::super::directive::Places::PUSH),
    Directive::no_effect("comp-noadapt", "", "nothing is ever compressed"),
    Directive::no_effect("socks-proxy-retry", "", "a connection that fails is always tried again"),
    Directive::no_effect("http-proxy-retry", "", "a connection that fails is always tried again"),
    Directive::no_effect("http-proxy-timeout", "SECONDS", "connect-timeout holds for proxies too"),
    Directive::no_effect("compat-names", "[no-remapping]", "names are never changed"),
    Directive::no_effect("no-name-remapping", "", "names are never changed"),
    Directive::no_effect("dhcp-release", "", "this is for Windows"),
    Directive::no_effect("mtu-dynamic", "[WORD...]", "this was replaced by fragment"),
];
