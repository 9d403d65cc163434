//! What a server answers to the management interface, and its status.

use adit::config::StatusVersion;
use adit::server::{PeerInfo, Server};
use adit::{Instant, PeerId};

use super::{ServerRole, router};
use crate::management::{Answer, ByteCounts, Command, Victim};
use crate::run::Node;
use crate::status::{self, ClientRow, RouteRow};

impl ServerRole {
    pub(super) fn answer(&self, node: &mut Node<Server>, now: Instant, command: &Command) -> Answer {
        match command {
            Command::Status(version) => {
                let version = match version {
                    Some(1) => StatusVersion::V1,
                    Some(2) => StatusVersion::V2,
                    Some(3) => StatusVersion::V3,
                    None => self.status_version(),
                    Some(_) => return Answer::Error("bad status format version number".into()),
                };
                Answer::Lines(self.status_text(node, version))
            }
            Command::ClientCount => Answer::Success(format!("nclients={}", node.engine.peers().count())),
            Command::LoadStats => {
                let traffic = node.io.traffic();
                Answer::Success(format!(
                    "nclients={},bytesin={},bytesout={}",
                    node.engine.peers().count(),
                    traffic.link_read,
                    traffic.link_written
                ))
            }
            Command::Kill(Victim::CommonName(name)) => {
                let count = end_all(node, now, |peer| peer.common_name == Some(name.as_str()));
                if count == 0 {
                    return Answer::Error(format!("common name '{name}' not found"));
                }
                Answer::Success(format!("common name '{name}' found, {count} client(s) killed"))
            }
            Command::Kill(Victim::Address { address, shown }) => {
                let count = end_all(node, now, |peer| {
                    peer.path.remote.socket_addr().is_some_and(|remote| {
                        (remote.ip().to_canonical(), remote.port())
                            == (address.ip().to_canonical(), address.port())
                    })
                });
                if count == 0 {
                    return Answer::Error(format!("client at address {shown} not found"));
                }
                Answer::Success(format!("{count} client(s) at address {shown} killed"))
            }
            Command::ClientKill { cid, notice } => {
                let peer = node.engine.sessions().find(|peer| peer.client_id == *cid).map(|peer| peer.peer);
                let ended = peer.map(|peer| node.engine.disconnect(now, peer, notice));
                match ended {
                    Some(Ok(())) => Answer::Success("client-kill command succeeded".into()),
                    Some(Err(_)) | None => Answer::Error("client-kill command failed".into()),
                }
            }
            Command::Whois { question, at } => router::whois(node, question, *at),
            Command::Explain { identity, probe } => router::explain(node, identity, probe),
            Command::Flows(identity) => router::flows(node, identity.as_deref()),
            _ => Answer::Unsupported,
        }
    }

    pub(super) fn client_bytes(&self, node: &Node<Server>) -> ByteCounts {
        let bytes = |peer: PeerInfo<'_>| {
            let (bytes_in, bytes_out) = outer_bytes(&peer);
            (peer.client_id, bytes_in, bytes_out)
        };
        ByteCounts::Clients(node.engine.peers().map(bytes).collect())
    }

    /// The version that the configuration asks for.
    pub(super) fn status_version(&self) -> StatusVersion {
        self.host.status_version
    }

    pub(super) fn status_text(&self, node: &Node<Server>, version: StatusVersion) -> String {
        let clients: Vec<ClientRow> = node.engine.sessions().map(|peer| client_row(&peer)).collect();
        let now = node.clock.unix();
        let route = |(network, peer): (_, PeerInfo<'_>)| RouteRow {
            network,
            common_name: peer.common_name.map(str::to_owned),
            real_address: real_address(&peer),
            last_used: peer.last_activity.unwrap_or(now),
        };
        let routes: Vec<RouteRow> = node.engine.routes().map(route).collect();
        status::server(version, now, &clients, &routes)
    }
}

fn client_row(peer: &PeerInfo<'_>) -> ClientRow {
    let (bytes_in, bytes_out) = outer_bytes(peer);
    ClientRow {
        common_name: peer.common_name.map(str::to_owned),
        real_address: real_address(peer),
        ipv4: peer.ipv4.map(Into::into),
        ipv6: peer.ipv6.map(Into::into),
        bytes_in,
        bytes_out,
        since: peer.connected_since,
        username: peer.username.map(str::to_owned),
        client_id: peer.client_id,
        peer_id: peer.peer.to_string(),
        cipher: peer.cipher.map(|cipher| cipher.to_string()),
    }
}

fn real_address(peer: &PeerInfo<'_>) -> String {
    peer.path.remote.socket_addr().map(status::real_address).unwrap_or_default()
}

fn outer_bytes(peer: &PeerInfo<'_>) -> (u64, u64) {
    let traffic = peer.data.map(|data| data.traffic());
    traffic.map_or((0, 0), |traffic| (traffic.outer_received.bytes, traffic.outer_sent.bytes))
}

/// Ends all sessions that are meant, and says how many they were.
fn end_all(node: &mut Node<Server>, now: Instant, is_meant: impl Fn(&PeerInfo<'_>) -> bool) -> usize {
    let meant: Vec<PeerId> =
        node.engine.sessions().filter(|peer| is_meant(peer)).map(|peer| peer.peer).collect();
    meant.into_iter().filter(|peer| node.engine.disconnect(now, *peer, "").is_ok()).count()
}
