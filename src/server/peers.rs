//! The table of sessions: by number, by address, and by the time at which something is due.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ask::{AuthState, ConnectState};
use super::settings::Addresses;
use super::token::LoginSession;
use crate::config::{IpNetwork, Topology};
use crate::event::{ClientSummary, RequestId};
use crate::path::{Address, LinkId, Path};
use crate::peer::PeerId;
use crate::session::{ClientHello, Session};
use crate::time::{Deadline, Instant, TimerKind, UnixTime};
use crate::wire::SessionId;

/// Sessions that may share an address: the present one, and one that is about to replace it.
const SESSIONS_PER_PATH: usize = 2;

/// One client's session, and what the server knows of it.
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) session: Session,
    /// Counts the sessions of this server from 0, and is never used again.
    pub(super) client_id: u64,
    /// The host was asked about its certificate.
    pub(super) verify: Option<RequestId>,
    pub(super) auth: AuthState,
    pub(super) connect: ConnectState,
    /// The key exchange is delivered, and data keys wait for the authentication.
    pub(super) active: bool,
    pub(super) hello: Option<Box<ClientHello>>,
    pub(super) identity: Identity,
    pub(super) stage: Stage,
    /// The session of its login, for `auth-gen-token`.
    pub(super) login: Option<LoginSession>,
    /// When it gets a new token.
    pub(super) token_due: Option<Instant>,
    /// The name that `override-username` gave it.
    pub(super) username_override: Option<String>,
    /// The numbers of its entries in the pool.
    pub(super) numbers: Vec<u32>,
    pub(super) addresses: Addresses,
    /// What is routed to it.
    pub(super) networks: Vec<IpNetwork>,
    /// How many of them it may have beside its addresses.
    pub(super) max_networks: usize,
    /// It asked for its options before there were any.
    pub(super) push_requested: bool,
    /// What it is pushed whenever it asks, but for its token.
    pub(super) push_list: Vec<String>,
    pub(super) pushed_at: Option<Instant>,
    pub(super) connected_since: UnixTime,
    pub(super) connected_at: Instant,
    /// Its entry among the timers.
    armed: Option<Instant>,
}

/// Who a peer is, fixed at its first key exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) common_name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) certificate: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not yet entitled to anything.
    Handshake,
    /// Data flows.
    Connected,
    /// Over; kept to deliver and acknowledge the last messages.
    Leaving { until: Instant, keep: bool },
}

impl Peer {
    /// Whether there are networks behind it (`iroute`).
    pub(super) fn has_networks(&self) -> bool {
        self.networks.len() > self.addresses.iter().count()
    }

    /// Whether `network` is a part of one of its own.
    pub(super) fn holds(&self, network: &IpNetwork) -> bool {
        self.networks.iter().any(|own| own.prefix() < network.prefix() && own.contains(network.address()))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving { .. })
    }

    /// Its connection in retrospect.
    pub(super) fn summary(&self, now: Instant, topology: Topology) -> ClientSummary {
        ClientSummary {
            peer: self.id,
            client_id: self.client_id,
            common_name: self.identity.common_name.clone(),
            username: self.username().map(ToString::to_string),
            certificate: self.session.known_certificate().map(Arc::clone),
            path: *self.session.path(),
            ipv4: self.addresses.ifconfig(topology),
            ipv6: self.addresses.ipv6,
            networks: self.networks.clone(),
            connected_since: self.connected_since,
            connected_for: now.since(self.connected_at),
            traffic: self.session.data().map(|data| *data.traffic()),
        }
    }

    fn next_timeout(&self) -> Option<Deadline> {
        let own = match self.stage {
            Stage::Leaving { until, .. } => Some(Deadline { at: until, reason: TimerKind::ScheduledExit }),
            Stage::Handshake | Stage::Connected => {
                let decision = self.decision_due().map(|at| Deadline { at, reason: TimerKind::AuthDeadline });
                let token = self.token_due.map(|at| Deadline { at, reason: TimerKind::AuthToken });
                decision.into_iter().chain(token).min()
            }
        };
        own.into_iter().chain(self.session.next_timeout()).min()
    }
}

/// All sessions.
pub(super) struct Peers {
    slots: Vec<Slot>,
    by_path: BTreeMap<(LinkId, Address), Vec<usize>>,
    timers: BTreeSet<(Instant, usize)>,
    /// Those that may have something to send.
    ready: BTreeSet<usize>,
    len: usize,
    limit: usize,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    peer: Option<Box<Peer>>,
}

