//! `auth-gen-token`: tokens that take the place of a password once somebody has logged in, so that reconnections and
//! renegotiations ask nobody.
//!
//! A token names its session and its user by a keyed hash; the server keeps no list of them. Format and rules are
//! OpenVPN's, so that its clients and several servers with the same secret go together.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::algorithm::Digest;
use crate::config::AuthGenToken;
use crate::crypto::{Hmac, ServerKey};
use crate::error::Error;
use crate::event::{TokenSession, TokenState};
use crate::host::Environment;
use crate::time::UnixTime;

const PREFIX: &str = "SESS_ID_AT_";
/// Session id, two times, and the tag over them: a multiple of three, so that base64 needs no padding.
const DATA_LEN: usize = SESSION_ID_LEN + 16 + 32;
const SESSION_ID_LEN: usize = 12;
/// Length of the session id in base64.
const SESSION_ID_CHARS: usize = SESSION_ID_LEN / 3 * 4;
const TOKEN_LEN: usize = PREFIX.len() + DATA_LEN / 3 * 4;

/// What makes and checks tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    key: Hmac,
    lifetime: Option<Duration>,
    /// How often a token is made anew; without, at renegotiations only, and it does not age.
    renewal: Option<Duration>,
    external_auth: bool,
}

/// The session of a login, over all its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoginSession {
    id: [u8; SESSION_ID_LEN],
    /// When it began.
    since: UnixTime,
    /// Its tokens are for no user's name.
    empty_user: bool,
}

/// What a password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is no token.
    NoToken,
    /// It is none of ours, or of another user.
    Invalid,
    /// It is ours.
    Valid { session: LoginSession, expired: bool },
}

impl Tokens {
    /// `reneg` is `reneg-sec`, at which tokens are renewed unless the configuration says how often.
    pub(super) fn new(
        config: &AuthGenToken,
        reneg: Option<Duration>,
        env: &mut Environment,
    ) -> Result<Self, Error> {
        let key = match &config.secret {
            Some(text) => ServerKey::parse(ServerKey::AUTH_TOKEN, text)?.hmac(),
            None => Hmac::new(Digest::Sha256, &Zeroizing::new(env.random::<32>())[..]),
        };
        let AuthGenToken { lifetime, renewal, external_auth, .. } = *config;
        Ok(Self { key, lifetime, renewal: renewal.or(reneg), external_auth })
    }

    /// Whether the host is asked about tokens, too.
    pub(super) fn external_auth(&self) -> bool {
        self.external_auth
    }

    /// How often a token is made anew.
    pub(super) fn renewal(&self) -> Option<Duration> {
        self.renewal
    }

    /// A login that begins.
    pub(super) fn begin(&self, env: &mut Environment, now: UnixTime) -> LoginSession {
        LoginSession { id: env.random(), since: now, empty_user: false }
    }

    /// The token of `user`, made at `now`.
    pub(super) fn issue(&self, user: &str, session: LoginSession, now: UnixTime) -> Zeroizing<String> {
        let user = if session.empty_user { "" } else { user };
        let mut data = Zeroizing::new([0; DATA_LEN]);
        let (body, tag) = data.split_at_mut(DATA_LEN - 32);
        body[..SESSION_ID_LEN].copy_from_slice(&session.id);
        body[SESSION_ID_LEN..SESSION_ID_LEN + 8].copy_from_slice(&session.since.0.to_be_bytes());
        body[SESSION_ID_LEN + 8..].copy_from_slice(&now.0.to_be_bytes());
        tag.copy_from_slice(self.key.sign(&[user.as_bytes(), body]).as_ref());
        Zeroizing::new(format!("{PREFIX}{}", &*Zeroizing::new(Base64::encode_string(&data[..]))))
    }

    /// Judges what `user` gave as its password. `before` is the session that this peer has already.
    pub(super) fn verify(
        &self,
        user: &str,
        password: &str,
        before: Option<LoginSession>,
        now: UnixTime,
    ) -> Verdict {
        // Nothing but the right length is a token (CVE-2026-13122).
        let Some(text) = password.strip_prefix(PREFIX).filter(|_| password.len() == TOKEN_LEN) else {
            return Verdict::NoToken;
        };
        self.parse(user, text, before, now).unwrap_or(Verdict::Invalid)
    }

