//! What the router knows of each client.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::icmp::ErrorBudget;
use super::packet::{TCP, UDP};
use super::zone::Zone;
use crate::config::{ClientLimits, IpNetwork};
use crate::peer::PeerId;

use super::limits::{Budget, Telling};
use super::rules::{Layers, Rules};

/// What the router is told of a client.
#[derive(Clone, Debug)]
pub struct ClientSetup {
    /// Who it is: the common name of its certificate, or its user name with `username-as-common-name`. Rules, groups,
    /// addresses of its own and the flow log go by it.
    pub identity: String,
    /// Its addresses, and the networks behind it: what it may send from, and what is routed to it.
    pub networks: Vec<IpNetwork>,
    /// The largest packet that its tunnel takes, in bytes.
    pub mtu: u16,
    /// Limits of its own, in place of the configuration's.
    pub limits: Option<ClientLimits>,
}

/// Refused packets of one client that the host is told of, a second at most.
const REFUSALS: u64 = 4;

/// A client that is connected.
pub(super) struct Client {
    pub(super) peer: PeerId,
    pub(super) identity: Arc<str>,
    pub(super) networks: Vec<IpNetwork>,
    pub(super) mtu: u16,
    /// Limits of its own.
    pub(super) limits: Option<ClientLimits>,
    pub(super) budget: Budget,
    /// The rules that are about it.
    pub(super) layers: Layers,
    /// Refused packets of its, and how often the host hears of them.
    pub(super) refusals: Telling,
    /// ICMP errors that it may be sent.
    pub(super) errors: ErrorBudget,
    /// How many outside ports it has: TCP, UDP, ICMP.
    pub(super) ports: [u32; 3],
}

impl Client {
    /// How many of its outside ports are that protocol's.
    pub(super) fn ports_of(&mut self, protocol: u8) -> &mut u32 {
        let [tcp, udp, icmp] = &mut self.ports;
        match protocol {
            TCP => tcp,
            UDP => udp,
            _ => icmp,
        }
    }
}

/// A client that has gone, whose flows have not all ended yet.
struct Gone {
    identity: Arc<str>,
    flows: u32,
}

/// All clients, by the index of their handle.
#[derive(Default)]
pub(super) struct Clients {
    here: Vec<Option<Client>>,
    gone: BTreeMap<PeerId, Gone>,
}

impl Clients {
    /// Takes one in. `limits` are those of the configuration.
    pub(super) fn insert(
        &mut self,
        peer: PeerId,
        setup: ClientSetup,
        rules: &Rules,
        limits: ClientLimits,
        tick: u32,
    ) {
        let index = peer.index();
        if self.here.len() <= index {
            self.here.resize_with(index + 1, || None);
        }
        let ClientSetup { identity, networks, mtu, limits: own } = setup;
        let client = Client {
            peer,
            layers: rules.layers_of(&identity),
            identity: identity.into(),
            networks,
            mtu,
            limits: own,
            budget: Budget::new(own.unwrap_or(limits), tick),
            refusals: Telling::new(REFUSALS, tick),
            ports: [0; 3],
            errors: ErrorBudget::default(),
        };
        if let Some(before) = self.here[index].replace(client) {
            self.mourn(&before);
        }
    }

    pub(super) fn remove(&mut self, peer: PeerId) -> Option<Client> {
        let client = self.here.get_mut(peer.index())?.take_if(|client| client.peer == peer)?;
        self.mourn(&client);
        Some(client)
    }

    /// Keeps in mind who it was until its flows have ended.
    fn mourn(&mut self, client: &Client) {
        let (identity, flows) = (Arc::clone(&client.identity), client.budget.flow_count());
        if flows > 0 {
            self.gone.insert(client.peer, Gone { identity, flows });
        }
    }

    #[inline]
    pub(super) fn get(&self, peer: PeerId) -> Option<&Client> {
        self.here.get(peer.index())?.as_ref().filter(|client| client.peer == peer)
    }

    /// The largest packet that goes there, in bytes; without limit if there is no such client.
    pub(super) fn mtu_of(&self, zone: Zone) -> usize {
        match zone {
            Zone::Peer(peer) => self.get(peer).map_or(usize::MAX, |client| usize::from(client.mtu)),
            Zone::Host | Zone::Lan => usize::MAX,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Client> {
        self.here.get_mut(peer.index())?.as_mut().filter(|client| client.peer == peer)
    }

    /// The client of that identity; of several the first.
    pub(super) fn find(&self, identity: &str) -> Option<PeerId> {
        self.here.iter().flatten().find(|client| *client.identity == *identity).map(|client| client.peer)
    }

    /// Whose that handle is, or was while it has flows.
    pub(super) fn identity(&self, peer: PeerId) -> Option<&Arc<str>> {
        match self.get(peer) {
            Some(client) => Some(&client.identity),
            None => self.gone.get(&peer).map(|gone| &gone.identity),
        }
    }

    /// All that are connected.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.here.iter_mut().flatten()
    }

    /// Whether one has limits of its own.
    pub(super) fn any_limits(&self) -> bool {
        self.here.iter().flatten().any(|client| client.limits.is_some())
    }

    /// A flow is that client's.
    pub(super) fn flow_began(&mut self, peer: PeerId, v6: bool) {
        if let Some(client) = self.get_mut(peer) {
            client.budget.flow_began(v6);
        }
    }

    /// And has ended.
    pub(super) fn flow_ended(&mut self, peer: PeerId, v6: bool) {
        if let Some(client) = self.get_mut(peer) {
            client.budget.flow_ended(v6);
        } else if let Some(gone) = self.gone.get_mut(&peer) {
            gone.flows = gone.flows.saturating_sub(1);
            if gone.flows == 0 {
                self.gone.remove(&peer);
            }
        }
    }
}
