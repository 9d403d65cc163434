//! What clients say, and what follows of it without a role.

use std::rc::Rc;
use std::time::Duration;

use adit::config::Credentials;
use signal_hook::low_level::raise;
use zeroize::Zeroizing;

use super::command::{self, Command, Hold, Show, Signal};
use super::conversation::Heard;
use super::{Kind, Management, Question, Task, text, version};
use crate::log::Level;
use crate::timer::Every;

impl Management {
    pub(super) fn hear(&mut self, client: u32, heard: Heard) -> Option<Task> {
        match heard {
            Heard::Line(line) => return self.obey(client, &line),
            Heard::TooLong => self.error(client, "the command line is too long"),
            Heard::Accepted => {
                self.line(client, "SUCCESS: password is correct");
                self.greet(client);
            }
            Heard::Wrong => self.prompt(client),
            Heard::Rejected => {
                self.log.warning("MAN: client connection rejected after 3 failed password attempts");
                self.leave(client);
            }
            Heard::Foreign => {
                self.log.warning(
                    "MANAGEMENT: a client that speaks another protocol, as a browser does, is not listened to",
                );
                self.leave(client);
            }
        }
        None
    }

    fn leave(&mut self, client: u32) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.leaving = true;
        }
    }

    fn obey(&mut self, client: u32, line: &str) -> Option<Task> {
        if !line.is_empty() {
            let level = Level::MANAGEMENT_COMMAND;
            self.log.line(level, format_args!("MANAGEMENT: CMD '{}'", command::for_log(line)));
        }
        match command::parse(line) {
            Ok(command) => self.perform(client, command),
            Err(sentence) => {
                self.error(client, &sentence);
                None
            }
        }
    }

    /// Does what needs no role.
    fn perform(&mut self, client: u32, command: Command) -> Option<Task> {
        match command {
            Command::Nothing | Command::Version { told: true } => {}
            Command::Version { told: false } => {
                let lines = [
                    format!("OpenVPN Version: {}", version()),
                    format!("Management Version: {}", text::INTERFACE),
                    "END".to_owned(),
                ];
                self.lines(client, lines.iter().map(String::as_str));
            }
            Command::Help => {
                let title = format!("Management Interface for {}", version());
                let lines =
                    [title.as_str(), "Commands:"].into_iter().chain(text::HELP.lines()).chain(["END"]);
                self.lines(client, lines);
            }
            Command::Pid => self.success(client, &format!("pid={}", std::process::id())),
            Command::Exit => {
                let last = self.connections.len() == 1;
                self.leave(client);
                return (self.rules.forget && last).then_some(Task::Forget);
            }
            Command::ForgetPasswords => {
                self.success(client, "Passwords were forgotten");
                return Some(Task::Forget);
            }
            Command::Hold(hold) => return self.perform_hold(client, hold),
            Command::Signal(signal) => {
                self.success(client, &format!("signal {} thrown", signal.name()));
                throw(signal);
            }
            Command::Verb(None) => self.success(client, &format!("verb={}", self.log.verb())),
            Command::Verb(Some(verb)) => {
                self.log.set_verb(verb);
                self.success(client, "verb level changed");
            }
            Command::Mute(None) => self.success(client, &format!("mute={}", self.log.mute())),
            Command::Mute(Some(limit)) => {
                self.log.set_mute(limit);
                self.success(client, "mute level changed");
            }
            Command::ByteCount(seconds) => {
                let interval = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                let now = self.clock.now();
                if let Some(connection) = self.connections.get_mut(&client) {
                    connection.byte_count = Every::new(interval, now);
                    // The first time an interval from now.
                    let _ = connection.byte_count.take(now);
                }
                self.success(client, "bytecount interval changed");
            }
            Command::State(shows) => self.show(client, &shows, Kind::State),
            Command::Log(shows) => self.show(client, &shows, Kind::Log),
            Command::Echo(shows) => self.show(client, &shows, Kind::Echo),
            Command::Test(count) => {
                for number in 0..count {
                    self.line(client, &format!("[{number}] a line that holds nothing, for tests"));
                }
            }
            Command::Pkcs11Count => self.line(client, ">PKCS11ID-COUNT:0"),
            Command::Username { kind, text } => return self.enter(client, &kind, Entry::Username(text)),
            Command::Password { kind, text } => return self.enter(client, &kind, Entry::Password(text)),
            for_role => return Some(Task::Ask(client, for_role)),
        }
        None
    }

    fn perform_hold(&mut self, client: u32, hold: Hold) -> Option<Task> {
        match hold {
            Hold::Show => self.success(client, &format!("hold={}", u8::from(self.hold))),
            Hold::On => {
                self.hold = true;
                self.success(client, "hold flag set to ON");
            }
            Hold::Off => {
                self.hold = false;
                self.success(client, "hold flag set to OFF");
            }
            Hold::Release => {
                self.success(client, "hold release succeeded");
                return self.holding.take().map(|_| Task::Released);
            }
        }
        None
    }

    fn enter(&mut self, client: u32, kind: &str, entry: Entry) -> Option<Task> {
        let what = match entry {
            Entry::Username(_) => "username",
            Entry::Password(_) => "password",
        };
        let Some(question) = self.question.as_mut().filter(|_| kind == "Auth") else {
            let sentence = if self.question.is_some() {
                format!("{what} of type '{kind}' entered, but we need one of type 'Auth'")
            } else {
                format!("no {what} is currently needed at this time")
            };
            self.error(client, &sentence);
            return None;
        };
        match entry {
            Entry::Username(text) => question.username = Some(text),
            Entry::Password(text) => question.password = Some(text),
        }
        let complete = question.username.is_some() && question.password.is_some();
        self.success(client, &format!("'Auth' {what} entered, but not yet verified"));
        if !complete {
            return None;
        }
        let Question { username, password } = self.question.take()?;
        Some(Task::Entered(Credentials { username: username?, password: password? }))
    }

    fn show(&mut self, client: u32, shows: &[Show], kind: Kind) {
        let name = kind.name();
        for show in shows {
            match show {
                Show::On | Show::Off => {
                    let on = *show == Show::On;
                    self.success(
                        client,
                        &format!("real-time {name} notification set to {}", if on { "ON" } else { "OFF" }),
                    );
                    let next = on.then(|| self.next_line(kind));
                    if let Some(connection) = self.connections.get_mut(&client) {
                        *kind.of(connection) = next;
                    }
                }
                Show::All => self.tell_last(client, kind, usize::MAX),
                Show::Last(count) => self.tell_last(client, kind, *count),
                Show::Bad => self.error(
                    client,
                    &format!("{name} parameter must be 'on' or 'off' or some number n or 'all'"),
                ),
            }
        }
    }

    fn next_line(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Log => self.log.history().next(),
            Kind::State => self.states.next(),
            Kind::Echo => self.echoes.next(),
        }
    }

    fn tell_last(&mut self, client: u32, kind: Kind, count: usize) {
        let log = Rc::clone(&self.log);
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let log = log.history();
        let history = match kind {
            Kind::Log => &*log,
            Kind::State => &self.states,
            Kind::Echo => &self.echoes,
        };
        for line in history.last(count) {
            connection.send_line(line);
        }
        connection.send_line("END");
    }
}

/// Half of a login.
enum Entry {
    Username(String),
    Password(Zeroizing<String>),
}

/// Raises a signal for this process, so that it is acted on as one from outside.
pub(super) fn throw(signal: Signal) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    let number = match signal {
        Signal::Hup => SIGHUP,
        Signal::Int => SIGINT,
        Signal::Term => SIGTERM,
        Signal::Usr1 => SIGUSR1,
        Signal::Usr2 => SIGUSR2,
    };
    let _ = raise(number);
}
