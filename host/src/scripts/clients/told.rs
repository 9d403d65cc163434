//! What scripts are only told: that a client has gone (`client-disconnect`), and whose an inner address is
//! (`learn-address`).

use std::time::Duration;

use adit::config::IpNetwork;
use adit::server::Server;
use adit::{ClientSummary, Instant, PeerId};

use super::{ClientHooks, Deferred, Then};
use crate::run::Node;
use crate::scripts::env::Env;
use crate::scripts::runner::Script;
use crate::scripts::{PATIENCE, Queue, peer};

/// How long an address that nobody has any more may come back without being unlearnt, as with OpenVPN: a client that
/// connects anew is an `update`.
const UNLEARN_AFTER: Duration = Duration::from_secs(5);

impl ClientHooks {
    // ---- client-disconnect ----

    pub(super) fn disconnected(&mut self, node: &Node<Server>, now: Instant, summary: &ClientSummary) {
        let queue = self.queue(summary.peer);
        if let Some(known) = self.known.get_mut(&summary.peer)
            && std::mem::take(&mut known.connected)
            && let Some(mut env) = known.env.clone()
        {
            let since = known.since;
            peer::set_trusted(&mut env, &summary.path);
            let traffic = summary.traffic.unwrap_or_default();
            let bytes = (traffic.outer_received.bytes, traffic.outer_sent.bytes);
            self.run_disconnect(node, now, queue, env, since, bytes);
        }
        if self.scripts.config.learn_address.is_some() {
            let networks = summary.networks.iter();
            self.unlearning.extend(networks.map(|network| (now + UNLEARN_AFTER, *network)));
        }
    }

    pub(super) fn run_disconnect(
        &mut self,
        node: &Node<Server>,
        now: Instant,
        queue: Queue,
        mut env: Env,
        since: u64,
        (received, sent): (u64, u64),
    ) {
        let Some(command) = &self.scripts.config.client_disconnect else { return };
        env.set("script_type", "client-disconnect");
        env.set("bytes_received", received);
        env.set("bytes_sent", sent);
        env.set("time_duration", node.clock.unix().0.saturating_sub(since));
        let script = Script {
            hook: "--client-disconnect",
            words: command.words.clone(),
            env,
            timeout: PATIENCE,
            answers: false,
            then: Then::Nothing,
        };
        self.submit(node, now, queue, script);
    }

    pub(super) fn closed(&mut self, node: &Node<Server>, now: Instant, peer: PeerId) {
        let is_login = |then: &Then| matches!(then, Then::Login(_) | Then::Verify(..));
        self.scripts.runner.cancel(&Queue::Session(peer), is_login);
        self.deferred.retain(|(_, _, deferred)| match deferred {
            Deferred::Login(login, _) => login.peer != peer,
            // That one's script may still count the client in.
            Deferred::Connect(_) => true,
        });
        let queue = self.queue(peer);
        let Some(known) = self.known.get_mut(&peer) else { return };
        if known.undecided {
            known.gone = Some(now + PATIENCE);
            return;
        }
        // Let in by its script, and then not by the engine.
        let unmatched = std::mem::take(&mut known.connected);
        let (env, since) = (known.env.take(), known.since);
        self.known.remove(&peer);
        if let Some(env) = env.filter(|_| unmatched) {
            self.run_disconnect(node, now, queue, env, since, (0, 0));
        }
    }

    // ---- learn-address ----

    pub(super) fn learn(&mut self, node: &Node<Server>, now: Instant, peer: PeerId) {
        if self.scripts.config.learn_address.is_none() {
            return;
        }
        let Some(info) = node.engine.peer(peer) else { return };
        let networks = info.networks.to_vec();
        let name = info.common_name.unwrap_or("UNDEF").to_owned();
        for network in networks {
            let waiting = self.unlearning.len();
            self.unlearning.retain(|(_, other)| *other != network);
            let what = if self.unlearning.len() < waiting { "update" } else { "add" };
            let env = self.known.get(&peer).and_then(|known| known.env.clone()).unwrap_or_default();
            self.run_learn(node, now, env, &[what, &mask(network), &name], Then::Learn(peer));
        }
    }

    /// OpenVPN's scripts are told nothing more about an address that nobody has.
    pub(super) fn unlearn(&mut self, node: &Node<Server>, now: Instant, network: IpNetwork) {
        self.run_learn(node, now, Env::default(), &["delete", &mask(network)], Then::Nothing);
    }

    fn run_learn(&mut self, node: &Node<Server>, now: Instant, mut env: Env, args: &[&str], then: Then) {
        let Some(command) = &self.scripts.config.learn_address else { return };
        env.set("script_type", "learn-address");
        let mut words = command.words.clone();
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        let hook = "--learn-address";
        let script = Script { hook, words, env, timeout: PATIENCE, answers: false, then };
        self.submit(node, now, Queue::Addresses, script);
    }
}

/// An address, or a network with its prefix's length.
fn mask(network: IpNetwork) -> String {
    let address = network.address();
    if network.is_host() { address.to_string() } else { format!("{address}/{}", network.prefix()) }
}
