//! What only a server has: networks, what it pushes, where it listens.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::Finishing;
use super::client::DEFAULT_PORT;
use crate::algorithm::Role;
use crate::config::draft::Keepalive;
use crate::config::server::{Lease, ServerConfig};
use crate::config::session::{PingTimeout, VerifyClientCert};
use crate::config::values::DAY;
use crate::path::Transport;

impl Finishing<'_> {
    pub(super) fn server(&mut self) -> ServerConfig {
        if self.draft.server.network.is_none() {
            self.missing(
                "'server' is missing: a server needs 'server NETWORK NETMASK' for its clients' addresses",
            );
        }
        // Whom no certificate speaks for must log in.
        self.draft.server.verify_user_pass =
            self.draft.session.tls.verify_client_cert != VerifyClientCert::Require;
        self.server_socket();
        self.server_pings();
        self.server_exit_notify();
        let leases = self.leases();
        let draft = &mut self.draft;
        ServerConfig {
            session: core::mem::take(&mut draft.session),
            topology: draft.topology.unwrap_or_default(),
            leases,
            ..core::mem::take(&mut draft.server)
        }
    }

    fn server_socket(&mut self) {
        if let Some(proto) = self.draft.proto {
            self.draft.host.transport = proto.transport;
            self.draft.host.family = proto.family;
            if proto.role == Some(Role::Client) {
                self.draft.error("proto", "a server cannot connect: write tcp or tcp-server");
            }
        }
        self.draft.host.local_port = self.draft.local_port.unwrap_or(Some(DEFAULT_PORT));
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
        self.draft.server.push.push(format!("ping {ping}"));
        self.draft.server.push.push(format!("ping-restart {timeout}"));
    }

    fn server_exit_notify(&mut self) {
        match self.draft.session.explicit_exit_notify {
            None => {}
            Some(_) if self.draft.host.transport == Transport::Tcp => {
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
