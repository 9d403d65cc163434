//! The management interface: programs that watch this process and steer it, over TCP or a unix socket.
//!
//! [`Management`] belongs to the process and outlives SIGHUP and SIGUSR1; the loop has it while a role runs. It owns
//! the sockets, the clients, the states so far, the hold flag and the question for a login. What only a role knows is
//! asked of it as a [`Task`]: [`serve`]. Knows no engine.
//!
//! Unlike OpenVPN's, it serves several clients at once. Everything that they can make grow has a limit.

mod clients;
mod command;
mod connection;
mod conversation;
mod listener;
mod obey;
mod serve;
mod state;
mod text;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use adit::config::{Credentials, ManagementConfig};
use adit::{Instant, LinkId};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::errors::cause;
use crate::history::History;
use crate::log::{Level, Log, harmless};
use crate::poller::{Poller, Ready, Source};

pub(crate) use command::router::question;
pub(crate) use command::{Command, Entries, Victim};
use connection::Connection;
use conversation::Heard;
use listener::{Listener, call};
pub(crate) use serve::{handle_timeout, hold, serve};
pub(crate) use state::{State, StateName};
pub(crate) use text::version;

/// How many clients there may be.
const MAX_CLIENTS: usize = 16;
/// How many states are kept: OpenVPN's figure.
const STATES: usize = 100;
/// How many `echo` texts are kept: OpenVPN's figure.
const ECHOES: usize = 100;
/// The listener among the poller's sources; clients count from 1.
const LISTENER: u32 = 0;

/// The interface of the process. Without `management` it has no clients, and all that it is told is only kept.
pub(crate) struct Management {
    log: Rc<Log>,
    clock: Clock,
    poller: Option<Poller>,
    listener: Option<Listener>,
    /// When to accept clients again.
    accept_again: Option<Instant>,
    rules: Rules,
    connections: BTreeMap<u32, Connection>,
    next_client: u32,
    /// What clients have said and nobody has acted on yet.
    heard: VecDeque<(u32, Heard)>,
    states: History,
    stage: Option<StateName>,
    echoes: History,
    /// The hold flag.
    hold: bool,
    /// Something waits for a `hold release`; how many seconds it would wait otherwise.
    holding: Option<u64>,
    question: Option<Question>,
}

/// What the configuration says of clients.
#[derive(Clone, Debug, Default)]
struct Rules {
    password: Option<Zeroizing<String>>,
    /// `management-client`: the process ends with its one connection.
    is_client: bool,
    /// `management-signal`
    signal: bool,
    /// `management-forget-disconnect`
    forget: bool,
}

/// A login that is asked for.
#[derive(Clone, Debug, Default)]
struct Question {
    username: Option<String>,
    password: Option<Zeroizing<String>>,
}

/// What is left to the role.
pub(crate) enum Task {
    /// To be answered by [`Management::reply`].
    Ask(u32, Command),
    /// What waited for it may go on.
    Released,
    /// The login is there.
    Entered(Credentials),
    /// `forget-passwords`
    Forget,
}

/// A role's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Success(String),
    Error(String),
    /// Lines, the last of them `END`.
    Lines(String),
    /// This role, or this moment, has no such command.
    Unsupported,
}

/// What `bytecount` tells.
pub(crate) enum ByteCounts {
    /// A client's: bytes in and out.
    Own(u64, u64),
    /// A server's: client id, bytes in and out.
    Clients(Vec<(u64, u64, u64)>),
}

impl Management {
    /// The interface that `config` asks for, if it asks for one.
    pub(crate) fn open(
        config: Option<&ManagementConfig>,
        log: &Rc<Log>,
        clock: Clock,
    ) -> Result<Self, String> {
        let mut management = Self::none(log, clock);
        if let Some(config) = config {
            management.start(config)?;
        }
        management.state(State::of(StateName::Connecting));
        Ok(management)
    }

    /// Without clients.
    pub(crate) fn none(log: &Rc<Log>, clock: Clock) -> Self {
        Self {
            log: Rc::clone(log),
            clock,
            poller: None,
            listener: None,
            accept_again: None,
            rules: Rules::default(),
            connections: BTreeMap::new(),
            next_client: LISTENER + 1,
            heard: VecDeque::new(),
            states: History::new(STATES),
            stage: None,
            echoes: History::new(ECHOES),
            hold: false,
            holding: None,
            question: None,
        }
    }

    /// The interface, with one without clients left in its place.
    pub(crate) fn take(&mut self) -> Self {
        let none = Self::none(&self.log, self.clock);
        std::mem::replace(self, none)
    }

