//! The list.

use super::What::{Allows, AllowsWhere, Refuses, RefusesWhere, Value};
use super::{Divergence, What};

const fn because(reason: &'static str, covers: What) -> Divergence {
    Divergence { reason, covers }
}

/// Directives of other systems and other times, which a profile may hold and which change nothing here.
const HARMLESS: &[&str] =
    &["windows-driver", "block-outside-dns", "register-dns", "ip-win32", "ncp-disable", "keysize"];

#[rustfmt::skip]
pub(super) const DIVERGENCES: &[Divergence] = &[
    // What OpenVPN 2.7 changed.
    because("2.7: a server's topology is subnet unless it is named", Value(
        &["topology", "ifconfig_remote_netmask", "route_default_gateway", "ifconfig_pool_", "push_entry", "route 10."],
        |_, _, case| !case.has("topology") && (case.has("server") || case.has("server-ipv6") || case.has("mode")),
    )),
    because("2.7: a server does without dh", Allows("You must define DH file")),
    because("2.7: a number is a number, and not what atoi makes of it", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a number") && finding.quotes().parse::<u64>().is_err()
            || finding.clause.contains("'infinite' or a number")
            || finding.clause.contains("is not a level from 0 to 3")
    })),
    because("2.7: there are no tunnels without TLS", Refuses("this needs 'client', or 'server NETWORK NETMASK'")),

    // What adit refuses by class.
    because("not built", Refuses("adit does not have this yet")),
    because("Ethernet tunnels and bridging", Refuses("Ethernet tunnels (tap)")),
    because("VLANs are of Ethernet", Refuses("VLANs belong to Ethernet")),
    because("static keys", Refuses("static-key mode is not supported")),
    because("replay protection", Refuses("replay protection cannot be switched off")),
    because("keys in other places than files", Refuses("keys and certificates come from files")),
    because("port-share", Refuses("sharing a port is not supported")),
    because("capath", Refuses("name the certificates in one file")),
    because("shaper", Refuses("use the system's traffic control")),
    because("fragment", Refuses("fragmenting is not supported yet")),
    because("link-mtu", Refuses("this is not supported yet: set tun-mtu")),
    because("client-nat", Refuses("translating addresses is not supported yet")),
    because("a directory of serial numbers", Refuses("a directory of revoked serial numbers")),
    because("compress migrate", Refuses("'migrate' is not supported yet")),
    because("tunnels between equal ends", Refuses("tunnels between two equal ends are not supported yet")),
    because("what only servers push", Refuses("this is for servers to push, not for a configuration")),

    // What could not work, said at once and not when it fails.
    because("a server has addresses", Refuses("'server' is missing: a server needs")),
    because("ports are numbers", Refuses("is not a port, a number from")),
    because("a remote has a name", Refuses("is not a host name or an address")),
    because("names are not empty", Refuses("'' is no name")),
    because("a netmask's ones stand before its zeros", RefusesWhere(|finding, _| {
        finding.directive == "route" && finding.clause.contains("is not a netmask")
    })),
    because("an IPv6 route's prefix length is one", RefusesWhere(|finding, _| {
        finding.directive == "route-ipv6" && finding.clause.contains("is not an IPv6 address with a prefix length")
    })),
    because("a gateway is an address", RefusesWhere(|finding, _| {
        ["route", "route-gateway"].contains(&finding.directive) && finding.clause.contains("is not an IPv4 address")
    })),
    because("a DNS server is an address", RefusesWhere(|finding, _| {
        finding.directive == "dhcp-option" && finding.clause.contains("is not an IP address")
    })),
    because("kinds of dhcp-option that do not exist", RefusesWhere(|finding, _| {
        finding.directive == "dhcp-option" && finding.clause.contains("has no use here")
    })),
    because("a client is told 1 or 2 by its server, and nothing else", Refuses("is not 1 (clients come back to this server)")),
    because("times of 0 that mean nothing", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a number from 1") && finding.quotes() == "0"
    })),
    because("2.7: the tunnel's MTU has limits", RefusesWhere(|finding, _| {
        finding.directive == "tun-mtu" && finding.clause.contains("is not a number from 100 to 65535")
    })),
    because("a size outside of the limits is not changed in silence", RefusesWhere(|finding, _| {
        finding.directive == "max-packet-size" && finding.clause.contains("is not a number from 154 to 2048")
    })),
    because("what cipher or digest does not exist is said at once", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a cipher that adit has") || finding.clause.contains("is not a digest that adit has")
    })),
    because("bind takes one word", Refuses("is not ipv6only")),
    because("a server's tables and limits at a client, even if they change nothing", RefusesWhere(|finding, _| {
        ["hash-size", "connect-freq"].contains(&finding.directive) && finding.clause.contains("of a client")
    })),
    because("with topology subnet, the second address of ifconfig is a netmask", RefusesWhere(|finding, _| {
        finding.directive == "ifconfig" && finding.clause.contains("is not a netmask")
    })),
    because("a network has no host bits", RefusesWhere(|finding, _| {
        finding.directive == "server-ipv6" && finding.clause.contains("is not a network of /")
    })),
    because("nothing is ignored that stands behind a directive", Refuses("is too much; it is written")),

    because("a client has a remote, or it has nobody to call", Refuses("'remote' is missing: a client needs")),
    because("a file that is named is read, whether it is needed or not", RefusesWhere(|finding, _| {
        finding.directive == "auth-gen-token-secret" && finding.clause.contains("cannot read")
    })),
    because("a row of the past is no block, and stands outside of connections", RefusesWhere(|finding, _| {
        ["max-routes", "prng"].contains(&finding.directive)
    })),
    because("what is pushed is something", RefusesWhere(|finding, _| {
        finding.directive == "push" && finding.clause.contains("is one line of printable text")
    })),

    // What adit takes and OpenVPN does not.
    because("directives of other systems and of other times", AllowsWhere(|said, _| {
        let name = said.split(": ").nth(2).or_else(|| said.split("--").nth(1)).unwrap_or_default();
        said.contains("Unrecognized option") && HARMLESS.iter().any(|harmless| name.starts_with(harmless))
    })),
    because("a variable may have a name of one letter, which ends OpenVPN", Allows("Assertion failed at env_set.c")),
    because("files that are only named are looked at by the command: see `files_that_must_be_there`", Allows(" fails with '")),
    because("2.7: a server's topology is subnet unless it is named", AllowsWhere(|said, case| {
        said.contains("The third parameter to --ifconfig-pool") && !case.has("topology")
    })),
    because("what was the default before 2.4 need not exist", Allows("Unsupported cipher in --data-ciphers: BF-CBC")),
    because("names of certificates are never remapped", AllowsWhere(|said, _| {
        said.contains("was removed in OpenVPN 2.5") && (said.contains("compat-names") || said.contains("no-name-remapping"))
    })),

    // How it is printed.
    because("adit has other ciphers", Value(&["ncp_ciphers"], |stock, _, _| stock.contains("CBC") || stock.contains("192"))),
    because("a connection's mssfix is its own, whatever stands outside of it", Value(&["mssfix"], |_, _, case| {
        case.has("connection")
    })),
    because("the last mssfix counts, and nothing of those before it", Value(&["mssfix_fixed"], |_, _, case| {
        case.statements().iter().filter(|words| words[0] == "mssfix").count() > 1
    })),
    because("path MTU discovery is one setting for all connections", Value(&["mtu_discover_type"], |_, _, case| {
        case.has("connection")
    })),
    because("the last of two management interfaces counts, with all that is its own", Value(&["management_flags"], |_, _, case| {
        case.statements().iter().filter(|words| words[0] == "management").count() > 1
    })),
    because("TLS begins at 1.2", Value(&["ssl_flags"], |_, _, case| case.has("tls-version-min") || case.has("compat-mode"))),

    // Bytes.
    because("a word is UTF-8", Refuses("here is a byte that is not UTF-8")),
    because("a line has no zero bytes", Refuses("a zero byte cannot stand in a line")),
];
