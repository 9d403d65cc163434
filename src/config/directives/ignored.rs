//! Directives of today's OpenVPN that may stand in a configuration and change nothing here, each for its reason.

use super::super::directive::{Directive, Places};
use super::super::statement::{Complaint, Statement};
use super::super::values;
use crate::algorithm::Role;

const FOR_PROGRAMS: &str = "it tells programs that watch a client something, and only if a server pushes it";
const FOR_WINDOWS: &str = "this is for Windows";
const SIZED_BY_ITSELF: &str = "tables grow by themselves";
const NO_OFFLOAD: &str = "packets are not handed to a kernel module";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::no_effect("mute-replay-warnings", "", "replayed packets are counted, not logged one by one"),
    Directive::no_effect("disable-occ", "", "the two ends' options are negotiated, not compared"),
    Directive::no_effect("disable-dco", "", NO_OFFLOAD),
    Directive::no_effect("fast-io", "", "packets are read and written in batches in any case"),
    Directive::no_effect("bcast-buffers", "N", "packets for several clients are not queued")
        .checked(positive),
    Directive::no_effect("tcp-queue-limit", "PACKETS", "a connection's queue is bounded by its bytes")
        .checked(positive),
    Directive::no_effect("hash-size", "REAL VIRTUAL", SIZED_BY_ITSELF).checked(positive).only(Role::Server),
    Directive::no_effect("stale-routes-check", "SECONDS [INTERVAL]", "routes within networks are not cached")
        .checked(positive)
        .only(Role::Server),
    Directive::no_effect("single-session", "", "a session that has ended is never resumed"),
    Directive::no_effect("replay-persist", "FILE", "a new session has new keys, to which no old packet fits"),
    Directive::no_effect("ping-timer-rem", "", "timers run while the peer is known, in any case")
        .also(Places::PUSH),
    Directive::no_effect("memstats", "FILE", "adit has no such statistics"),
    Directive::no_effect("gremlin", "FLAGS", "faults are injected by the simulations of the test suite"),
    Directive::no_effect("iproute", "COMMAND", "routes are set by the system's own interface"),
    Directive::no_effect("echo", "[TEXT...]", FOR_PROGRAMS).also(Places::PUSH).also(Places::CLIENT).repeats(),
    Directive::no_effect("parameter", "[TEXT...]", FOR_PROGRAMS)
        .also(Places::PUSH)
        .also(Places::CLIENT)
        .repeats(),
    Directive::no_effect("lladdr", "ADDRESS", "a tun device has no link-layer address")
        .checked(no_layer_2)
        .also(Places::PUSH),
    Directive::no_effect("setcon", "CONTEXT", "the security context stays that of the program"),
    Directive::no_effect("mtu-test", "", "use ping through the tunnel to find its MTU"),
    Directive::no_effect("engine", "[NAME]", "there are no engines to choose from"),
    Directive::no_effect("providers", "NAME...", "there are no providers to choose from"),
    // For Windows.
    Directive::no_effect("dev-node", "NAME", FOR_WINDOWS),
    Directive::no_effect("windows-driver", "NAME", FOR_WINDOWS),
    Directive::no_effect("ip-win32", "METHOD [OFFSET] [LEASE]", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("route-method", "METHOD", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("tap-sleep", "SECONDS", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("dhcp-renew", "", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("dhcp-pre-release", "", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("register-dns", "", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("block-outside-dns", "", FOR_WINDOWS).also(Places::PUSH),
    Directive::no_effect("win-sys", "PATH", FOR_WINDOWS),
    Directive::no_effect("msg-channel", "HANDLE", FOR_WINDOWS),
    Directive::no_effect("pause-exit", "", FOR_WINDOWS),
    Directive::no_effect("service", "EVENT [FLAG]", FOR_WINDOWS),
    Directive::no_effect("allow-nonadmin", "[ADAPTER]", FOR_WINDOWS),
    Directive::no_effect("show-net-up", "", FOR_WINDOWS),
    Directive::no_effect("ip-remote-hint", "[ADDRESS]", "names are looked up by the system"),
];

/// All arguments are numbers from 1 on.
fn positive(statement: &Statement) -> Result<(), Complaint> {
    for n in 1..statement.words().len() {
        statement.get(n, |word| values::number::<u32>(word, 1..=i32::MAX as u64))?;
    }
    Ok(())
}

fn no_layer_2(statement: &Statement) -> Result<(), Complaint> {
    Err(statement.complain(0, "this is for Ethernet tunnels (tap), which are not supported: leave it away"))
}
