//! The end of a tunnel, step by step: `route-pre-down`, the routes, `down`, the device. The scripts run beside the loop;
//! only what would begin meanwhile, another attempt or another tunnel, waits for them.

use adit::Instant;
use adit::client::Client;

use super::ClientRole;
use crate::device::Tunnel;
use crate::run::{Node, Role};
use crate::scripts::Hook;
use crate::signals::Signals;

/// A tunnel that goes.
pub(super) struct Closing {
    /// Until the device is closed.
    pub(super) tunnel: Option<Tunnel>,
    /// Whose end is waited for.
    script: Hook,
}

impl ClientRole {
    /// Takes the tunnel down; [`is_closing`](Self::is_closing) until all is done.
    pub(super) fn down(&mut self, node: &mut Node<Client>, now: Instant) {
        self.settings = None;
        self.stage = None;
        self.names = None;
        self.watch = None;
        let Some(tunnel) = self.tunnel.take() else { return };
        self.closing = Some(Closing { tunnel: Some(tunnel), script: Hook::RoutePreDown });
        if !self.start_hook(node, now, Hook::RoutePreDown) {
            self.go_on_closing(node, now, Hook::RoutePreDown);
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The script of that moment has ended, or there is none.
    pub(super) fn go_on_closing(&mut self, node: &mut Node<Client>, now: Instant, ended: Hook) {
        let Some(closing) = self.closing.as_mut().filter(|closing| closing.script == ended) else { return };
        if ended == Hook::RoutePreDown {
            closing.script = Hook::Down;
            if let Some(tunnel) = &mut closing.tunnel {
                tunnel.remove_routes(&self.log);
            }
            if !self.host.scripts.down_pre {
                self.close_device(node);
            }
            if self.start_hook(node, now, Hook::Down) {
                return;
            }
        }
        self.close_device(node);
        self.hooks.forget_device();
        self.closing = None;
        if std::mem::take(&mut self.up_waits) && self.connected {
            self.up(node, now);
        }
        if !node.management.is_holding()
            && let Some(event) = self.held.take()
        {
            self.handle_event(node, now, event);
        }
    }

    /// Waits until it is done, for a process that has nothing else to do any more. Who asks for its end once more does
    /// not want to wait for scripts.
    pub(super) fn finish_closing(&mut self, node: &mut Node<Client>, signals: &Signals) {
        (self.held, self.up_waits) = (None, false);
        while self.is_closing() {
            let now = node.clock.now();
            match self.hooks.wait(&node.clock, signals) {
                Some(ended) => {
                    for hook in ended {
                        self.go_on_closing(node, now, hook);
                    }
                }
                None => {
                    if let Some(tunnel) = self.closing.as_mut().and_then(|closing| closing.tunnel.as_mut()) {
                        tunnel.remove_routes(&self.log);
                    }
                    self.close_device(node);
                    self.closing = None;
                }
            }
        }
    }

    fn start_hook(&mut self, node: &Node<Client>, now: Instant, hook: Hook) -> bool {
        self.hooks.start(now, &node.io.poller, hook, "init", self.signal.as_deref())
    }

    fn close_device(&mut self, node: &mut Node<Client>) {
        if let Some(tunnel) = self.closing.as_mut().and_then(|closing| closing.tunnel.take()) {
            self.guard = tunnel.close(&mut node.io, &self.log);
        }
    }
}
