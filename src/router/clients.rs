//! What the router knows of each client.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::icmp::ErrorBudget;
use super::packet::{TCP, UDP};
use super::zone::Zone;
use crate::config::{ClientLimits, IpNetwork};
use crate::peer::PeerId;

use super::limits::Telling;
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
    /// The rules that are about it.
    pub(super) layers: Layers,
    /// Refused packets of its, and how often the host hears of them.
    pub(super) refusals: Telling,
    /// ICMP errors that it may be sent.
    pub(super) errors: ErrorBudget,
    /// Limits of its own.
    pub(super) limits: Option<ClientLimits>,
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

/// All clients, by the index of their handle.
#[derive(Default)]
pub(super) struct Clients(Vec<Option<Client>>);

impl Clients {
    pub(super) fn insert(&mut self, peer: PeerId, setup: ClientSetup, rules: &Rules, tick: u32) {
        let index = peer.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        let ClientSetup { identity, networks, mtu, limits } = setup;
        let layers = rules.layers_of(&identity);
        let refusals = Telling::new(REFUSALS, tick);
        self.0[index] = Some(Client {
            peer,
            identity: identity.into(),
            networks,
            mtu,
            layers,
            refusals,
            limits,
            ports: [0; 3],
            errors: ErrorBudget::default(),
        });
    }

    pub(super) fn remove(&mut self, peer: PeerId) -> Option<Client> {
        self.0.get_mut(peer.index())?.take_if(|client| client.peer == peer)
    }

    #[inline]
    pub(super) fn get(&self, peer: PeerId) -> Option<&Client> {
        self.0.get(peer.index())?.as_ref().filter(|client| client.peer == peer)
    }

    /// The largest packet that goes there, in bytes; without limit if there is no such client.
    pub(super) fn mtu_of(&self, zone: Zone) -> usize {
        match zone {
            Zone::Peer(peer) => self.get(peer).map_or(usize::MAX, |client| usize::from(client.mtu)),
            Zone::Host | Zone::Lan => usize::MAX,
        }
    }

    pub(super) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Client> {
        self.0.get_mut(peer.index())?.as_mut().filter(|client| client.peer == peer)
    }

    /// All that are connected.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.0.iter_mut().flatten()
    }

    /// The client of that identity; of several the first.
    pub(super) fn find(&self, identity: &str) -> Option<PeerId> {
        self.0.iter().flatten().find(|client| *client.identity == *identity).map(|client| client.peer)
    }
}
