//! For tests: a server that says what no server should.

use super::Server;
use crate::peer::PeerId;

impl Server {
    /// Says anything to a client, also to one that is not connected yet.
    pub(crate) fn say(&mut self, peer: PeerId, text: &str) {
        self.say_bytes(peer, text.as_bytes());
    }

    /// The same, in bytes that need not be text.
    pub(crate) fn say_bytes(&mut self, peer: PeerId, bytes: &[u8]) {
        if let Some(found) = self.peers.by_id(peer) {
            found.session.send_bytes(bytes);
            self.peers.touch(peer.index());
        }
    }
}