impl Peers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_path: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
            len: 0,
            limit: limit.min(1 << 20),
        }
    }

    /// The number that the next session gets: the lowest that is free. `None` if the table is full.
    pub(super) fn vacant(&mut self) -> Option<PeerId> {
        let index = match self.slots.iter().position(|slot| slot.peer.is_none()) {
            Some(index) => index,
            None if self.slots.len() < self.limit => {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            }
            None => return None,
        };
        Some(PeerId::new(index as u32, self.slots[index].generation))
    }

    pub(super) fn insert(&mut self, id: PeerId, client_id: u64, session: Session) {
        let index = id.index();
        let path = *session.path();
        let peer = Peer {
            id,
            session,
            client_id,
            verify: None,
            auth: AuthState::Unknown,
            connect: ConnectState::Open,
            active: false,
            hello: None,
            identity: Identity::default(),
            stage: Stage::Handshake,
            login: None,
            token_due: None,
            username_override: None,
            numbers: Vec::new(),
            addresses: Addresses::default(),
            networks: Vec::new(),
            max_networks: 0,
            push_requested: false,
            push_list: Vec::new(),
            pushed_at: None,
            connected_since: UnixTime::default(),
            connected_at: Instant::ZERO,
            armed: None,
        };
        self.slots[index].peer = Some(Box::new(peer));
        self.len += 1;
        self.by_path.entry(key(&path)).or_default().push(index);
        self.touch(index);
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Box<Peer>> {
        let slot = self.slots.get_mut(index)?;
        let peer = slot.peer.take()?;
        slot.generation = (slot.generation + 1) & 0x7ff;
        self.len -= 1;
        self.unlink(index, peer.session.path());
        if let Some(at) = peer.armed {
            self.timers.remove(&(at, index));
        }
        self.ready.remove(&index);
        Some(peer)
    }

    /// The peer moves to another address.
    pub(super) fn float(&mut self, index: usize, path: Path) {
        let Some(old) = self.get(index).map(|peer| *peer.session.path()) else { return };
        self.unlink(index, &old);
        self.by_path.entry(key(&path)).or_default().push(index);
        if let Some(peer) = self.get_mut(index) {
            peer.session.float(path);
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&Peer> {
        self.slots.get(index)?.peer.as_deref()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Peer> {
        self.slots.get_mut(index)?.peer.as_deref_mut()
    }

    /// The peer of that handle, if it is still the same one, and not over.
    pub(super) fn by_id(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.get_mut(id.index()).filter(|peer| peer.id == id && !peer.is_leaving())
    }

    /// The session with this address and session id of the other end.
    pub(super) fn by_session(&self, path: &Path, remote: SessionId) -> Option<usize> {
        self.at(path)
            .find(|&index| self.get(index).is_some_and(|peer| peer.session.remote_id() == Some(remote)))
    }

    /// The sessions on a link.
    pub(super) fn on_link(&self, link: LinkId) -> Vec<usize> {
        let lists = self.by_path.range((link, Address::UNSPECIFIED)..);
        lists.take_while(|((of, _), _)| *of == link).flat_map(|(_, list)| list).copied().collect()
    }

    /// Whether any session has this address.
    pub(super) fn has_session_at(&self, path: &Path) -> bool {
        self.at(path).next().is_some()
    }

    /// The connected session with this address.
    pub(super) fn connected_at(&self, path: &Path) -> Option<usize> {
        self.at(path).find(|&index| self.get(index).is_some_and(Peer::is_connected))
    }

    /// The session that must go for another one to begin at this address: one that is over, or not yet connected.
    pub(super) fn superfluous_at(&self, path: &Path) -> Option<usize> {
        if self.at(path).count() < SESSIONS_PER_PATH {
            return None;
        }
        let stage = |index: &usize| self.get(*index).map(|peer| peer.stage);
        self.at(path)
            .find(|index| matches!(stage(index), Some(Stage::Leaving { .. })))
            .or_else(|| self.at(path).find(|index| stage(index) == Some(Stage::Handshake)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Peer)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| Some((index, slot.peer.as_deref()?)))
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        self.iter().map(|(index, _)| index).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The session was told something: it may have something to send, and other deadlines.
    pub(super) fn touch(&mut self, index: usize) {
        let Some(peer) = self.slots.get_mut(index).and_then(|slot| slot.peer.as_deref_mut()) else { return };
        self.ready.insert(index);
        let at = peer.next_timeout().map(|deadline| deadline.at);
        if at != peer.armed {
            if let Some(old) = peer.armed {
                self.timers.remove(&(old, index));
            }
            if let Some(at) = at {
                self.timers.insert((at, index));
            }
            peer.armed = at;
        }
    }

    /// The next session that may have something to send.
    pub(super) fn first_ready(&self) -> Option<usize> {
        self.ready.first().copied()
    }

    /// It has nothing more to send, for now.
    pub(super) fn settled(&mut self, index: usize) {
        self.touch(index);
        self.ready.remove(&index);
    }

    /// The sessions whose timers have ended.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        self.timers.iter().take_while(|(at, _)| *at <= now).map(|&(_, index)| index).collect()
    }

    /// The earliest deadline of all.
    ///
    /// Data packets move a session's deadlines back (pings, silence) without re-arming its timer, so an armed time
    /// is a lower bound: the true ones are looked up, until no armed time can undercut them.
    pub(super) fn next_timeout(&self) -> Option<Deadline> {
        let mut best: Option<Deadline> = None;
        for &(at, index) in &self.timers {
            if best.is_some_and(|best| best.at <= at) {
                break;
            }
            let deadline = self.get(index).and_then(Peer::next_timeout);
            best = best.into_iter().chain(deadline).min();
        }
        best
    }

    fn at(&self, path: &Path) -> impl Iterator<Item = usize> {
        self.by_path.get(&key(path)).into_iter().flatten().copied()
    }

    fn unlink(&mut self, index: usize, path: &Path) {
        if let Some(list) = self.by_path.get_mut(&key(path)) {
            list.retain(|&other| other != index);
            if list.is_empty() {
                self.by_path.remove(&key(path));
            }
        }
    }
}

fn key(path: &Path) -> (LinkId, Address) {
    (path.link, path.remote)
}
