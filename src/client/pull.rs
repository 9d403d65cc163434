//! What a client says of itself, and what it makes of the server's answer: PUSH_REQUEST, PUSH_REPLY and the other
//! control messages.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Client, State};
use crate::algorithm::Cipher;
use crate::config::{ClientConfig, PingTimeout, PullAction, PushBase, SessionConfig, TunnelSettings};
use crate::event::{CloseReason, Event};
use crate::path::Transport;
use crate::peer::PeerId;
use crate::session::Negotiated;
use crate::time::Instant;
use crate::wire::icmpv6::NOBODY;
use crate::wire::message::mask_secrets;
use crate::wire::options_string;
use crate::wire::{ControlMessage, IvProto, PeerInfo, PushReplyAssembler, WirePeerId};

/// PUSH_REQUEST is repeated in this interval until it is answered.
const REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// `ping-restart` of a pulling client on UDP, until the server says otherwise.
const DEFAULT_PING_RESTART: Duration = Duration::from_secs(120);

/// The largest `tun-mtu` that a server may push.
const MAX_PUSHED_MTU: u16 = 1600;

/// How many of a push's options that were passed over are told one by one: a hostile server has thousands.
const MOST_NOTICES: usize = 100;

/// The state of asking for options.
pub(super) struct Pull {
    assembler: PushReplyAssembler,
    limit: usize,
    next_request: Option<Instant>,
    /// Options that came before our own half of the key exchange was acknowledged.
    early: Option<Vec<String>>,
    /// AUTH_PENDING: how long to wait for them, from the end of the key exchange on.
    patience: Option<Duration>,
}

impl Pull {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            assembler: PushReplyAssembler::new(limit),
            limit,
            next_request: None,
            early: None,
            patience: None,
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limit);
    }

    pub(super) fn take_early(&mut self) -> Option<Vec<String>> {
        self.early.take()
    }

    /// The first request has been sent: how long to wait for the answer.
    pub(super) fn begin_waiting(&mut self, now: Instant, config: &SessionConfig) -> Duration {
        self.next_request = Some(now + REQUEST_INTERVAL);
        self.patience.unwrap_or(config.hand_window)
    }

    /// The server asked for more time.
    pub(super) fn wait_for(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    pub(super) fn next_request(&self) -> Option<Instant> {
        self.next_request
    }

    /// Whether a request is to be sent now; the next one is then due an interval later.
    pub(super) fn is_request_due(&mut self, now: Instant) -> bool {
        let due = self.next_request.is_some_and(|at| at <= now);
        if due {
            self.next_request = Some(now + REQUEST_INTERVAL);
        }
        due
    }
}

/// The IV_* lines: what this client can do.
pub(super) fn local_info(config: &ClientConfig) -> PeerInfo {
    let mut proto = IvProto::DATA_V2.0
        | IvProto::REQUEST_PUSH.0
        | IvProto::AUTH_PENDING_KW.0
        | IvProto::CC_EXIT_NOTIFY.0
        | IvProto::AUTH_FAIL_TEMP.0;
    if config.session.key_export {
        proto |= IvProto::TLS_KEY_EXPORT.0;
    }
    let ciphers: Vec<_> = config.session.data_ciphers.iter().map(|cipher| cipher.name()).collect();
    let mut info = PeerInfo::default();
    info.push("IV_VER", concat!("adit_", env!("CARGO_PKG_VERSION")));
    if let Some(platform) = platform() {
        info.push("IV_PLAT", platform);
    }
    info.push("IV_TCPNL", "1");
    info.push("IV_MTU", &MAX_PUSHED_MTU.to_string());
    info.push("IV_NCP", "2");
    info.push("IV_CIPHERS", &ciphers.join(":"));
    info.push("IV_PROTO", &proto.to_string());
    for stub in ["IV_LZO_STUB", "IV_COMP_STUB", "IV_COMP_STUBv2"] {
        info.push(stub, "1");
    }
    for (name, value) in &config.peer_info {
        info.push(name, value);
    }
    info
}

