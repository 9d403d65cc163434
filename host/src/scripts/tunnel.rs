//! [`TunnelHooks`]: what scripts are told about the device, its addresses and routes: `up`, `route-up`,
//! `route-pre-down`, `down`.

use std::rc::Rc;

use adit::config::{Command, HostConfig, RouteSettings};

use super::env::Env;
use super::facts::{DeviceFacts, RoutingFacts};
use super::runner::Script;
use super::{PATIENCE, Queue, Scripts};
use crate::clock::Clock;
use crate::log::Log;

/// A moment in the life of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// It is open and has its addresses.
    Up,
    /// The routes are there.
    RouteUp,
    /// The routes are about to go.
    RoutePreDown,
    /// It is closed, or about to be.
    Down,
}

/// The hooks, and the device as they know it.
pub(crate) struct TunnelHooks {
    scripts: Scripts<Hook>,
    device: Option<DeviceFacts>,
    log: Rc<Log>,
}

impl TunnelHooks {
    /// `base` is what all scripts are told.
    pub(crate) fn new(host: &HostConfig, base: Env, log: Rc<Log>) -> Self {
        Self { scripts: Scripts::new(host, base, Rc::clone(&log)), device: None, log }
    }

    /// There is a device now, and routes are to come.
    pub(crate) fn set_device(&mut self, device: DeviceFacts, routing: &RoutingFacts) {
        device.set(&mut self.scripts.base);
        routing.set(&mut self.scripts.base);
        self.device = Some(device);
    }

    /// The routes are there.
    pub(crate) fn routes_added(&mut self, routes: &RouteSettings) {
        let redirect = routes.redirect_gateway;
        if !routes.ipv4.is_empty() || !routes.ipv6.is_empty() || redirect.is_some() {
            let redirected = redirect.is_some_and(|redirect| !redirect.private && !redirect.not_ipv4);
            self.scripts.base.set("redirect_gateway", u8::from(redirected));
        }
    }

    /// What scripts are told by now.
    pub(crate) fn env(&self) -> &Env {
        &self.scripts.base
    }

    /// Runs the script of that moment, if there is one, and waits for its end; whether all is well. For those who have
    /// nothing else to do meanwhile.
    pub(crate) fn run(&mut self, clock: &Clock, hook: Hook, context: &str, signal: Option<&str>) -> bool {
        let Some(script) = self.script(hook, context, signal) else { return true };
        self.scripts.runner.enqueue(Queue::Host, script);
        let until = clock.now() + 2 * PATIENCE;
        let ends = self.scripts.runner.finish(|| clock.now(), until);
        ends.last().is_none_or(|(_, end)| end.is_success())
    }

    fn script(&mut self, hook: Hook, context: &str, signal: Option<&str>) -> Option<Script<Hook>> {
        let env = &mut self.scripts.base;
        if let Some(signal) = signal {
            env.set("signal", signal);
        }
        env.set("script_context", context);
        let command = self.command(hook)?;
        let mut words = command.words.clone();
        let mut env = self.scripts.base.clone();
        env.set("script_type", hook.script_type());
        if hook != Hook::RouteUp {
            words.extend(self.device.as_ref()?.arguments(context));
            self.log.info(words.join(" "));
        }
        Some(Script { hook: hook.name(), words, env, timeout: PATIENCE, answers: false, then: hook })
    }

    fn command(&self, hook: Hook) -> Option<&Command> {
        let config = &self.scripts.config;
        match hook {
            Hook::Up => config.up.as_ref(),
            Hook::RouteUp => config.route_up.as_ref(),
            Hook::RoutePreDown => config.route_pre_down.as_ref(),
            Hook::Down => config.down.as_ref(),
        }
    }
}

impl Hook {
    /// `script_type`
    fn script_type(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::RouteUp => "route-up",
            Self::RoutePreDown => "route-pre-down",
            Self::Down => "down",
        }
    }

    /// As the log names it.
    fn name(self) -> &'static str {
        match self {
            Self::Up | Self::RoutePreDown | Self::Down => "--up/--down",
            Self::RouteUp => "--route-up",
        }
    }
}
