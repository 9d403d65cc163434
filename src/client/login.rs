//! Who the client says it is: what the configuration or the user gave, and the token that the server gave in its place.

use alloc::string::String;

use base64ct::{Base64, Encoding};

use crate::config::{AuthUserPass, Credentials, TunnelSettings};

/// Name and password of the next attempt, as far as they are known.
#[derive(Debug)]
pub(super) struct LoginState {
    /// The host is asked for what is not known.
    asks: bool,
    /// `auth-nocache`: what was asked for is used once.
    nocache: bool,
    credentials: Option<Credentials>,
    /// `auth-token`
    token: Option<Credentials>,
}

impl LoginState {
    pub(super) fn new(source: &AuthUserPass, nocache: bool) -> Self {
        let (asks, credentials) = match source {
            AuthUserPass::Off => (false, None),
            AuthUserPass::Ask => (true, None),
            AuthUserPass::Given(credentials) => (false, Some(credentials.clone())),
        };
        Self { asks, nocache, credentials, token: None }
    }

    /// Whether the host must be asked before the next attempt.
    pub(super) fn must_ask(&self) -> bool {
        self.asks && self.credentials.is_none() && self.token.is_none()
    }

    /// Whether the host can be asked for what is presented, and whether that serves one key exchange alone.
    pub(super) fn is_asked_for(&self) -> (bool, bool) {
        (self.asks, self.asks && self.nocache && self.token.is_none())
    }

    /// Whether a token stands for the login.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The host's answer.
    pub(super) fn provide(&mut self, credentials: Credentials) {
        self.credentials = Some(credentials);
    }

    /// What an attempt logs in by.
    pub(super) fn present(&self) -> Option<&Credentials> {
        self.token.as_ref().or(self.credentials.as_ref())
    }

    /// The server has read them.
    pub(super) fn was_sent(&mut self) {
        if self.nocache {
            self.forget();
        }
    }

    /// What was asked for is asked for again.
    pub(super) fn forget(&mut self) {
        if self.asks {
            self.credentials = None;
        }
    }

    /// Drops the token; whether there was one.
    pub(super) fn drop_token(&mut self) -> bool {
        self.token.take().is_some()
    }

    /// Takes a token that the server pushed. It goes with the name that was pushed, or else with `username`, by which
    /// the session logged in; without any name it is of no use.
    pub(super) fn pushed(
        &mut self,
        settings: &TunnelSettings,
        username: Option<String>,
    ) -> Option<Credentials> {
        let password = settings.auth_token.clone()?;
        let pushed = settings.auth_token_user.as_deref().and_then(decoded);
        let token = Credentials { username: pushed.or(username)?, password };
        self.token = Some(token.clone());
        Some(token)
    }
}

fn decoded(base64: &str) -> Option<String> {
    let bytes = Base64::decode_vec(base64).ok()?;
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty() && !name.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn joe(password: &str) -> Credentials {
        Credentials { username: "joe".into(), password: Zeroizing::new(password.into()) }
    }

    fn push(token: &str, user: Option<&str>) -> TunnelSettings {
        TunnelSettings {
            auth_token: Some(Zeroizing::new(token.into())),
            auth_token_user: user.map(Into::into),
            ..TunnelSettings::default()
        }
    }

    #[test]
    fn a_token_stands_for_the_login_until_it_is_refused() {
        let mut login = LoginState::new(&AuthUserPass::Ask, false);
        assert!(login.must_ask());
        login.provide(joe("secret"));
        assert_eq!(login.present(), Some(&joe("secret")));
        assert_eq!(login.pushed(&push("T", None), Some("joe".into())), Some(joe("T")));
        assert_eq!(login.present(), Some(&joe("T")));
        assert!(login.drop_token() && !login.drop_token());
        assert_eq!(login.present(), Some(&joe("secret")));
        login.forget();
        assert!(login.must_ask());
    }

    #[test]
    fn nocache_asks_again_unless_there_is_a_token() {
        let mut login = LoginState::new(&AuthUserPass::Ask, true);
        login.provide(joe("secret"));
        login.was_sent();
        assert!(login.must_ask());
        login.pushed(&push("T", None), Some("joe".into()));
        assert!(!login.must_ask());
        let mut given = LoginState::new(&AuthUserPass::Given(joe("secret")), true);
        given.was_sent();
        assert_eq!(given.present(), Some(&joe("secret")), "there is nobody to ask");
    }

    #[test]
    fn a_token_may_have_a_name_of_its_own() {
        let mut login = LoginState::new(&AuthUserPass::Off, false);
        assert_eq!(login.pushed(&push("T", None), None), None);
        for bad in ["!", "", "/w==", "Cg=="] {
            assert_eq!(login.pushed(&push("T", Some(bad)), None), None, "{bad}");
        }
        let token = login.pushed(&push("T", Some("am9l")), Some("other".into()));
        assert_eq!(token, Some(joe("T")));
    }
}