fn platform() -> Option<&'static str> {
    Some(match () {
        () if cfg!(target_os = "linux") => "linux",
        () if cfg!(target_os = "macos") => "mac",
        () if cfg!(target_os = "windows") => "win",
        () if cfg!(target_os = "android") => "android",
        () if cfg!(target_os = "freebsd") => "freebsd",
        () => return None,
    })
}

impl Client {
    /// Acts on a control message of the server.
    pub(super) fn message(&mut self, now: Instant, text: &str) -> Result<(), CloseReason> {
        let peer = PeerId::SERVER;
        self.events.push(Event::MessageReceived { peer, text: mask_secrets(text) });
        match ControlMessage::parse(text) {
            ControlMessage::PushReply(part) => {
                let complete = self.pull.assembler.add(part).map_err(|reason| {
                    self.drops.count(reason);
                    CloseReason::BadPush(alloc::format!("they are more than {} bytes", self.pull.limit))
                })?;
                match complete {
                    Some(options) if matches!(self.state, State::Pull { .. }) => {
                        self.pushed(now, &options)?
                    }
                    // A server may push unasked, and then does not answer a request for a while.
                    Some(options) if matches!(self.state, State::Handshake { .. }) => {
                        self.pull.early = Some(options);
                    }
                    // Later ones, as after a renegotiation, only renew the token.
                    Some(options) => self.renew_token(&options)?,
                    None => {}
                }
            }
            ControlMessage::AuthFailed(reason) => return Err(self.auth_failed(reason)),
            ControlMessage::AuthPending(keywords) => self.auth_pending(keywords),
            ControlMessage::Restart(text) => return Err(self.restart_asked(text)),
            ControlMessage::Halt(text) => return Err(CloseReason::RemoteHalt(text.to_string())),
            ControlMessage::Exit => return Err(CloseReason::RemoteExit),
            ControlMessage::Info(text) | ControlMessage::InfoPre(text) => {
                self.events.push(Event::ServerInfo { peer, text: text.to_string() });
            }
            ControlMessage::PushRequest
            | ControlMessage::PushUpdate(_)
            | ControlMessage::CrResponse(_)
            | ControlMessage::Unknown(_) => {
                self.events.notice(peer, "an unknown control message of the server was ignored");
            }
        }
        Ok(())
    }

    fn renew_token(&mut self, options: &[String]) -> Result<(), CloseReason> {
        let kept = self.filtered(options)?;
        match TunnelSettings::parse(&kept, &self.config.push_base()) {
            Ok((settings, _)) => self.take_token(&settings),
            Err(why) => self.events.notice(PeerId::SERVER, alloc::format!("no new token: {why}")),
        }
        Ok(())
    }

    /// The next logins are by the token that was pushed, if one was.
    fn take_token(&mut self, settings: &TunnelSettings) {
        let Some(session) = &mut self.session else { return };
        let username = session.username().map(ToString::to_string);
        if let Some(token) = self.login.pushed(settings, username) {
            session.set_login(token);
        }
    }

    pub(super) fn pushed(&mut self, now: Instant, options: &[String]) -> Result<(), CloseReason> {
        let kept = self.filtered(options)?;
        let base = PushBase { tun_mtu_max: MAX_PUSHED_MTU, ..self.config.push_base() };
        let (settings, notices) = TunnelSettings::parse(&kept, &base).map_err(CloseReason::BadPush)?;
        let more = notices.len().saturating_sub(MOST_NOTICES);
        for notice in notices.into_iter().take(MOST_NOTICES) {
            self.events.notice(PeerId::SERVER, notice);
        }
        if more > 0 {
            let text = alloc::format!("{more} more of the server's options were passed over");
            self.events.notice(PeerId::SERVER, text);
        }
        self.configure(now, settings)
    }

