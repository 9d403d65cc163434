//! Clients that come and go.

use std::time::Duration;

use adit::{Instant, LinkId};
use zeroize::Zeroizing;

use super::command::Signal;
use super::connection::{Connection, Reading};
use super::conversation::Heard;
use super::listener::Caller;
use super::obey::throw;
use super::{LISTENER, MAX_CLIENTS, Management, NEED_LOGIN, holding, text};
use crate::errors::cause;
use crate::log::Level;
use crate::poller::Source;

/// How long the listener rests when the system has no descriptor left for another client.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

impl Management {
    pub(super) fn accept(&mut self, now: Instant) {
        loop {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok(Some(Caller::Welcome(socket, name))) => {
                    if self.connections.len() >= MAX_CLIENTS && !self.make_room() {
                        self.log.warning(format_args!(
                            "MANAGEMENT: {name} is turned away: there are {MAX_CLIENTS} clients already"
                        ));
                        continue;
                    }
                    self.log
                        .line(Level::MANAGEMENT, format_args!("MANAGEMENT: Client connected from {name}"));
                    self.welcome(socket, name);
                }
                Ok(Some(Caller::Refused(why))) => {
                    self.log.warning(format_args!(
                        "MANAGEMENT: unix domain socket client connection rejected: {why}"
                    ));
                }
                Ok(None) => return,
                Err(error) => {
                    self.log.warning(format_args!("MANAGEMENT: cannot accept a client: {}", cause(&error)));
                    self.watch_listener(false);
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Lets the client go that has been longest without giving the password, so that nobody keeps others out who
    /// does not know it; whether there is one.
    fn make_room(&mut self) -> bool {
        let mut locked =
            self.connections.iter().filter(|(_, connection)| connection.conversation.is_locked());
        let Some((&client, connection)) = locked.next() else { return false };
        self.log.warning(format_args!(
            "MANAGEMENT: {} gives no password, and has to make room for another client",
            connection.name
        ));
        self.close(client);
        true
    }

    pub(super) fn welcome(&mut self, socket: socket2::Socket, name: String) {
        let locked = self.rules.password.is_some();
        let client = self.next_client;
        let Some(poller) = &self.poller else { return };
        let added = Connection::new(socket, name, locked).and_then(|connection| {
            poller.add(&connection, Source::Link(LinkId(client)), false)?;
            Ok(connection)
        });
        match added {
            Ok(connection) => {
                self.next_client = client.checked_add(1).unwrap_or(LISTENER + 1);
                self.connections.insert(client, connection);
                if locked {
                    self.prompt(client)
                } else {
                    self.greet(client)
                }
                self.flush();
            }
            Err(error) => {
                self.log.warning(format_args!("MANAGEMENT: cannot serve a client: {}", cause(&error)));
            }
        }
    }

    pub(super) fn prompt(&mut self, client: u32) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.send_raw("ENTER PASSWORD:");
        }
    }

    pub(super) fn greet(&mut self, client: u32) {
        self.line(client, &text::greeting());
        if let Some(seconds) = self.holding {
            self.line(client, &holding(seconds));
        }
        if self.question.is_some() {
            self.line(client, NEED_LOGIN);
        }
    }

    pub(super) fn read(&mut self, client: u32) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let reading = connection.read();
        let password = self.rules.password.as_ref().map(|password| password.as_str());
        while let Some(heard) = connection.conversation.next(password) {
            self.heard.push_back((client, heard));
        }
        if reading == Reading::Closed {
            // What it said before it left counts.
            self.heard.push_back((client, Heard::Line(Zeroizing::new("exit".to_owned()))));
        }
    }

    pub(super) fn close(&mut self, client: u32) {
        let Some(connection) = self.connections.remove(&client) else { return };
        if let Some(poller) = &self.poller {
            let _ = poller.remove(&connection);
        }
        self.log.line(Level::MANAGEMENT, "MANAGEMENT: Client disconnected");
        let was_let_in = !connection.conversation.is_locked();
        drop(connection);
        let signal = if self.rules.is_client {
            Some(Signal::Term)
        } else {
            (self.rules.signal && was_let_in).then_some(Signal::Usr1)
        };
        if let Some(signal) = signal {
            throw(signal);
        }
    }

    pub(super) fn watch(&mut self, client: u32) {
        let (Some(connection), Some(poller)) = (self.connections.get_mut(&client), &self.poller) else {
            return;
        };
        let wants = connection.wants();
        if wants != connection.watched {
            connection.watched = wants;
            let _ = poller.watch(&*connection, Source::Link(LinkId(client)), wants.0, wants.1);
        }
    }

    pub(super) fn watch_listener(&self, watch: bool) {
        if let (Some(listener), Some(poller)) = (&self.listener, &self.poller) {
            let _ = poller.watch(listener, Source::Link(LinkId(LISTENER)), watch, false);
        }
    }
}
