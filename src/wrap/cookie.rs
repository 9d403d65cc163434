//! The cookie: a server's session id that the server can recognise without having kept it.
//!
//! A server answers a first packet with a session id made from the time, the sender's address and the sender's
//! session id by a key of its own. Who sends it back has received it, and so owns the address; only then is there a
//! session. Clients take it for any session id.

use core::fmt;
use core::time::Duration;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use crate::algorithm::Digest;
use crate::crypto::Hmac;
use crate::path::Address;
use crate::time::Instant;
use crate::wire::SessionId;

/// The slots of time in which a cookie is good: the present one and two before it.
const SLOTS: u64 = 3;

/// Makes and verifies cookies with one key.
pub struct Cookie(Hmac);

impl Cookie {
    /// With a random key.
    pub fn new(mut key: [u8; 32]) -> Self {
        let cookie = Self(Hmac::new(Digest::Sha256, &key));
        key.zeroize();
        cookie
    }

    /// The session id to answer `remote` and its session id `client` with.
    pub fn session_id(
        &self,
        now: Instant,
        hand_window: Duration,
        remote: &Address,
        client: SessionId,
    ) -> SessionId {
        self.for_slot(slot(now, hand_window), remote, client)
    }

    /// Whether `cookie` is a session id that this `remote` was answered with, at most `hand_window` and a half ago.
    #[must_use]
    pub fn verify(
        &self,
        now: Instant,
        hand_window: Duration,
        remote: &Address,
        client: SessionId,
        cookie: SessionId,
    ) -> bool {
        let slot = slot(now, hand_window);
        let mut equal = Choice::from(0);
        for slot in slot.saturating_sub(SLOTS - 1)..=slot {
            equal |= self.for_slot(slot, remote, client).as_bytes().ct_eq(cookie.as_bytes());
        }
        equal.into()
    }

    fn for_slot(&self, slot: u64, remote: &Address, client: SessionId) -> SessionId {
        let tag = self.0.sign(&[&slot.to_be_bytes(), &remote.to_bytes(), client.as_bytes()]);
        let mut id = [0; SessionId::LEN];
        id.copy_from_slice(&tag.as_ref()[..SessionId::LEN]);
        if id == [0; SessionId::LEN] {
            id = [0xff; SessionId::LEN]; // all zero is no session id
        }
        SessionId::from_bytes(id)
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// Half a hand-window, in whole seconds, is one slot.
fn slot(now: Instant, hand_window: Duration) -> u64 {
    now.as_secs() / hand_window.as_secs().div_ceil(2).max(1)
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    const HAND_WINDOW: Duration = Duration::from_secs(60);
    const CLIENT: SessionId = SessionId::from_bytes([0xa0; 8]);

    fn remote(text: &str) -> Address {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn a_cookie_is_good_in_its_slot_and_the_two_after_it() {
        let cookie = Cookie::new([1; 32]);
        let remote = remote("192.0.2.1:1194");
        let given = cookie.session_id(Instant::from_secs(3000), HAND_WINDOW, &remote, CLIENT);
        let good = |secs| cookie.verify(Instant::from_secs(secs), HAND_WINDOW, &remote, CLIENT, given);
        for secs in [3000, 3029, 3030, 3059, 3060, 3089] {
            assert!(good(secs), "at {secs}");
        }
        assert!(!good(3090), "too old");
        assert!(!good(2999), "a slot in the future");
        assert!(!good(2970) && !good(0));
    }

    #[test]
    fn a_cookie_is_for_one_address_and_one_session() {
        let cookie = Cookie::new([1; 32]);
        let now = Instant::from_secs(3000);
        let home = remote("192.0.2.1:1194");
        let given = cookie.session_id(now, HAND_WINDOW, &home, CLIENT);
        let good = |remote: &Address, client| cookie.verify(now, HAND_WINDOW, remote, client, given);
        assert!(good(&home, CLIENT));
        assert!(!good(&remote("192.0.2.2:1194"), CLIENT));
        assert!(!good(&remote("192.0.2.1:1195"), CLIENT));
        assert!(!good(&remote("[::ffff:0:192.0.2.1]:1194"), CLIENT));
        assert!(!good(&home, SessionId::from_bytes([0xa1; 8])));
        assert!(!Cookie::new([2; 32]).verify(now, HAND_WINDOW, &home, CLIENT, given));
    }

    /// CVE-2025-13086: there every cookie but the right one was accepted.
    #[test]
    fn every_wrong_cookie_is_refused() {
        let cookie = Cookie::new([1; 32]);
        let remote = remote("[2001:db8::1]:1194");
        let now = Instant::from_secs(3000);
        let given = cookie.session_id(now, HAND_WINDOW, &remote, CLIENT);
        assert!(cookie.verify(now, HAND_WINDOW, &remote, CLIENT, given));
        for bit in 0..64 {
            let wrong = u64::from_be_bytes(*given.as_bytes()) ^ (1 << bit);
            let wrong = SessionId::from_bytes(wrong.to_be_bytes());
            assert!(!cookie.verify(now, HAND_WINDOW, &remote, CLIENT, wrong), "bit {bit}");
        }
        assert!(!cookie.verify(now, HAND_WINDOW, &remote, CLIENT, SessionId::default()));
    }

    #[test]
    fn the_first_slots_and_the_shortest_windows_are_no_trouble() {
        let cookie = Cookie::new([1; 32]);
        let remote = remote("192.0.2.1:1194");
        for hand_window in [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(1), Duration::MAX]
        {
            let given = cookie.session_id(Instant::ZERO, hand_window, &remote, CLIENT);
            assert!(given.is_defined());
            assert!(cookie.verify(Instant::ZERO, hand_window, &remote, CLIENT, given));
        }
    }

    proptest! {
        #[test]
        fn a_guess_fails(guess in any::<u64>(), secs in any::<u32>()) {
            let cookie = Cookie::new([1; 32]);
            let remote = remote("192.0.2.1:1194");
            let guess = SessionId::from_bytes(guess.to_be_bytes());
            prop_assert!(!cookie.verify(Instant::from_secs(secs.into()), HAND_WINDOW, &remote, CLIENT, guess));
        }
    }
}