    /// What `pull-filter` lets through: the first filter that fits an option decides.
    fn filtered<'a>(&mut self, options: &'a [String]) -> Result<Vec<&'a str>, CloseReason> {
        let mut kept = Vec::with_capacity(options.len());
        for option in options {
            let text = option.trim_start();
            let filter = self.config.pull_filters.iter().find(|filter| text.starts_with(&*filter.prefix));
            match filter.map(|filter| (filter.action, &filter.prefix)) {
                None | Some((PullAction::Accept, _)) => kept.push(text),
                Some((PullAction::Ignore, prefix)) => {
                    let text = alloc::format!(
                        "a pushed option was passed over, as pull-filter ignore '{prefix}' says"
                    );
                    self.events.notice(PeerId::SERVER, text);
                }
                Some((PullAction::Reject, prefix)) => {
                    return Err(CloseReason::BadPush(alloc::format!(
                        "pull-filter reject '{prefix}' fits one"
                    )));
                }
            }
        }
        Ok(kept)
    }

    /// Puts settings into force: data keys are made, and packets flow.
    pub(super) fn configure(&mut self, now: Instant, settings: TunnelSettings) -> Result<(), CloseReason> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let shared = Arc::clone(session.shared());
        let config = &shared.config;
        let flags = settings.flags;
        if flags.dyn_tls_crypt || flags.aead_epoch {
            return Err(CloseReason::BadPush(
                "a protocol flag that was never offered (dyn-tls-crypt, aead-epoch)".into(),
            ));
        }
        if flags.tls_ekm && !config.key_export {
            return Err(CloseReason::BadPush("key derivation by tls-ekm, which was never offered".into()));
        }
        let cipher = choose_cipher(&settings, config, session.remote_options())?;
        let transport = session.path().transport;
        session.make_keys(now, Negotiated { cipher, key_export: flags.tls_ekm, cc_exit: flags.cc_exit })?;
        if let Some(data) = session.data_mut() {
            data.set_wire_peer_id(settings.peer_id.and_then(WirePeerId::new));
            if let Some(framing) = settings.framing {
                data.set_framing(framing);
            }
            if let Some(tun_mtu) = settings.tun_mtu {
                data.set_tun_mtu(tun_mtu);
            }
        }
        let blocks = self.config.block_ipv6 || settings.routes.block_ipv6;
        let answers = settings.ifconfig_ipv6.map_or(NOBODY, |ifconfig| ifconfig.gateway);
        if let Some(data) = session.data_mut() {
            data.block_ipv6(blocks.then_some(answers));
        }
        let timeout =
            settings.ping_timeout.unwrap_or_else(|| own_ping_timeout(self.config.pull, config, transport));
        session.start_keepalive(now, settings.ping.unwrap_or(config.ping), timeout);
        let inactive = settings.inactive.unwrap_or(self.config.inactive);
        let session_timeout = settings.session_timeout.unwrap_or(self.config.session_timeout);
        session.limit_life(now, inactive, session_timeout);
        self.take_token(&settings);
        self.remotes.completed();
        let ipv4 = settings.ifconfig.map(|ifconfig| ifconfig.local);
        let ipv6 = settings.ifconfig_ipv6.map(|ifconfig| ifconfig.local);
        self.settings = Some(Box::new(settings));
        self.state = State::Up;
        self.events.push(Event::Connected { peer: PeerId::SERVER, cipher, ipv4, ipv6 });
        Ok(())
    }
}

/// How long a silence may be until the server says.
pub(super) fn own_ping_timeout(
    pull: bool,
    config: &SessionConfig,
    transport: Transport,
) -> Option<PingTimeout> {
    let default = (pull && transport == Transport::Udp)
        .then_some(PingTimeout { after: DEFAULT_PING_RESTART, exit: false });
    config.ping_timeout.or(default)
}

/// The pushed cipher if we have it; without one, what the server's options string names, or our fallback.
fn choose_cipher(
    settings: &TunnelSettings,
    config: &SessionConfig,
    remote_options: &str,
) -> Result<Cipher, CloseReason> {
    let pushed = match &settings.cipher {
        Some(Ok(cipher)) => Some(*cipher),
        Some(Err(_)) => return Err(CloseReason::NoSharedCipher),
        None => None,
    };
    let named = pushed.or_else(|| options_string::cipher(remote_options).and_then(Cipher::from_name));
    match named.filter(|cipher| config.data_ciphers.contains(cipher)) {
        Some(cipher) => Ok(cipher),
        None if pushed.is_some() => Err(CloseReason::NoSharedCipher),
        None => config.data_ciphers_fallback.ok_or(CloseReason::NoSharedCipher),
    }
}
