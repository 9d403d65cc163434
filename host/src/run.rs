//! The loop: wait, take in, act on events, send, and again. One thread, one engine.

use std::io;
use std::time::Duration;

use adit::config::Credentials;
use adit::router::LanLink;
use adit::{Endpoint, Event, Instant, LinkId};

use crate::clock::Clock;
use crate::errors::cause;
use crate::io::{Io, LinkChange};
use crate::management::{self, Answer, ByteCounts, Command, Management};
use crate::poller::{Ready, Source};
use crate::signals::{Request, Signals};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The process ends, with this status.
    Exit(u8),
    /// Begin again with the configuration as it is now (SIGHUP).
    Reload,
    /// Begin again with what is known (SIGUSR1).
    Restart,
}

/// An engine and what it is connected to.
pub(crate) struct Node<E> {
    pub(crate) engine: E,
    pub(crate) io: Io,
    pub(crate) clock: Clock,
    pub(crate) management: Management,
    /// What the log says once all is closed: which signal it was.
    pub(crate) farewell: Option<String>,
    /// The same in a word, for the management interface.
    pub(crate) end: Option<String>,
}

/// What client and server do differently.
pub(crate) trait Role<E: Endpoint> {
    fn handle_event(&mut self, node: &mut Node<E>, now: Instant, event: Event);
    /// There are no more events for now.
    fn settled(&mut self) {}
    fn handle_signal(&mut self, node: &mut Node<E>, now: Instant, name: &'static str, request: Request);
    /// A TCP link is there, could not be had, or has gone.
    fn handle_link(&mut self, node: &mut Node<E>, now: Instant, link: LinkId, change: LinkChange);
    /// The listener of that number has connections.
    fn handle_listener(&mut self, _node: &mut Node<E>, _now: Instant, _listener: u32) {}
    /// What was waited for on another thread is there.
    fn handle_task(&mut self, _node: &mut Node<E>, _now: Instant) {}
    /// There was no way to where something was to be sent.
    fn handle_unreachable(&mut self, _node: &mut Node<E>, _now: Instant) {}
    /// The device of the LAN port is another, or came back.
    fn handle_lan(&mut self, _node: &mut Node<E>, _now: Instant, _link: LanLink) {}
    /// A script has ended.
    fn handle_script(&mut self, _node: &mut Node<E>, _now: Instant) {}
    /// Name servers have answered.
    fn handle_names(&mut self, _node: &mut Node<E>, _now: Instant) {}
    /// Does what is due by now.
    fn handle_timeout(&mut self, node: &mut Node<E>, now: Instant);
    /// A management client wants something of this role.
    fn manage(&mut self, node: &mut Node<E>, now: Instant, command: &Command) -> Answer;
    /// What `bytecount` tells.
    fn byte_counts(&self, node: &Node<E>) -> ByteCounts;
    /// The management interface lets go on what waited.
    fn released(&mut self, _node: &mut Node<E>, _now: Instant) {}
    /// The login that was asked of the management interface is there.
    fn credentials_entered(&mut self, _node: &mut Node<E>, _now: Instant, _credentials: Credentials) {}
    /// Credentials that a user has entered are not to be used again.
    fn forget_passwords(&mut self, _node: &mut Node<E>) {}
    /// When something is due next.
    fn next_timeout(&self) -> Option<Instant>;
    /// Whether the run is over, and how.
    fn outcome(&self, node: &Node<E>) -> Option<Outcome>;
}

/// Runs until the role says that it is over. An error is one of the system's: the poller or the TUN device broke.
pub(crate) fn run<E: Endpoint>(
    node: &mut Node<E>,
    role: &mut impl Role<E>,
    signals: &mut Signals,
) -> io::Result<Outcome> {
    node.io.poller.add(&*signals, Source::Signals, false)?;
    if let Some(clients) = node.management.watched() {
        node.io.poller.add(clients, Source::Management, false)?;
    }
    let mut ready = Vec::new();
    let outcome = loop {
        settle(node, role);
        node.management.flush();
        if let Some(outcome) = role.outcome(node) {
            break outcome;
        }
        let timeout = timeout(node, role);
        node.io.poller.wait(timeout, &mut ready)?;
        let now = node.clock.now();
        if let Some(unix) = node.clock.correction() {
            node.engine.set_wall_clock(now, unix);
        }
        for &event in &ready {
            handle_ready(node, role, signals, now, event)?;
        }
        // Even if nothing is due: traffic moves deadlines, and here a server takes note of where they are now, which
        // it otherwise looks up client by client.
        node.engine.handle_timeout(now);
        role.handle_timeout(node, now);
        management::handle_timeout(node, role, now);
    };
    node.io.poller.remove(&*signals)?;
    if let Some(clients) = node.management.watched() {
        node.io.poller.remove(clients)?;
    }
    Ok(outcome)
}

/// Sends what the engine wants to send and acts on its events, until it has nothing more of either.
fn settle<E: Endpoint>(node: &mut Node<E>, role: &mut impl Role<E>) {
    let now = node.clock.now();
    loop {
        // What is to be sent goes first: an event may close the link.
        node.io.transmit_pending(&mut node.engine, now);
        if node.io.take_unreachable() {
            role.handle_unreachable(node, now);
        }
        let Some(event) = node.engine.poll_event() else { break };
        role.handle_event(node, now, event);
    }
    role.settled();
}

fn timeout<E: Endpoint>(node: &Node<E>, role: &impl Role<E>) -> Option<Duration> {
    let engine = node.engine.next_timeout().map(|deadline| deadline.at);
    let others = role.next_timeout().into_iter().chain(node.management.next_timeout());
    let at = engine.into_iter().chain(others).min()?;
    Some(at.since(node.clock.now()))
}

fn handle_ready<E: Endpoint>(
    node: &mut Node<E>,
    role: &mut impl Role<E>,
    signals: &mut Signals,
    now: Instant,
    ready: Ready,
) -> io::Result<()> {
    match ready.source {
        Source::Signals => {
            for (name, request) in signals.take() {
                role.handle_signal(node, now, name, request);
            }
        }
        Source::Tun => {
            let read = node.io.read_tun(&mut node.engine, now);
            // Somebody has deleted it.
            read.map_err(|error| {
                io::Error::new(error.kind(), format!("the TUN device is gone: {}", cause(&error)))
            })?;
        }
        Source::Lan => node.io.read_lan(&mut node.engine, now),
        Source::LanNews => {
            if let Some(link) = node.io.read_lan_news() {
                role.handle_lan(node, now, link);
            }
        }
        Source::Task => role.handle_task(node, now),
        Source::Management => management::serve(node, role, now),
        Source::Script => role.handle_script(node, now),
        Source::Names => role.handle_names(node, now),
        Source::Listener(number) => role.handle_listener(node, now, number),
        Source::Link(link) => {
            if let Some(change) = node.io.read_link(&mut node.engine, now, link, ready) {
                role.handle_link(node, now, link, change);
            }
        }
    }
    Ok(())
}