    fn start(&mut self, config: &ManagementConfig) -> Result<(), String> {
        let password = config.password_file.as_deref().map(read_password).transpose()?;
        self.log.keep(config.log_cache as usize);
        self.hold = config.hold;
        self.rules = Rules {
            password,
            is_client: config.client,
            signal: config.signal,
            forget: config.forget_disconnect,
        };
        let poller = Poller::new().map_err(|error| format!("management: {}", cause(&error)))?;
        if config.client {
            let (socket, name) = call(config)?;
            self.poller = Some(poller);
            self.log.line(
                Level::MANAGEMENT,
                format_args!("MANAGEMENT: Connected to management server at {name}"),
            );
            self.welcome(socket, name);
            return Ok(());
        }
        let (listener, place) = Listener::bind(config)?;
        poller
            .add(&listener, Source::Link(LinkId(LISTENER)), false)
            .map_err(|error| format!("management: {}", cause(&error)))?;
        if listener.is_exposed() && self.rules.password.is_none() {
            self.log.warning(
                "anybody on the network may steer this process: 'management' listens at an address that is not \
                 this machine's alone, and names no password file",
            );
        }
        self.log.line(Level::MANAGEMENT, format_args!("MANAGEMENT: {place}"));
        self.listener = Some(listener);
        self.poller = Some(poller);
        Ok(())
    }

    // ---- what the process tells ----

    /// The last state that was told.
    pub(crate) fn stage(&self) -> Option<StateName> {
        self.stage
    }

    /// The tunnel goes on to another state.
    pub(crate) fn state(&mut self, state: State) {
        self.stage = Some(state.stage);
        self.states.push(state::line(self.clock.unix(), &state));
        self.tell_all();
    }

    /// The server has pushed `echo`. What it holds is shown to people.
    pub(crate) fn echo(&mut self, text: &str) {
        let text = harmless(text);
        self.echoes.push(format!("{},{text}", self.clock.unix().0));
        self.tell_all();
    }

    /// The process ends by an error.
    pub(crate) fn fatal(&mut self, why: &str) {
        let line = format!(">FATAL:{}", harmless(why));
        self.notify(&line);
    }

    /// The server has refused the login.
    pub(crate) fn login_failed(&mut self, reason: &str) {
        let reason = harmless(reason);
        let reason = if reason.is_empty() { String::new() } else { format!(" ['{reason}']") };
        self.notify(&format!(">PASSWORD:Verification Failed: 'Auth'{reason}"));
    }

    /// Asks for a login: a [`Task::Entered`] answers.
    pub(crate) fn ask_login(&mut self) {
        self.question = Some(Question::default());
        self.notify(NEED_LOGIN);
    }

    /// Nobody waits for the login any more.
    pub(crate) fn drop_question(&mut self) {
        self.question = None;
    }

    /// Whether a start must wait for a [`Task::Released`], as the hold flag says; without it the start would wait
    /// `pause`.
    pub(crate) fn must_hold(&mut self, pause: Duration) -> bool {
        self.holding = (self.hold && self.poller.is_some()).then_some(pause.as_secs());
        if self.holding.is_some() {
            self.log.line(Level::MANAGEMENT, "Need hold release from management interface, waiting...");
            self.notify(&holding(pause.as_secs()));
        }
        self.is_holding()
    }

