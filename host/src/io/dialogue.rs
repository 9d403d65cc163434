//! What is said to a proxy before its link can carry packets.

use std::net::SocketAddr;

use adit::LinkId;

use super::{Io, Link, LinkChange};
use crate::poller::Ready;
use crate::proxy::Step;

impl Io {
    /// The connection is there: begins to speak, if there is a proxy to speak to.
    pub(super) fn begin_dialogue(&mut self, id: LinkId) -> bool {
        let Some(Link::Tcp(connection)) = self.links.get_mut(&id) else { return false };
        if !connection.is_in_dialogue() {
            return false;
        }
        connection.speak();
        self.dirty.push(id);
        self.flush();
        true
    }

    /// Listens to the proxy, and says what follows.
    pub(super) fn go_on_with_dialogue(&mut self, id: LinkId, ready: Ready) -> Option<LinkChange> {
        if ready.writable {
            self.dirty.push(id);
            self.flush();
        }
        let Some(Link::Tcp(connection)) = self.links.get_mut(&id).filter(|_| ready.readable) else {
            return None;
        };
        let (len, closed) = connection.read(&mut self.stream);
        let (remote, step) = (connection.remote(), connection.listen(&self.stream[..len]));
        let change = match step {
            Ok(Step::Wait) if closed => LinkChange::Refused("the proxy has closed the connection".into()),
            Ok(Step::Wait) => {
                self.dirty.push(id);
                self.flush();
                return None;
            }
            Ok(Step::Open) => LinkChange::Connected,
            Ok(Step::Relay(ip, port)) => {
                LinkChange::Relay(SocketAddr::new(ip.unwrap_or_else(|| remote.ip()), port))
            }
            Err(refusal) => LinkChange::Refused(refusal),
        };
        if matches!(change, LinkChange::Refused(_)) {
            self.close_link(id);
        }
        Some(change)
    }
}