    fn parse(&self, user: &str, text: &str, before: Option<LoginSession>, now: UnixTime) -> Option<Verdict> {
        let mut data = Zeroizing::new([0; DATA_LEN]);
        let decoded = Base64::decode(text, &mut data[..]).ok()?;
        let (body, tag) = decoded.split_at_checked(DATA_LEN - 32)?;
        let (id, times) = body.split_first_chunk::<SESSION_ID_LEN>()?;
        let (since, issued) = times.split_first_chunk::<8>()?;
        let since = u64::from_be_bytes(*since);
        let issued = u64::from_be_bytes(issued.try_into().ok()?);
        let empty_user = if self.key.verify(&[user.as_bytes(), body], tag) {
            false
        } else if self.key.verify(&[body], tag) {
            true
        } else {
            return None;
        };
        if before.is_some_and(|before| before.id != *id) {
            return None;
        }
        let in_time = self
            .renewal
            .is_none_or(|renewal| now.0 - issued.min(now.0) < renewal.as_secs().saturating_mul(2));
        let in_life = self.lifetime.is_none_or(|lifetime| now.0 <= since.saturating_add(lifetime.as_secs()));
        let expired = issued > now.0 || issued < since || !in_time || !in_life;
        let session = LoginSession { id: *id, since: UnixTime(since), empty_user };
        Some(Verdict::Valid { session, expired })
    }
}

impl Verdict {
    /// The session that goes on with it.
    pub(super) fn session(self) -> Option<LoginSession> {
        match self {
            Self::Valid { session, expired: false } => Some(session),
            Self::Valid { .. } | Self::Invalid | Self::NoToken => None,
        }
    }

    /// What the host is told of it, when `session` is the one that goes on or begins.
    pub(super) fn told(self, session: LoginSession) -> TokenSession {
        let state = match self {
            Self::NoToken => TokenState::Initial,
            Self::Invalid => TokenState::Invalid,
            Self::Valid { session, expired } => match (session.empty_user, expired) {
                (false, false) => TokenState::Authenticated,
                (false, true) => TokenState::Expired,
                (true, false) => TokenState::AuthenticatedEmptyUser,
                (true, true) => TokenState::ExpiredEmptyUser,
            },
        };
        let mut text = [0; SESSION_ID_CHARS];
        let session_id = Base64::encode(&session.id, &mut text).unwrap_or_default().to_string();
        TokenSession { state, session_id }
    }
}

