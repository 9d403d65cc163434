//! The TCP connections: which there are, and how long one may go without a session.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::path::{LinkId, Path};
use crate::time::{Deadline, Instant, TimerKind};

/// All TCP connections.
pub(super) struct Links {
    open: BTreeMap<LinkId, Link>,
    /// Those without a session, by when one must have begun.
    idle: BTreeSet<(Instant, LinkId)>,
    limit: usize,
}

struct Link {
    path: Path,
    idle_until: Option<Instant>,
}

impl Links {
    pub(super) fn new(limit: usize) -> Self {
        Self { open: BTreeMap::new(), idle: BTreeSet::new(), limit }
    }

    /// A connection on which a session must begin by `idle_until`. `false` if there is no room for it.
    pub(super) fn insert(&mut self, path: Path, idle_until: Instant) -> bool {
        self.remove(path.link);
        let fits = self.open.len() < self.limit;
        if fits {
            self.open.insert(path.link, Link { path, idle_until: Some(idle_until) });
            self.idle.insert((idle_until, path.link));
        }
        fits
    }

    /// A session has begun on it; the connection ends with its last session.
    pub(super) fn session_began(&mut self, link: LinkId) {
        if let Some(at) = self.open.get_mut(&link).and_then(|link| link.idle_until.take()) {
            self.idle.remove(&(at, link));
        }
    }

    /// Whether there was such a connection.
    pub(super) fn remove(&mut self, link: LinkId) -> bool {
        let Some(Link { idle_until, .. }) = self.open.remove(&link) else { return false };
        if let Some(at) = idle_until {
            self.idle.remove(&(at, link));
        }
        true
    }

    /// Removes a connection whose time for a session to begin is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<LinkId> {
        let &(_, link) = self.idle.first().filter(|(at, _)| *at <= now)?;
        self.remove(link).then_some(link)
    }

    pub(super) fn path(&self, link: LinkId) -> Option<Path> {
        self.open.get(&link).map(|link| link.path)
    }

    pub(super) fn next_timeout(&self) -> Option<Deadline> {
        self.idle.first().map(|&(at, _)| Deadline { at, reason: TimerKind::HandWindow })
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
