//! The key exchange inside TLS (key method 2): each end's randoms and what it says of itself, then the data keys.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::certificate::Judgement;
use super::negotiation::Negotiated;
use super::{ClientHello, Session, SessionEvent};
use crate::algorithm::{Framing, Role};
use crate::config::Credentials;
use crate::crypto::{KeyBlock, PrfSeed, derive_prf};
use crate::event::CloseReason;
use crate::host::Environment;
use crate::wire::{KeyMethod2, KeyMethodError, KeySource, OptionsString, PeerInfo};

/// The label of the data keys' exporter (TLS-EKM).
const DATA_KEYS_LABEL: &[u8] = b"EXPORTER-OpenVPN-datakeys";

/// Both ends' key sources of one negotiation.
pub(super) struct KeyExchange {
    ours: KeySource,
    theirs: Option<KeySource>,
}

impl KeyExchange {
    pub(super) fn new(role: Role, env: &mut Environment) -> Self {
        Self { ours: KeySource::random(role, env.entropy()), theirs: None }
    }

    /// Both halves are there: ours goes out before theirs is taken in (client) or right after (server).
    pub(super) fn is_complete(&self) -> bool {
        self.theirs.is_some()
    }
}

impl Session {
    /// A client speaks first: its half is queued before the handshake has even begun, or when its host has accepted
    /// the server's certificate. In a renegotiation it may have to wait for a login, too.
    pub(super) fn client_hello(&mut self) -> Result<(), CloseReason> {
        if self.shared.role != Role::Client || self.current.judgement != Judgement::Accepted {
            return Ok(());
        }
        if self.login.asks && self.login.credentials.is_none() {
            self.current.login_asked = true;
            self.events.push_back(SessionEvent::LoginNeeded);
            return Ok(());
        }
        self.write_key_method()?;
        if self.login.once {
            self.forget_login();
        }
        Ok(())
    }

    /// Takes in the peer's half; a server answers with its own.
    pub(super) fn key_method_received(&mut self, record: &[u8]) -> Result<(), CloseReason> {
        let sender = self.shared.role.peer();
        let (message, _) = KeyMethod2::parse(sender, record).map_err(|error| {
            CloseReason::Tls(match error {
                KeyMethodError::Incomplete => "the peer's key exchange message is cut off".to_string(),
                KeyMethodError::Malformed(what) => {
                    alloc::format!("the peer's key exchange message is malformed: {what}")
                }
            })
        })?;
        let KeyMethod2 { source, options, username, password, peer_info } = message;
        self.current.exchange.theirs = Some(source);
        self.remote_options.clone_from(&options);
        if self.shared.role == Role::Server {
            self.write_key_method()?;
            let credentials = username.map(|username| Credentials {
                username,
                password: password.unwrap_or_else(|| Zeroizing::new(String::new())),
            });
            let peer_info = PeerInfo::parse(&peer_info);
            let hello = ClientHello { credentials, peer_info, options };
            self.events.push_back(SessionEvent::ClientHello(Box::new(hello)));
        }
        Ok(())
    }

    fn write_key_method(&mut self) -> Result<(), CloseReason> {
        let (username, password) = match &self.login.credentials {
            Some(Credentials { username, password }) => (Some(username.clone()), Some(password.clone())),
            None => (None, None),
        };
        let message = KeyMethod2 {
            source: self.current.exchange.ours.clone(),
            options: self.options_string(),
            username,
            password,
            peer_info: self.login.peer_info.to_string(),
        };
        let mut record = Zeroizing::new(Vec::new());
        message.emit(self.shared.role, &mut record);
        self.current.channel.write(&record).map_err(|error| CloseReason::Tls(error.to_string()))
    }

    /// The options string ("OCC"), which peers compare and only warn about.
    pub(super) fn options_string(&self) -> String {
        let config = &self.shared.config;
        OptionsString {
            role: self.shared.role,
            transport: self.path.transport,
            tun_mtu: config.tun_mtu,
            cipher: config.data_ciphers_fallback,
            digest: config.auth,
            tls_auth: self.shared.wrap.is_tls_auth(),
            key_direction: self.shared.wrap.key_direction(),
            comp: config.framing != Framing::None,
        }
        .to_string()
    }

    /// The 256 bytes that the data keys are cut from, by the exporter or by OpenVPN's PRF, as was agreed.
    pub(super) fn derive_keys(&self, negotiated: &Negotiated) -> Result<KeyBlock, CloseReason> {
        if negotiated.key_export {
            let tls = self.current.channel.tls();
            return KeyBlock::try_with(|out| tls.export(DATA_KEYS_LABEL, out))
                .map_err(|error| CloseReason::Tls(error.to_string()));
        }
        let missing = || CloseReason::Tls("data keys were asked for before the key exchange".to_string());
        let ours = &self.current.exchange.ours;
        let theirs = self.current.exchange.theirs.as_ref().ok_or_else(missing)?;
        let remote_id = self.remote_id.ok_or_else(missing)?;
        let ours_seed =
            PrfSeed { random1: &ours.random1, random2: &ours.random2, session_id: self.local_id.as_bytes() };
        let theirs_seed =
            PrfSeed { random1: &theirs.random1, random2: &theirs.random2, session_id: remote_id.as_bytes() };
        Ok(match self.shared.role {
            Role::Client => derive_prf(&ours.pre_master, ours_seed, theirs_seed),
            Role::Server => derive_prf(&theirs.pre_master, theirs_seed, ours_seed),
        })
    }
}