impl LoginSession {
    pub(super) fn is_for_nobody(self) -> bool {
        self.empty_user
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use proptest::prelude::*;

    use super::*;
    use crate::config::NamedText;
    use crate::time::Instant;

    const SINCE: UnixTime = UnixTime(1_700_000_000);
    const ISSUED: UnixTime = UnixTime(1_700_000_600);
    const SESSION: LoginSession = LoginSession {
        id: [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab],
        since: SINCE,
        empty_user: false,
    };
    /// Made by a script of another language, with the key 40, 41, ... 5f.
    const OF_JOE: &str =
        "SESS_ID_AT_oKGio6SlpqeoqaqrAAAAAGVT8QAAAAAAZVPzWCm9r57CIXKzfXDdd3jTV+CVrVHZfpy36hURknUxQuXj";
    const OF_NOBODY: &str =
        "SESS_ID_AT_oKGio6SlpqeoqaqrAAAAAGVT8QAAAAAAZVPzWGe1IyWv0cOWR9alfR4vyR9ydjXe3TKXe8opR18hnK2E";

    fn env() -> Environment {
        Environment::new(Box::new(|out: &mut [u8]| out.fill(7)), Instant::ZERO, SINCE)
    }

    fn tokens(lifetime: Option<u64>, renewal: Option<u64>) -> Tokens {
        let bytes: [u8; 32] = core::array::from_fn(|n| 0x40 + n as u8);
        Tokens {
            key: Hmac::new(Digest::Sha256, &bytes),
            lifetime: lifetime.map(Duration::from_secs),
            renewal: renewal.map(Duration::from_secs),
            external_auth: false,
        }
    }

    fn verify(tokens: &Tokens, user: &str, token: &str, now: u64) -> Verdict {
        tokens.verify(user, token, None, UnixTime(now))
    }

    fn valid(expired: bool) -> Verdict {
        Verdict::Valid { session: SESSION, expired }
    }

    #[test]
    fn tokens_are_those_of_openvpn() {
        let tokens = tokens(None, None);
        assert_eq!(&*tokens.issue("joe", SESSION, ISSUED), OF_JOE);
        assert_eq!(verify(&tokens, "joe", OF_JOE, ISSUED.0), valid(false));
        let nobody = LoginSession { empty_user: true, ..SESSION };
        assert_eq!(&*tokens.issue("joe", nobody, ISSUED), OF_NOBODY);
        assert_eq!(
            verify(&tokens, "joe", OF_NOBODY, ISSUED.0),
            Verdict::Valid { session: nobody, expired: false }
        );
    }

    #[test]
    fn a_token_is_its_users_and_its_servers_alone() {
        let tokens = tokens(None, None);
        assert_eq!(verify(&tokens, "jim", OF_JOE, ISSUED.0), Verdict::Invalid);
        let other = Tokens { key: Hmac::new(Digest::Sha256, &[1; 32]), ..self::tokens(None, None) };
        assert_eq!(verify(&other, "joe", OF_JOE, ISSUED.0), Verdict::Invalid);
        // Within a session, nobody changes to another login's.
        let same = tokens.verify("joe", OF_JOE, Some(SESSION), ISSUED);
        assert_eq!(same, valid(false));
        let another = LoginSession { id: [9; SESSION_ID_LEN], ..SESSION };
        assert_eq!(tokens.verify("joe", OF_JOE, Some(another), ISSUED), Verdict::Invalid);
    }

    #[test]
    fn tokens_age_by_renewal_and_logins_by_lifetime() {
        let by_renewal = tokens(None, Some(300));
        assert_eq!(verify(&by_renewal, "joe", OF_JOE, ISSUED.0 + 599), valid(false));
        assert_eq!(verify(&by_renewal, "joe", OF_JOE, ISSUED.0 + 600), valid(true));
        assert_eq!(verify(&by_renewal, "joe", OF_JOE, ISSUED.0 - 1), valid(true), "made in the future");
        let by_lifetime = tokens(Some(1000), None);
        assert_eq!(verify(&by_lifetime, "joe", OF_JOE, SINCE.0 + 1000), valid(false));
        assert_eq!(verify(&by_lifetime, "joe", OF_JOE, SINCE.0 + 1001), valid(true));
        let odd = by_lifetime.issue("joe", LoginSession { since: UnixTime(ISSUED.0 + 1), ..SESSION }, ISSUED);
        let verdict = verify(&by_lifetime, "joe", &odd, ISSUED.0);
        assert!(matches!(verdict, Verdict::Valid { expired: true, .. }), "made before its login");
        assert_eq!(verify(&tokens(Some(u64::MAX), Some(u64::MAX)), "joe", OF_JOE, u64::MAX), valid(false));
    }

    /// CVE-2026-13122: a prefix with less behind it than a token.
    #[test]
    fn what_is_not_as_long_as_a_token_is_a_password() {
        let tokens = tokens(None, None);
        for len in 0..OF_JOE.len() {
            assert_eq!(verify(&tokens, "joe", &OF_JOE[..len], ISSUED.0), Verdict::NoToken);
        }
        assert_eq!(verify(&tokens, "joe", &format!("{OF_JOE}A"), ISSUED.0), Verdict::NoToken);
        for wrong in ["=", " ", "-", "\u{e9}"] {
            let mut text = OF_JOE.to_string();
            text.truncate(TOKEN_LEN - wrong.len());
            text.push_str(wrong);
            assert_eq!(verify(&tokens, "joe", &text, ISSUED.0), Verdict::Invalid, "{wrong}");
        }
    }

    #[test]
    fn the_host_is_told_in_openvpns_words() {
        let told = |verdict: Verdict| {
            let TokenSession { state, session_id } = verdict.told(SESSION);
            assert_eq!(session_id, "oKGio6SlpqeoqaqrAAAA"[..16]);
            state.name()
        };
        let nobody = LoginSession { empty_user: true, ..SESSION };
        assert_eq!(told(Verdict::NoToken), "Initial");
        assert_eq!(told(Verdict::Invalid), "Invalid");
        assert_eq!(told(valid(false)), "Authenticated");
        assert_eq!(told(valid(true)), "Expired");
        assert_eq!(told(Verdict::Valid { session: nobody, expired: false }), "AuthenticatedEmptyUser");
        assert_eq!(told(Verdict::Valid { session: nobody, expired: true }), "ExpiredEmptyUser");
    }

    #[test]
    fn the_secret_comes_from_its_file_or_from_nowhere() {
        let mut config = AuthGenToken::default();
        let key = ServerKey::generate(|out| out.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n));
        config.secret = Some(NamedText::file("token.key", key.emit(ServerKey::AUTH_TOKEN).as_bytes()));
        let tokens = Tokens::new(&config, None, &mut env()).expect("a key");
        assert_eq!(&*tokens.issue("joe", SESSION, ISSUED), OF_JOE);
        config.secret = Some(NamedText::file("token.key", *b"nothing"));
        assert!(Tokens::new(&config, None, &mut env()).is_err());
        config.secret = None;
        let tokens =
            Tokens::new(&config, Some(Duration::from_secs(60)), &mut env()).expect("a key of its own");
        assert_ne!(&*tokens.issue("joe", SESSION, ISSUED), OF_JOE);
        assert_eq!(tokens.renewal(), Some(Duration::from_secs(60)));
    }

    proptest! {
        #[test]
        fn any_password_is_survived(tail in ".{0,90}", exact in "[ -~]{80}") {
            let tokens = tokens(None, Some(60));
            let _ = verify(&tokens, "joe", &format!("{PREFIX}{tail}"), ISSUED.0);
            prop_assert_eq!(verify(&tokens, "joe", &format!("{PREFIX}{exact}"), ISSUED.0), Verdict::Invalid);
        }
    }
}
