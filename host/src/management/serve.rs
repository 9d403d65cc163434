//! Between the interface and whatever runs at the moment: a role, or a start that waits for its release.

use std::io;
use std::time::Duration;

use adit::{Endpoint, Instant};

use super::{Answer, ByteCounts, Command, Management, Task};
use crate::log::Log;
use crate::poller::{Poller, Source};
use crate::run::{Node, Outcome, Role};
use crate::signals::{Request, Signals};

/// Lets clients have what they want of `role`.
pub(crate) fn serve<E: Endpoint>(node: &mut Node<E>, role: &mut impl Role<E>, now: Instant) {
    node.management.receive(now);
    while let Some(task) = node.management.next_task() {
        match task {
            Task::Ask(client, command) => {
                let answer = role.manage(node, now, &command);
                node.management.reply(client, &command, answer);
            }
            Task::Released => role.released(node, now),
            Task::Entered(credentials) => role.credentials_entered(node, now, credentials),
            Task::Forget => role.forget_passwords(node),
        }
    }
}

/// Does what is due by now.
pub(crate) fn handle_timeout<E: Endpoint>(node: &mut Node<E>, role: &impl Role<E>, now: Instant) {
    if node.management.wants_byte_counts(now) {
        let counts = role.byte_counts(node);
        node.management.tell_byte_counts(now, &counts);
    }
    node.management.handle_timeout(now);
}

/// `management-hold`: waits for the release of a start, which would otherwise wait `pause`. A signal ends the wait too.
pub(crate) fn hold(
    management: &mut Management,
    signals: &mut Signals,
    log: &Log,
    pause: Duration,
) -> io::Result<Option<Outcome>> {
    if !management.must_hold(pause) {
        return Ok(None);
    }
    let mut poller = Poller::new()?;
    poller.add(&*signals, Source::Signals, false)?;
    if let Some(clients) = management.watched() {
        poller.add(clients, Source::Management, false)?;
    }
    let mut ready = Vec::new();
    while management.is_holding() {
        management.flush();
        let now = management.clock.now();
        let timeout = management.next_timeout().map(|at| at.since(now));
        poller.wait(timeout, &mut ready)?;
        for (name, request) in signals.take() {
            let (outcome, what) = match request {
                Request::Exit => (Outcome::Exit(0), "exiting"),
                Request::Reload => (Outcome::Reload, "restarting"),
                Request::Restart => (Outcome::Restart, "restarting"),
                Request::Status => continue,
            };
            log.info(format_args!("{name}[hard,] received, process {what}"));
            management.holding = None;
            return Ok(Some(outcome));
        }
        serve_waiting(management);
    }
    management.flush();
    Ok(None)
}

/// Nothing runs yet: there is nothing to show and nobody to end.
fn serve_waiting(management: &mut Management) {
    let now = management.clock.now();
    management.receive(now);
    while let Some(task) = management.next_task() {
        if let Task::Ask(client, command) = task {
            let answer = match command {
                Command::LoadStats => Answer::Success("nclients=0,bytesin=0,bytesout=0".into()),
                _ => Answer::Unsupported,
            };
            management.reply(client, &command, answer);
        }
    }
    management.tell_byte_counts(now, &ByteCounts::Clients(Vec::new()));
    management.handle_timeout(now);
    management.flush();
}
