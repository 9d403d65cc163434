//! Directives that need each other, or cannot stand side by side.

use super::Finishing;
use crate::algorithm::Role;
use crate::config::connection::DEFAULT_PORT;
use crate::config::server::Topology;
use crate::path::Transport;

impl Finishing<'_> {
    /// Of a server, once its parts are known.
    pub(super) fn server_relations(&mut self) {
        let draft = &mut self.draft;
        let has = |name: &str| draft.position(name).is_some();
        let (v4, v6) = (draft.server.network.is_some(), draft.server.network_v6.is_some());
        let (nopool, pool, pool_v6) =
            (draft.server.nopool, draft.server.pool, draft.server.pool_v6.is_some());
        let pools = v4 && !nopool || v6 || pool.is_some() || pool_v6;
        let udp = draft.host.listeners.iter().any(|listener| listener.transport == Transport::Udp);
        let named_net30 = draft.topology.is_some_and(|topology| topology != Topology::Subnet);
        let verifier = draft.host.scripts.auth_user_pass_verify.is_some();
        let unverified = "nobody would verify the name: it needs 'auth-user-pass-verify'";
        let wrong = [
            (has("username-as-common-name") && !verifier, "username-as-common-name", unverified),
            (has("auth-user-pass-optional") && !verifier, "auth-user-pass-optional", unverified),
            (
                has("ccd-exclusive") && !has("client-config-dir"),
                "ccd-exclusive",
                "there is no 'client-config-dir' for this to belong to",
            ),
            (
                !pools && has("ifconfig-pool-persist"),
                "ifconfig-pool-persist",
                "there is no pool of addresses to be kept",
            ),
            (
                named_net30 && pool.is_some_and(|pool| pool.netmask.is_some()),
                "ifconfig-pool",
                "the third argument goes with 'topology subnet' alone",
            ),
            (
                has("connect-freq") && !udp,
                "connect-freq",
                "this counts the first packets of UDP: over TCP, 'max-clients' is the limit",
            ),
            (
                has("auth-gen-token") && draft.session.renegotiate.after.is_none(),
                "auth-gen-token",
                "tokens are renewed when keys are: 'reneg-sec 0' must go",
            ),
        ];
        for (is_wrong, name, clause) in wrong {
            if is_wrong {
                draft.error(name, clause);
            }
        }
    }

    /// Of a client's connections.
    pub(super) fn connection_relations(&mut self) {
        for connection in self.draft.shown_connections.clone() {
            let proxy = connection.http_proxy.as_ref().map(|draft| draft.proxy.host.is_empty());
            let draft = &mut self.draft;
            match proxy {
                Some(true) => {
                    draft.error("http-proxy-option", "there is no 'http-proxy' for this to belong to")
                }
                Some(false) if connection.socks_proxy.is_some() => {
                    draft.error("http-proxy", "there is 'socks-proxy' too: one of them must go");
                }
                _ => {}
            }
            let Some(remote) = &connection.remote else { continue };
            let remote_port = remote.port.or(connection.remote_port).unwrap_or(DEFAULT_PORT);
            let bind = connection.bind(Role::Client);
            if bind.is_some_and(|bind| {
                bind.host.as_ref() == Some(&remote.host) && bind.port == Some(remote_port)
            }) {
                draft.error("local", "this is what 'remote' says, too: a client cannot be its own server");
            }
        }
    }
}
