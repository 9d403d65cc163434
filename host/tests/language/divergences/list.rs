//! The list.

use super::What::{Allows, AllowsWhere, Refuses, RefusesWhere, Value};
use super::{Divergence, What};
use crate::stock::Version;

const fn because(reason: &'static str, covers: What) -> Divergence {
    Divergence { reason, of: None, covers }
}

/// What OpenVPN 2.7 changed, and adit with it: against 2.7 there is no difference.
const fn newer(reason: &'static str, covers: What) -> Divergence {
    Divergence { of: Some(Version::Six), ..because(reason, covers) }
}

/// What 2.6 does as adit.
const fn older(reason: &'static str, covers: What) -> Divergence {
    Divergence { of: Some(Version::Seven), ..because(reason, covers) }
}

/// Directives of other systems and other times, which a profile may hold and which change nothing here.
const HARMLESS: &[&str] =
    &["windows-driver", "block-outside-dns", "register-dns", "ip-win32", "ncp-disable", "keysize"];

#[rustfmt::skip]
pub(super) const DIVERGENCES: &[Divergence] = &[
    // What OpenVPN 2.7 changed.
    newer("a server's topology is subnet unless it is named", Value(
        &["topology", "ifconfig_remote_netmask", "route_default_gateway", "ifconfig_pool_", "push_entry", "route 10."],
        |_, _, case| !case.has("topology") && (case.has("server") || case.has("server-ipv6") || case.has("mode")),
    )),
    newer("a server does without dh", Allows("You must define DH file")),
    newer("a number is a number, and not what atoi makes of it", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a number") && finding.quotes().parse::<u64>().is_err()
            || finding.clause.contains("'infinite' or a number")
            || finding.clause.contains("is not a level from 0 to 3")
    })),
    newer("mssfix has limits", RefusesWhere(|finding, _| {
        finding.directive == "mssfix" && finding.clause.contains("is not a number from 154 to 65535")
    })),
    newer("a ping comes once a day at least", RefusesWhere(|finding, _| {
        ["ping", "ping-restart", "ping-exit", "keepalive"].contains(&finding.directive) && finding.clause.contains(" to 86400")
    })),
    newer("DEFAULT among ciphers is the default list", Allows("Unsupported cipher in --data-ciphers: DEFAULT")),
    newer("dhcp-option takes several addresses", AllowsWhere(|said, _| {
        said.contains("Unrecognized option or missing or extra parameter(s)") && said.contains(": dhcp-option ")
    })),
    newer("keys are counted in 64 bits", Value(&["renegotiate_bytes", "renegotiate_packets"], |_, adit, _| {
        adit.parse::<u64>().is_ok_and(|number| number > i32::MAX as u64)
    })),
    newer("tls-client says which end of TCP is meant", Allows("--proto tcp is ambiguous in this context")),
    newer("a device is tun unless it is named", Allows("You must define TUN/TAP device")),
    newer("a device is tun unless it is named, and a server may do without one", AllowsWhere(|said, case| {
        let null = |words: &Vec<String>| *words == ["dev", "null"];
        (said.contains("makes sense with --dev tun") || said.contains("only works with --dev tun"))
            && (!case.has("dev") || case.statements().iter().any(null))
    })),
    newer("there are no tunnels without TLS", Refuses("this needs 'client', or 'server NETWORK NETMASK'")),

    // What adit refuses by class.
    because("not built", Refuses("adit does not have this yet")),
    because("Ethernet tunnels and bridging", Refuses("Ethernet tunnels (tap)")),
    because("Ethernet tunnels and bridging", RefusesWhere(|finding, case| {
        finding.directive == "server" && finding.clause.contains("is /30") && case.has("dev-type")
    })),
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
    because("a command is looked for where it will be run, after cd and chroot", RefusesWhere(|finding, case| {
        finding.clause.starts_with("cannot execute") && (case.has("cd") || case.has("chroot"))
    })),
    because("the last of two management interfaces counts, with all that is its own", RefusesWhere(|finding, case| {
        finding.clause.contains("can only be told from a unix socket")
            && case.statements().iter().filter(|words| words[0] == "management").count() > 1
    })),
    because("a user and a group exist", RefusesWhere(|finding, _| {
        ["user", "group"].contains(&finding.directive) && finding.clause.contains("on this system")
    })),
    because("a nice value is one that Linux has", RefusesWhere(|finding, _| {
        finding.directive == "nice" && finding.clause.contains("from -20 to 19")
    })),
    because("tls-auth has a digest", Refuses("leaves tls-auth without a digest")),
    because("adit has other ciphers", RefusesWhere(|finding, _| {
        finding.directive == "data-ciphers" && finding.clause.starts_with("no cipher of")
    })),
    newer("connect-freq is no limit over TCP, whatever its numbers", RefusesWhere(|finding, _| {
        finding.directive == "connect-freq" && finding.clause.contains("over TCP")
    })),
    because("a name that is checked is not empty, even where OpenVPN would pass over it", RefusesWhere(|finding, _| {
        finding.directive == "verify-x509-name" && finding.clause.contains("the name is empty")
    })),
    because("a login that is optional needs a command that verifies it: the management interface does not, yet", RefusesWhere(|finding, case| {
        finding.clause.contains("it needs 'auth-user-pass-verify'") && case.has("management-client-auth")
    })),
    because("ports are numbers", Refuses("is not a port, a number from")),
    because("a remote has a name", Refuses("is not a host name or an address")),
    because("names are not empty", Refuses("'' is no name")),
    because("a netmask's ones stand before its zeros", RefusesWhere(|finding, _| {
        finding.directive == "route" && finding.clause.contains("is not a netmask")
    })),
    because("an IPv6 route's prefix length is one", RefusesWhere(|finding, _| {
        finding.directive == "route-ipv6" && finding.clause.contains("is not an IPv6 address with a prefix length")
    })),
    because("a gateway is an address", RefusesWhere(|finding, _| match finding.directive {
        "route" | "route-gateway" => finding.clause.contains("is not an IPv4 address"),
        "route-ipv6" => finding.clause.contains("is not an IPv6 address like"),
        _ => false,
    })),
    because("a device is tun, by its name or by its type, and has a name that Linux takes", RefusesWhere(|finding, _| {
        let clause = finding.clause;
        finding.directive == "dev" && (clause.contains("needs 'dev-type tun'") || clause.contains("cannot be the name of a device"))
            || finding.directive == "dev-type" && clause.contains("is not tun")
    })),
    because("a client does not listen", Refuses("a client cannot listen")),
    because("a login in a block is a whole one", RefusesWhere(|finding, _| {
        finding.directive == "auth-user-pass" && finding.clause.contains("is empty: it must be the")
    })),
    because("the traffic of a server's own machine is not led to its clients", RefusesWhere(|finding, _| {
        finding.directive == "redirect-gateway" && finding.clause.contains("of a server")
    })),
    newer("a DNS server is an address", RefusesWhere(|finding, _| {
        finding.directive == "dhcp-option" && finding.clause.contains("is not an IP address")
    })),
    because("kinds of dhcp-option that do not exist", RefusesWhere(|finding, _| {
        finding.directive == "dhcp-option" && finding.clause.contains("has no use here")
    })),
    because("a client is told 1 or 2 by its server, and nothing else", Refuses("is not 1 (clients come back to this server)")),
    because("times of 0 that mean nothing", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a number from 1") && finding.quotes() == "0"
    })),
    newer("the tunnel's MTU has limits", RefusesWhere(|finding, _| {
        finding.directive == "tun-mtu" && finding.clause.contains("is not a number from 100 to 65535")
    })),
    because("a size outside of the limits is not changed in silence", RefusesWhere(|finding, _| {
        finding.directive == "max-packet-size" && finding.clause.contains("is not a number from 154 to 2048")
    })),
    because("what cipher or digest does not exist is said at once", RefusesWhere(|finding, _| {
        finding.clause.contains("is not a cipher that adit has") || finding.clause.contains("is not a digest that adit has")
    })),
    because("bind takes one word", Refuses("is not ipv6only")),
    newer("a server's tables and limits at a client, even if they change nothing", RefusesWhere(|finding, _| {
        ["hash-size", "connect-freq"].contains(&finding.directive) && finding.clause.contains("of a client")
    })),
    because("with topology subnet, the second address of ifconfig is a netmask", RefusesWhere(|finding, _| {
        finding.directive == "ifconfig" && finding.clause.contains("is not a netmask")
    })),
    because("a network has no host bits", RefusesWhere(|finding, _| {
        finding.directive == "server-ipv6" && finding.clause.contains("is not a network of /")
    })),
    because("nothing is ignored that stands behind a directive", RefusesWhere(|finding, _| {
        finding.clause.contains("is too much; it is written") || finding.clause.contains("is not or-highest")
            || finding.directive == "disable-dco" && finding.clause.contains("cannot be a block")
    })),

    because("a client has a remote, or it has nobody to call", Refuses("'remote' is missing: a client needs")),
    because("a file that is named is read, whether it is needed or not", RefusesWhere(|finding, _| {
        ["auth-gen-token-secret", "extra-certs"].contains(&finding.directive) && finding.clause.contains("cannot read")
    })),
    because("what belongs to the process is no block, and stands outside of connections", RefusesWhere(|finding, _| {
        ["max-routes", "prng"].contains(&finding.directive)
            || ["compat-mode", "providers", "tun-ipv6"].contains(&finding.directive) && finding.clause.contains("in a <connection> block")
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
    newer("a server's topology is subnet unless it is named", AllowsWhere(|said, case| {
        said.contains("The third parameter to --ifconfig-pool") && !case.has("topology")
    })),
    because("what was a cipher before 2.4 need not exist", AllowsWhere(|said, case| {
        said.contains("Unsupported cipher in --data-ciphers") && case.has("compat-mode")
    })),
    because("names of certificates are never remapped", AllowsWhere(|said, _| {
        said.contains("was removed in OpenVPN 2.5") && (said.contains("compat-names") || said.contains("no-name-remapping"))
    })),

    because("there are no providers to choose from", Allows("failed to load provider")),
    because("where an unknown name is passed over, so are unknown arguments and blocks", AllowsWhere(|said, case| {
        let unknown = ["http-proxy port number not defined", "--dns: unknown option type", "is not expected to be inline", "directive should have at most"];
        let passed_over = |words: &Vec<String>| words.iter().any(|word| word == "FORWARD_COMPATIBLE") || words[0] == "http-proxy";
        unknown.iter().any(|text| said.contains(text)) && case.statements().iter().any(passed_over)
    })),

    // How it is printed.
    because("no control character gets into the log", Value(&[""], |stock, adit, _| {
        let clean: String = stock.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        adit.contains('?') && adit.starts_with(&clean)
    })),
    because("no line feed gets into the log", Value(&["'"], |stock, adit, _| stock.is_empty() && adit.is_empty())),
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
    because("the last auth-user-pass counts, and nothing of those before it", Value(&["auth_user_pass_file"], |_, _, case| {
        case.statements().iter().filter(|words| ["auth-user-pass", "<auth-user-pass>"].contains(&words[0].as_str())).count() > 1
    })),
    because("the last ifconfig-pool counts, and nothing of those before it", Value(&["ifconfig_pool_netmask"], |_, _, case| {
        case.statements().iter().filter(|words| words[0] == "ifconfig-pool").count() > 1
    })),
    because("TLS begins at 1.2", Refuses("TLS below 1.2 does not exist here: 1.2 is the least")),
    because("TLS begins at 1.2", Value(&["ssl_flags"], |_, _, case| case.has("tls-version-min") || case.has("compat-mode"))),

    // How 2.7 prints it.
    older("2.7 no longer prints what it no longer has", Value(&["fast_io", "persist_key", "replay"], |stock, _, _| stock.is_empty())),
    older("2.7 has tables of another size", Value(&["real_hash_size", "virtual_hash_size"], |_, _, case| {
        !case.has("hash-size")
    })),
    older("2.7 uses the second number of hash-size", Value(&["virtual_hash_size"], |_, _, case| case.has("hash-size"))),
    older("2.7 prints a port that is not used, without bind", Value(&["local_port"], |_, adit, _| adit == "'[UNDEF]'")),
    older("2.7 always reads keys at the start, and has them inline", Value(&["tls_auth_file", "tls_crypt_file"], |stock, _, _| {
        stock == "'[INLINE]'"
    })),
    older("2.7 never compresses, adaptively or not", Value(&["comp.flags"], |stock, adit, _| {
        let flags = |text: &str| text.parse::<u32>().unwrap_or_default();
        flags(stock) ^ flags(adit) == 1 || flags(adit) & 2 != 0
    })),
    older("2.7 has TCP_NODELAY in any case, and does not print it", Value(&["sockflags"], |_, _, case| {
        case.has("tcp-nodelay") || case.has("socket-flags")
    })),
    older("2.7 knows no opt-verify, and passes over it", Value(&["ssl_flags"], |_, _, case| case.has("opt-verify"))),
    older("2.7 prints a server's own dhcp-options as DNS settings", Value(&["DNS s", "(null)", "address"], |_, _, case| {
        case.has("dhcp-option")
    })),
    older("2.7 prints no protocol beside several listeners", Value(&["proto"], |stock, _, case| stock.is_empty() && case.has("local"))),
    older("2.7 prints a cipher twice that DEFAULT has, too", Value(&["ncp_ciphers"], |stock, adit, case| {
        let mut ciphers: Vec<_> = stock.split(':').collect();
        let mut seen = Vec::new();
        ciphers.retain(|cipher| { let name = cipher.trim_matches('\''); !seen.contains(&name) && { seen.push(name); true } });
        case.has("data-ciphers") && seen.join(":") == adit.trim_matches('\'')
    })),
    older("a login without a password: not built", Refuses("a login without a password is not supported yet")),
    older("2.7 knows no opt-verify, and passes over it", RefusesWhere(|finding, _| {
        finding.directive == "opt-verify" && finding.clause.contains("of a client")
    })),
    older("the highest peer-id means none", RefusesWhere(|finding, _| finding.directive == "max-clients" && finding.quotes() == "16777215")),
    older("of several local, a client has the last", Allows("multiple --local statements only allowed in --server mode")),
    older("2.7 passes over local in a connection", Value(&["local"], |_, _, case| case.has("connection"))),
    older("2.7 takes local for all connections, wherever it stands", AllowsWhere(|said, case| {
        said.contains("--local and --nobind don't make sense") && case.has("connection")
    })),

    // Bytes.
    because("a word is UTF-8", Refuses("here is a byte that is not UTF-8")),
    because("a line has no zero bytes", Refuses("a zero byte cannot stand in a line")),
];