    /// Whether something waits.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding.is_some()
    }

    // ---- the loop ----

    /// Takes in what is there, without waiting.
    pub(crate) fn receive(&mut self, now: Instant) {
        let mut ready = Vec::new();
        let Some(poller) = &mut self.poller else { return };
        if let Err(error) = poller.wait(Some(Duration::ZERO), &mut ready) {
            self.log.warning(format_args!("management: {}", cause(&error)));
            return;
        }
        for Ready { source, readable, .. } in ready {
            match source {
                Source::Link(LinkId(LISTENER)) => self.accept(now),
                Source::Link(LinkId(client)) if readable => self.read(client),
                _ => {}
            }
        }
    }

    /// Sends what waits, and lets those go that are done or too slow.
    pub(crate) fn flush(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        self.tell_all();
        let clients: Vec<u32> = self.connections.keys().copied().collect();
        for client in clients {
            let Some(connection) = self.connections.get_mut(&client) else { continue };
            connection.flush();
            if connection.is_done() {
                self.close(client);
            } else if self.keeps_up(client) {
                self.watch(client);
            }
        }
    }

    /// Lets a client go that leaves too much unread; whether it may stay.
    fn keeps_up(&mut self, client: u32) -> bool {
        let Some(connection) = self.connections.get_mut(&client) else { return false };
        if connection.is_too_slow() {
            connection.flush();
        }
        if !connection.is_too_slow() {
            return true;
        }
        self.log.warning(format_args!(
            "MANAGEMENT: {} does not read what it asked for; its connection is closed",
            connection.name
        ));
        self.close(client);
        false
    }

    /// When something is due next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let counts = self.connections.values().filter_map(|connection| connection.byte_count.next());
        counts.chain(self.accept_again).min()
    }

    /// Whether somebody is to be told the byte counts.
    pub(crate) fn wants_byte_counts(&self, now: Instant) -> bool {
        self.connections
            .values()
            .any(|connection| connection.byte_count.next().is_some_and(|next| next <= now))
    }

    /// Tells them to those who are due.
    pub(crate) fn tell_byte_counts(&mut self, now: Instant, counts: &ByteCounts) {
        for connection in self.connections.values_mut() {
            if !connection.byte_count.take(now) || connection.is_too_slow() {
                continue;
            }
            match counts {
                ByteCounts::Own(bytes_in, bytes_out) => {
                    connection.send_line(&format!(">BYTECOUNT:{bytes_in},{bytes_out}"));
                }
                ByteCounts::Clients(clients) => {
                    for (cid, bytes_in, bytes_out) in clients {
                        connection.send_line(&format!(">BYTECOUNT_CLI:{cid},{bytes_in},{bytes_out}"));
                    }
                }
            }
        }
    }

    /// Does what is due by now.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_again = None;
            self.watch_listener(true);
        }
    }

    /// The next thing that clients want and only a role can do. All that comes before it is done.
    pub(crate) fn next_task(&mut self) -> Option<Task> {
        while let Some((client, heard)) = self.heard.pop_front() {
            let open = self.connections.get(&client).is_some_and(|connection| !connection.leaving);
            // Before each command: one read can hold hundreds, each with a long answer.
            if !open || !self.keeps_up(client) {
                continue;
            }
            let Some(task) = self.hear(client, heard) else { continue };
            return Some(task);
        }
        None
    }

    /// A role's answer to [`Task::Ask`].
    pub(crate) fn reply(&mut self, client: u32, command: &Command, answer: Answer) {
        match answer {
            Answer::Success(text) => self.success(client, &text),
            Answer::Error(text) => self.error(client, &text),
            Answer::Lines(text) => self.lines(client, text.lines()),
            Answer::Unsupported => {
                let name = command.name();
                self.error(
                    client,
                    &format!("The '{name}' command is not supported by the current daemon mode"),
                );
            }
        }
    }

    // ---- what clients are told ----

    /// New lines, to those who follow them.
    fn tell_all(&mut self) {
        let log = Rc::clone(&self.log);
        let log = log.history();
        for connection in self.connections.values_mut() {
            for (kind, history) in
                [(Kind::Log, &*log), (Kind::State, &self.states), (Kind::Echo, &self.echoes)]
            {
                let Some(seen) = kind.of(connection).replace(history.next()) else {
                    *kind.of(connection) = None;
                    continue;
                };
                for line in history.since(seen) {
                    if connection.is_too_slow() {
                        break;
                    }
                    connection.send_line(&format!("{}{line}", kind.prefix()));
                }
            }
        }
    }

    /// A notice for all.
    fn notify(&mut self, line: &str) {
        self.tell_all();
        for connection in self.connections.values_mut() {
            if !connection.conversation.is_locked() && !connection.is_too_slow() {
                connection.send_line(line);
            }
        }
    }

    /// One line to one client, behind what it is to know first.
    fn line(&mut self, client: u32, line: &str) {
        self.lines(client, [line].into_iter());
    }

    fn lines<'a>(&mut self, client: u32, lines: impl Iterator<Item = &'a str>) {
        self.tell_all();
        if let Some(connection) = self.connections.get_mut(&client) {
            for line in lines {
                connection.send_line(line);
            }
        }
    }

    fn success(&mut self, client: u32, text: &str) {
        self.line(client, &format!("SUCCESS: {text}"));
    }

    fn error(&mut self, client: u32, text: &str) {
        self.line(client, &format!("ERROR: {text}"));
    }
}

impl Management {
    /// What becomes readable when clients want something.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.poller.as_ref().map(AsFd::as_fd)
    }
}

const NEED_LOGIN: &str = ">PASSWORD:Need 'Auth' username/password";

fn holding(seconds: u64) -> String {
    format!(">HOLD:Waiting for hold release:{seconds}")
}

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Log,
    State,
    Echo,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::State => "state",
            Self::Echo => "echo",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Log => ">LOG:",
            Self::State => ">STATE:",
            Self::Echo => ">ECHO:",
        }
    }

    fn of(self, connection: &mut Connection) -> &mut Option<u64> {
        match self {
            Self::Log => &mut connection.following.log,
            Self::State => &mut connection.following.state,
            Self::Echo => &mut connection.following.echo,
        }
    }
}

/// The first line of the file.
fn read_password(path: &str) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(Path::new(path)).map(Zeroizing::new);
    let text =
        text.map_err(|error: io::Error| format!("management: cannot read {path}: {}", cause(&error)))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(format!("management: the first line of {path} must be the password"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
