//! What only a server has: networks, what it pushes, where it listens.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::Finishing;
use crate::algorithm::Role;
use crate::config::connection::{DEFAULT_PORT, LocalDraft};
use crate::config::draft::Keepalive;
use crate::config::host::{Bind, Device, Listener};
use crate::config::push::{Ifconfig, IfconfigOther};
use crate::config::server::{AuthGenToken, Lease, ServerConfig, Topology};
use crate::config::session::{PingTimeout, VerifyClientCert};
use crate::config::values::{self, DAY};
use crate::path::Transport;

impl Finishing<'_> {
    pub(super) fn server(&mut self) -> ServerConfig {
        let draft = &mut self.draft;
        let addressed = draft.server.network.is_some() || draft.server.network_v6.is_some();
        if !addressed && draft.server.pool.is_none() && draft.ifconfig.is_none() {
            self.missing(
                "'server' is missing: a server needs 'server NETWORK NETMASK' for its clients' addresses",
            );
        }
        // Whom no certificate speaks for must log in.
        let verifier = self.draft.host.scripts.auth_user_pass_verify.is_some();
        let anonymous = self.draft.session.tls.verify_client_cert != VerifyClientCert::Require;
        if anonymous && !verifier {
            self.draft.error(
                "verify-client-cert",
                "clients without a certificate must log in, and there is no 'auth-user-pass-verify' to verify it",
            );
        }
        self.draft.server.verify_user_pass = verifier || anonymous;
        let host = &self.draft.host;
        let scripts = &host.scripts;
        self.draft.server.connect_by_host = host.client_config_dir.is_some()
            || scripts.client_connect.is_some()
            || scripts.client_disconnect.is_some()
            || scripts.learn_address.is_some();
        self.addresses();
        self.server_socket();
        self.server_relations();
        self.router();
        self.tokens();
        self.server_pings();
        if self.draft.position("tcp-nodelay").is_some() {
            self.draft.server.push_last.push("socket-flags TCP_NODELAY".into());
        }
        self.server_exit_notify();
        let leases = self.leases();
        let draft = &mut self.draft;
        ServerConfig {
            session: core::mem::take(&mut draft.session),
            topology: draft.topology.unwrap_or_default(),
            inactive: draft.client.inactive,
            session_timeout: draft.client.session_timeout,
            leases,
            block_ipv6: draft.host.routes.block_ipv6,
            no_host_port: draft.host.dev == Device::Null,
            leases_fixed: draft.host.pool_persist.as_ref().is_some_and(|persist| persist.interval.is_none()),
            ..core::mem::take(&mut draft.server)
        }
    }

    /// Our own address, and what `server` and `server-ipv6` set and so cannot be set once more.
    fn addresses(&mut self) {
        let draft = &mut self.draft;
        let (network, network_v6) = (draft.server.network.is_some(), draft.server.network_v6.is_some());
        if network && draft.server.pool.is_some() && !draft.server.nopool {
            draft.error(
                "ifconfig-pool",
                "'server' has a pool of its own: write 'server ... nopool', or leave this away",
            );
        }
        match (draft.ifconfig, draft.topology.unwrap_or_default()) {
            (None, _) => {}
            (Some(_), _) if network => {
                draft.warning("ifconfig", "this has no effect: 'server' sets the server's address");
            }
            (Some((local, netmask)), Topology::Subnet) => match values::prefix_of(netmask) {
                Some(prefix) => {
                    draft.server.ifconfig = Some(Ifconfig { local, other: IfconfigOther::Subnet(prefix) });
                }
                None => draft.error("ifconfig", format!("under topology subnet, {netmask} is not a netmask")),
            },
            (Some((local, peer)), Topology::Net30 | Topology::P2p) => {
                draft.server.ifconfig = Some(Ifconfig { local, other: IfconfigOther::Peer(peer) });
            }
        }
        if network_v6 && draft.ifconfig_ipv6.is_some() {
            draft.warning("ifconfig-ipv6", "this has no effect: 'server-ipv6' sets the server's address");
        } else {
            draft.server.ifconfig_ipv6 = draft.ifconfig_ipv6;
        }
        if network_v6 && draft.server.pool_v6.is_some() {
            draft.error("ifconfig-ipv6-pool", "'server-ipv6' sets this: one of them must go");
        }
        if network_v6 && draft.server.nopool {
            draft.error("server", "'nopool' and 'server-ipv6', which has a pool, exclude each other");
        }
        let own_v6 = network_v6 || draft.server.ifconfig_ipv6.is_some();
        if draft.server.pool_v6.is_some() && !own_v6 {
            draft.error("ifconfig-ipv6-pool", "the server needs an address, too: add 'ifconfig-ipv6'");
        }
    }

    fn tokens(&mut self) {
        let secret = self.draft.sources.auth_gen_token_secret.take();
        let secret = self.load("auth-gen-token-secret", secret);
        let token = self.draft.auth_gen_token.take();
        let renewal = token.as_ref().and_then(|token| token.renewal);
        let least = 2 * self.draft.session.hand_window;
        if renewal.is_some_and(|renewal| renewal < least) {
            let clause =
                format!("the renewal time must be at least twice hand-window, {} seconds", least.as_secs());
            self.draft.error("auth-gen-token", clause);
        }
        self.draft.server.auth_gen_token = token.map(|token| AuthGenToken { secret, ..token });
    }

    fn server_socket(&mut self) {
        let connection = self.draft.connection.clone();
        if connection.proto.is_some_and(|proto| proto.role == Some(Role::Client)) {
            self.draft.error("proto", "a server cannot connect: write tcp or tcp-server");
        }
        let helped = ["server", "server-bridge"].into_iter().any(|name| self.draft.position(name).is_some());
        if !helped
            && connection.proto.is_some_and(|proto| proto.transport == Transport::Tcp && proto.role.is_none())
        {
            self.draft.error("proto", "'tcp' does not say which end this is: write tcp-server");
        }
        let mut locals = core::mem::take(&mut self.draft.locals);
        if locals.is_empty() {
            locals.push(LocalDraft { host: None, port: None, proto: None });
        }
        let port = connection.local_port.unwrap_or(Some(DEFAULT_PORT));
        for local in locals {
            let proto = local.proto.or(connection.proto);
            self.draft.host.listeners.push(Listener {
                bind: Bind { host: local.host, port: local.port.or(port), ipv6_only: connection.ipv6_only },
                transport: proto.map_or(Transport::Udp, |proto| proto.transport),
                family: proto.and_then(|proto| proto.family),
            });
        }
    }

    /// The server waits twice as long as it tells its clients to, so that they are the ones who start again.
    fn server_pings(&mut self) {
        self.pings();
        let Some(Keepalive { ping, timeout }) = self.draft.keepalive else { return };
        if timeout > DAY / 2 {
            let clause =
                format!("at a server the timeout can be at most {}, since it waits twice as long", DAY / 2);
            return self.draft.error("keepalive", clause);
        }
        let session = &mut self.draft.session;
        session.ping = Some(Duration::from_secs(ping));
        session.ping_timeout = Some(PingTimeout { after: Duration::from_secs(2 * timeout), exit: false });
        self.draft.server.push_last.push(format!("ping {ping}"));
        self.draft.server.push_last.push(format!("ping-restart {timeout}"));
    }

    fn server_exit_notify(&mut self) {
        let udp = self.draft.host.listeners.iter().any(|listener| listener.transport == Transport::Udp);
        match self.draft.session.explicit_exit_notify {
            None => {}
            Some(_) if !udp => {
                self.draft.session.explicit_exit_notify = None;
                self.draft.warning(
                    "explicit-exit-notify",
                    "this has no effect over TCP, where clients see us leave",
                );
            }
            Some(1 | 2) => {}
            Some(other) => self.draft.error(
                "explicit-exit-notify",
                format!(
                    "{other} is not 1 (clients come back to this server) or 2 (they go to their next one)"
                ),
            ),
        }
    }

    /// A file that is not there yet is written later.
    fn leases(&mut self) -> Vec<Lease> {
        let Some(persist) = self.draft.host.pool_persist.clone() else { return Vec::new() };
        let Ok(text) = self.read(&persist.path) else { return Vec::new() };
        let (leases, mut warnings) = Lease::parse_all(&text);
        self.draft.diagnostics.append(&mut warnings);
        leases
    }
}
