//! Directives that adit refuses by name: for good, or as long as they are not built; and tasks of the command line.

use super::super::directive::{Class, Directive, Places, UNKNOWN_ARGUMENTS};

const NO_TOKENS: &str = "keys in tokens (PKCS #11) are not supported: use files, 'cert' and 'key'";
const NO_VLAN: &str = "VLANs belong to Ethernet tunnels (tap), which are not supported: leave it away";
const NO_STATIC_KEY: &str = "static-key mode is not supported: use certificates (ca, cert, key), and the same file as tls-auth or tls-crypt";
const NO_EXTERNAL: &str = "keys and certificates come from files: use 'cert' and 'key'";

pub(super) const DIRECTIVES: &[Directive] = &[
    // For good.
    refused(
        "server-bridge",
        "Ethernet bridging is not supported: use 'server NETWORK NETMASK' and 'dev tun'",
    ),
    refused("secret", NO_STATIC_KEY).inline(),
    refused("allow-deprecated-insecure-static-crypto", NO_STATIC_KEY).foreign(),
    refused(
        "plugin",
        "loadable plugins are not supported: use auth-user-pass-verify, client-connect and the other commands",
    ),
    refused("no-replay", "replay protection cannot be switched off"),
    refused("no-iv", "a packet always has its own nonce").foreign(),
    refused("tls-remote", "this was removed from OpenVPN: use verify-x509-name").foreign(),
    refused("key-method", "there is only method 2: leave it away").foreign(),
    refused("pkcs11-cert-private", NO_TOKENS),
    refused("pkcs11-id", NO_TOKENS),
    refused("pkcs11-id-management", NO_TOKENS),
    refused("pkcs11-pin-cache", NO_TOKENS),
    refused("pkcs11-private-mode", NO_TOKENS),
    refused("pkcs11-protected-authentication", NO_TOKENS),
    refused("pkcs11-providers", NO_TOKENS),
    refused("cryptoapicert", NO_TOKENS).foreign(),
    refused("management-external-key", NO_EXTERNAL),
    refused("management-external-cert", NO_EXTERNAL),
    refused("vlan-accept", NO_VLAN),
    refused("vlan-pvid", NO_VLAN).also(Places::CLIENT),
    refused("vlan-tagging", NO_VLAN),
    refused("port-share", "sharing a port is not supported: put a proxy that knows both protocols in front"),
    refused("capath", "name the certificates in one file: 'ca FILE'"),
    refused("shaper", "use the system's traffic control (tc) on the tunnel's device").also(Places::PUSH),
    refused("client-cert-not-required", "write 'verify-client-cert none'"),
    refused("scramble", "obfuscation is not OpenVPN's protocol: leave it away on both ends").foreign(),
    refused("http-proxy-override", "write 'http-proxy HOST PORT'"),
    // As long as they are not built.
    refused("fragment", "fragmenting is not supported yet: lower tun-mtu or set mssfix")
        .also(Places::CONNECTION),
    refused("link-mtu", "this is not supported yet: set tun-mtu").also(Places::CONNECTION),
    refused("udp-mtu", "this is not supported yet: set tun-mtu").also(Places::CONNECTION),
    refused("tun-mtu-extra", "this belongs to Ethernet tunnels (tap), which are not supported")
        .also(Places::CONNECTION),
    unbuilt("askpass"),
    unbuilt("client-crresponse"),
    refused("client-nat", "translating addresses is not supported yet in this form: a server has 'nat'")
        .also(Places::PUSH),
    unbuilt("force-tls-key-material-export"),
    unbuilt("ifconfig-push-constraint"),
    unbuilt("keying-material-exporter"),
    unbuilt("management-client-auth"),
    unbuilt("management-query-proxy"),
    unbuilt("management-query-remote"),
    unbuilt("management-up-down"),
    unbuilt("peer-fingerprint").inline(),
    unbuilt("pkcs12").inline(),
    unbuilt("remote-cert-eku"),
    unbuilt("remote-cert-ku"),
    unbuilt("route-table"),
    unbuilt("static-challenge"),
    refused("tls-crypt-v2", NOT_YET).also(Places::CONNECTION).inline(),
    unbuilt("tls-crypt-v2-max-age"),
    unbuilt("tls-crypt-v2-verify"),
    unbuilt("tls-exit"),
    unbuilt("tls-export-cert"),
    unbuilt("verify-hash").inline(),
    unbuilt("x509-track"),
    unbuilt("x509-username-field"),
    unbuilt("test-crypto"),
    unbuilt("mktun"),
    unbuilt("rmtun"),
    unbuilt("show-engines"),
    unbuilt("show-gateway"),
    unbuilt("show-pkcs11-ids"),
    unbuilt("show-adapters"),
    unbuilt("show-net"),
    unbuilt("show-valid-subnets"),
    unbuilt("dhcp-internal"),
    unbuilt("rdns-internal"),
    // Tasks of the command line.
    Directive::of("help", "[DIRECTIVE]", Class::Task("prints a help text")),
    Directive::of("version", "", Class::Task("prints the version")),
    Directive::of("show-ciphers", "", Class::Task("lists ciphers")),
    Directive::of("show-digests", "", Class::Task("lists digests")),
    Directive::of("show-tls", "", Class::Task("lists cipher suites")),
    Directive::of("show-curves", "", Class::Task("lists groups of the key exchange")),
    Directive::of("show-groups", "", Class::Task("lists groups of the key exchange")),
    Directive::of("check", "FILE... [--json]", Class::Task("checks configurations")),
    Directive::of(
        "probe",
        "FILE|HOST [PORT] [udp|tcp] [--json]",
        Class::Task("asks whether a server answers"),
    ),
    Directive::of(
        "whois",
        "ADDRESS PORT PROTOCOL TIME FILE...",
        Class::Task("says who had an outside address"),
    ),
    Directive::of("genkey", "[TYPE] [FILE] [ARGUMENT]", Class::Task("makes a key")),
];

const NOT_YET: &str = "adit does not have this yet";

const fn refused(name: &'static str, reason: &'static str) -> Directive {
    Directive::of(name, UNKNOWN_ARGUMENTS, Class::Refused(reason)).repeats()
}

const fn unbuilt(name: &'static str) -> Directive {
    refused(name, NOT_YET)
}
