//! [`Narrator`]: from events to the lines that people and programs know from OpenVPN's log.

use std::collections::BTreeMap;

use adit::config::Remapped;
use adit::router::RouterEvent;
use adit::wire::message::mask_secrets;
use adit::{Address, Cipher, CloseReason, Event, Path, PeerId, Refusal, Role, Transport};

use crate::log::{Level, Verb};

mod router;

/// A line of the log, and of what kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// Knows the peers' names, and puts them before a server's lines.
#[derive(Debug)]
pub(crate) struct Narrator {
    role: Role,
    /// What SIGUSR1 is called at a client (`remap-usr1`).
    usr1: &'static str,
    peers: BTreeMap<PeerId, Known>,
}

/// What is known of a peer so far.
#[derive(Clone, Debug)]
struct Known {
    common_name: Option<String>,
    path: Path,
}

impl Narrator {
    pub(crate) fn new(role: Role, remap_usr1: Option<Remapped>) -> Self {
        let usr1 = match remap_usr1.filter(|_| role == Role::Client) {
            Some(Remapped::Sighup) => "SIGHUP",
            Some(Remapped::Sigterm) => "SIGTERM",
            None => "SIGUSR1",
        };
        Self { role, usr1, peers: BTreeMap::new() }
    }

    /// The lines about `event`, most of them one.
    pub(crate) fn tell(&mut self, event: &Event) -> Vec<Line> {
        self.learn(event);
        let peer = subject(event);
        let prefix = self.prefix(peer);
        let mut lines = self.plain(event, peer);
        for line in &mut lines {
            line.text.insert_str(0, &prefix);
        }
        if let Event::Closed { peer, .. } = event {
            self.peers.remove(peer);
        }
        lines
    }

    /// `CN/address:port`, as far as it is known.
    pub(crate) fn name(&self, peer: PeerId) -> String {
        match self.peers.get(&peer) {
            Some(Known { common_name: Some(name), path }) => format!("{name}/{}", path.remote),
            Some(Known { common_name: None, path }) => path.remote.to_string(),
            None => "UNDEF".to_owned(),
        }
    }

    fn prefix(&self, peer: PeerId) -> String {
        if self.role == Role::Server && self.peers.contains_key(&peer) {
            self.name(peer) + " "
        } else {
            String::new()
        }
    }

    fn common_name(&self, peer: PeerId) -> &str {
        self.peers.get(&peer).and_then(|known| known.common_name.as_deref()).unwrap_or("UNDEF")
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::SessionStarted { peer, path, .. } => {
                self.peers.insert(*peer, Known { common_name: None, path: *path });
            }
            Event::PeerAuthenticated { peer, path, .. } => {
                // The name stands before the lines that follow, not yet before this one.
                self.peers.entry(*peer).or_insert(Known { common_name: None, path: *path });
            }
            _ => {}
        }
    }

    fn plain(&mut self, event: &Event, peer: PeerId) -> Vec<Line> {
        match event {
            Event::SessionStarted { path, session_id, .. } => {
                let sid: Vec<String> = session_id.chunks(4).map(hex).collect();
                let from = family_address(&path.remote);
                one(Level::TLS_STEP, format!("TLS: Initial packet from {from}, sid={}", sid.join(" ")))
            }
            Event::CertificateVerified { depth, subject, .. } => {
                one(Level::HANDSHAKE, format!("VERIFY OK: depth={depth}, {subject}"))
            }
            Event::PeerInfo { lines, .. } => {
                let line = |(name, value): &(String, String)| info(format!("peer info: {name}={value}"));
                lines.iter().map(line).collect()
            }
            Event::HandshakeCompleted { tls_version, cipher_suite, .. } => {
                let suite = cipher_suite.replacen("TLS13_", "TLS_", 1);
                one(Level::HANDSHAKE, format!("Control Channel: {tls_version}, cipher {tls_version} {suite}"))
            }
            Event::PeerAuthenticated { common_name, path, .. } => {
                let name = common_name.as_deref().unwrap_or("UNDEF");
                let text =
                    format!("[{name}] Peer Connection Initiated with {}", family_address(&path.remote));
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.common_name = common_name.clone();
                }
                vec![info(text)]
            }
            Event::Connected { cipher, ipv4, ipv6, .. } => {
                let mut lines = Vec::new();
                if self.role == Role::Server {
                    let name = self.name(peer);
                    let addresses = ipv4
                        .map(|ip| ("IP", ip.to_string()))
                        .into_iter()
                        .chain(ipv6.map(|ip| ("IPv6", ip.to_string())));
                    for (kind, ip) in addresses {
                        lines.push(line(Level::CLIENTS, format!("MULTI: Learn: {ip} -> {name}")));
                        lines.push(line(
                            Level::CLIENTS,
                            format!("MULTI: primary virtual {kind} for {name}: {ip}"),
                        ));
                    }
                }
                lines.extend(data_channel(*cipher));
                lines
            }
            Event::Rekeyed { key_id, .. } => one(
                Level::HANDSHAKE,
                format!("TLS: soft reset done, data channel keys renewed (key id {key_id})"),
            ),
            Event::Floated { path, .. } => {
                let from = self.peers.get(&peer).map(|known| known.path.remote).unwrap_or_default();
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.path = *path;
                }
                let (from, to) = (family_address(&from), family_address(&path.remote));
                one(Verb::Info.into(), format!("peer {peer} floated from {from} to {to}"))
            }
            Event::MessageSent { text, .. } => {
                one(Level::PUSH, format!("SENT CONTROL [{}]: '{text}' (status=1)", self.common_name(peer)))
            }
            Event::MessageReceived { text, .. } => one(Level::PUSH, received(text)),
            Event::Closed { reason, .. } => closed(self.role, self.usr1, self.common_name(peer), reason),
            Event::Paused { pause } if !pause.is_zero() => {
                vec![info(format!("Restart pause, {} second(s)", pause.as_secs()))]
            }
            Event::AuthPending { timeout, .. } => {
                let seconds = timeout.as_secs();
                vec![info(format!("AUTH_PENDING received, the server decides within {seconds} seconds"))]
            }
            Event::ServerInfo { text, .. } => {
                one(Level::PUSH, format!("Info command was pushed by server ('{}')", mask_secrets(text)))
            }
            Event::StrangerRefused { path, why } => refused(path, *why),
            Event::Router(RouterEvent::AddressConflict { address, mac, kept: false }) => one(
                Level::WARNING,
                format!(
                    "WARNING: LAN: {mac} has {address} as well; it is not used, and tried again in a minute: give one of \
                     the two another address"
                ),
            ),
            Event::Router(RouterEvent::AddressConflict { address, mac, kept: true }) => one(
                Level::WARNING,
                format!("WARNING: LAN: {mac} claims {address}, which is ours; both cannot have it"),
            ),
            Event::Notice { text, .. } => vec![info(text.clone())],
            Event::Router(event) => router::lines(event),
            _ => Vec::new(),
        }
    }
}

/// Which peer an event is about.
fn subject(event: &Event) -> PeerId {
    match event {
        Event::AuthRequested { peer, .. }
        | Event::VerifyRequested { peer, .. }
        | Event::ClientConnectRequested { peer, .. }
        | Event::SessionStarted { peer, .. }
        | Event::CertificateVerified { peer, .. }
        | Event::PeerInfo { peer, .. }
        | Event::HandshakeCompleted { peer, .. }
        | Event::PeerAuthenticated { peer, .. }
        | Event::Connected { peer, .. }
        | Event::Rekeyed { peer, .. }
        | Event::Floated { peer, .. }
        | Event::MessageSent { peer, .. }
        | Event::MessageReceived { peer, .. }
        | Event::AttachRequested { peer }
        | Event::Closed { peer, .. }
        | Event::Notice { peer, .. } => *peer,
        Event::Router(event) => router::subject(event),
        _ => PeerId::NONE,
    }
}

fn line(level: Level, text: String) -> Line {
    Line { level, text }
}

fn info(text: String) -> Line {
    line(Verb::Info.into(), text)
}

fn one(level: Level, text: String) -> Vec<Line> {
    vec![line(level, text)]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `[AF_INET]192.0.2.1:1194`, or `[AF_INET][undef]:1194` for any; IPv6 without brackets around the address, as OpenVPN
/// prints it.
pub(crate) fn family_address(address: &Address) -> String {
    match address.ip() {
        Some(ip) => {
            let family = if ip.is_ipv4() { "AF_INET" } else { "AF_INET6" };
            let ip = if ip.is_unspecified() { "[undef]".to_owned() } else { ip.to_string() };
            format!("[{family}]{ip}:{}", address.port())
        }
        None => "[AF_UNSPEC]".to_owned(),
    }
}

fn data_channel(cipher: Cipher) -> Vec<Line> {
    let about = |way| {
        let bits = cipher.key_len() * 8;
        let text = format!("{way} Data Channel: Cipher '{cipher}' initialized with {bits} bit key");
        line(Level::HANDSHAKE, text)
    };
    vec![about("Outgoing"), about("Incoming")]
}

fn received(text: &str) -> String {
    if text.starts_with("PUSH_") {
        format!("PUSH: Received control message: '{text}'")
    } else if text.starts_with("AUTH_FAILED") {
        format!("AUTH: Received control message: {text}")
    } else {
        format!("Received control message: '{text}'")
    }
}

/// What stands before these lines by TCP is the connection's other end; by UDP there is none yet.
fn refused(path: &Path, why: Refusal) -> Vec<Line> {
    let from = family_address(&path.remote);
    let prefix = if path.transport == Transport::Tcp { format!("{} ", path.remote) } else { String::new() };
    let tls_error = |text: &str| one(Level::TLS_ERROR, format!("{prefix}TLS Error: {text} from {from}"));
    match why {
        Refusal::TlsAuth => tls_error("incoming packet authentication failed"),
        Refusal::TlsCrypt => tls_error("tls-crypt unwrapping failed"),
        _ => {
            let text = "WARNING: Bad encapsulated packet length from peer: this is not OpenVPN's protocol";
            vec![
                line(Level::STREAM_ERROR, format!("{prefix}{text}")),
                line(Level::STREAM_ERROR, format!("{prefix}Connection reset, restarting [0]")),
            ]
        }
    }
}

/// A login that was refused, in the words that filters of logs look for.
const AUTH_ERROR: &str = "TLS Auth Error: Auth Username/Password verification failed for peer";

/// Why a client's session has ended, in the word that stands with the signal in the log; none if somebody asked for it.
pub(crate) fn cause_label(reason: &CloseReason) -> Option<String> {
    let lines = closed(Role::Client, "SIGUSR1", "", reason);
    let (_, label) = lines.last()?.text.split_once("[soft,")?;
    Some(label.split(']').next()?.to_owned())
}

/// The cause in words, then the signal that OpenVPN would raise for itself: monitors look for its name.
fn closed(role: Role, usr1: &str, name: &str, reason: &CloseReason) -> Vec<Line> {
    let tls_error = |text: String| Some(line(Level::TLS_ERROR, text));
    let told = || Some(info(reason.to_string()));
    let mut why_refused = "";
    let (cause, signal, label) = match reason {
        CloseReason::RetriesExhausted(_) => {
            return vec![info(reason.to_string()), info("Exiting due to fatal error".to_owned())];
        }
        // Whoever asked for it has said so.
        CloseReason::Requested | CloseReason::Restart if role == Role::Client => return Vec::new(),
        CloseReason::Requested => (None, "SIGTERM", "exit"),
        CloseReason::RemoteExit => (None, "SIGTERM", "remote-exit"),
        CloseReason::NoAnswer => (told(), "SIGUSR1", "server_poll"),
        CloseReason::HandshakeTimeout | CloseReason::NoTls | CloseReason::FellSilent => {
            (tls_error(format!("TLS Error: {reason}")), "SIGUSR1", "tls-error")
        }
        CloseReason::Tls(sentence) | CloseReason::Certificate(sentence) => {
            (tls_error(format!("TLS Error: TLS handshake failed: {sentence}")), "SIGUSR1", "tls-error")
        }
        CloseReason::PingTimeout => {
            let text = format!("[{name}] Inactivity timeout (--ping-restart), restarting");
            (Some(info(text)), "SIGUSR1", "ping-restart")
        }
        CloseReason::PingExit => {
            let text = format!("[{name}] Inactivity timeout (--ping-exit), exiting");
            (Some(info(text)), "SIGTERM", "ping-exit")
        }
        CloseReason::Inactive => (told(), "SIGTERM", "inactive"),
        CloseReason::SessionTimeout => (told(), "SIGTERM", "session-timeout"),
        CloseReason::AuthRetry(_) => (told(), "SIGUSR1", "auth-failure"),
        CloseReason::TokenRefused(_) => (told(), "SIGUSR1", "auth-failure (auth-token)"),
        CloseReason::RefusedForNow(_) => (told(), "SIGUSR1", "auth-temp-failure (server temporary reject)"),
        CloseReason::AuthFailed(why) if role == Role::Server => {
            why_refused = why.as_str();
            (tls_error(AUTH_ERROR.to_owned()), "SIGTERM", "auth-failure")
        }
        CloseReason::AuthTimeout if role == Role::Server => {
            why_refused = "it was not decided in time";
            (tls_error(AUTH_ERROR.to_owned()), "SIGTERM", "auth-failure")
        }
        CloseReason::AuthFailed(_) | CloseReason::AuthTimeout => (told(), "SIGTERM", "auth-failure"),
        CloseReason::RemoteRestart(_) => (told(), "SIGUSR1", "server-pushed-connection-reset"),
        CloseReason::RemoteHalt(_) => (told(), "SIGTERM", "server-pushed-halt"),
        CloseReason::LinkClosed => {
            let text = "Connection reset, restarting [0]".to_owned();
            (Some(line(Level::STREAM_ERROR, text)), "SIGUSR1", "connection-reset")
        }
        CloseReason::LinkBroken(_) => {
            (Some(line(Level::STREAM_ERROR, reason.to_string())), "SIGUSR1", "decryption-error")
        }
        CloseReason::ConnectFailed(_) => (told(), "SIGUSR1", "connection-failed"),
        CloseReason::ConnectRefused(_) => (told(), "SIGTERM", "connect-refused"),
        CloseReason::Revoked => (told(), "SIGTERM", "revoked"),
        CloseReason::TakenOver => (told(), "SIGTERM", "taken-over"),
        _ => (told(), "SIGUSR1", "session-error"),
    };
    let signal = if signal == "SIGUSR1" { usr1 } else { signal };
    // An instance of a server never comes back by itself.
    let what = if signal == "SIGTERM" { "exiting" } else { "restarting" };
    let mut lines = Vec::new();
    if let CloseReason::Certificate(sentence) = reason {
        // Both lines have the sentence: filters look for either.
        lines.push(line(Level::TLS_ERROR, format!("VERIFY ERROR: depth=0, error={sentence}")));
    }
    lines.extend(cause);
    if !why_refused.is_empty() {
        lines.push(line(Level::TLS_ERROR, format!("the login was refused: {why_refused}")));
    }
    lines.push(if role == Role::Server {
        line(Level::CLIENTS, format!("{signal}[soft,{label}] received, client-instance {what}"))
    } else {
        info(format!("{signal}[soft,{label}] received, process {what}"))
    });
    lines
}

#[cfg(test)]
mod tests {
    use adit::LinkId;

    use super::*;

    const PEER: PeerId = PeerId::SERVER;

    fn path(address: &str) -> Path {
        Path::udp(LinkId(0), address.parse().unwrap())
    }

    fn tell(narrator: &mut Narrator, event: Event) -> Vec<String> {
        narrator.tell(&event).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_client_comes_and_goes() {
        let mut narrator = Narrator::new(Role::Server, None);
        let path = path("198.51.100.7:54522");
        let session_id = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        assert_eq!(
            tell(&mut narrator, Event::SessionStarted { peer: PEER, path, session_id }),
            [
                "198.51.100.7:54522 TLS: Initial packet from [AF_INET]198.51.100.7:54522, sid=01234567 89abcdef"
            ]
        );
        assert_eq!(
            tell(
                &mut narrator,
                Event::CertificateVerified { peer: PEER, depth: 1, subject: "C=JP, CN=Office-CA".into() }
            ),
            ["198.51.100.7:54522 VERIFY OK: depth=1, C=JP, CN=Office-CA"]
        );
        assert_eq!(
            tell(
                &mut narrator,
                Event::PeerInfo { peer: PEER, lines: vec![("IV_VER".into(), "2.6.14".into())] }
            ),
            ["198.51.100.7:54522 peer info: IV_VER=2.6.14"]
        );
        assert_eq!(
            tell(
                &mut narrator,
                Event::PeerAuthenticated { peer: PEER, common_name: Some("client1".into()), path }
            ),
            ["198.51.100.7:54522 [client1] Peer Connection Initiated with [AF_INET]198.51.100.7:54522"]
        );
        let connected = Event::Connected {
            peer: PEER,
            cipher: Cipher::Aes256Gcm,
            ipv4: Some([10, 8, 0, 2].into()),
            ipv6: None,
        };
        assert_eq!(
            tell(&mut narrator, connected)[..3],
            [
                "client1/198.51.100.7:54522 MULTI: Learn: 10.8.0.2 -> client1/198.51.100.7:54522",
                "client1/198.51.100.7:54522 MULTI: primary virtual IP for client1/198.51.100.7:54522: 10.8.0.2",
                "client1/198.51.100.7:54522 Outgoing Data Channel: Cipher 'AES-256-GCM' initialized with 256 bit key",
            ]
        );
        assert_eq!(
            tell(&mut narrator, Event::MessageSent { peer: PEER, text: "PUSH_REPLY,ping 10".into() }),
            ["client1/198.51.100.7:54522 SENT CONTROL [client1]: 'PUSH_REPLY,ping 10' (status=1)"]
        );
        assert_eq!(
            tell(&mut narrator, Event::Closed { peer: PEER, reason: CloseReason::RemoteExit }),
            ["client1/198.51.100.7:54522 SIGTERM[soft,remote-exit] received, client-instance exiting"]
        );
        assert_eq!(narrator.name(PEER), "UNDEF");
    }

    #[test]
    fn a_refused_login_is_told_as_filters_expect_it() {
        let mut narrator = Narrator::new(Role::Server, None);
        let path = path("198.51.100.7:54522");
        tell(&mut narrator, Event::SessionStarted { peer: PEER, path, session_id: [0; 8] });
        let reason = CloseReason::AuthFailed("no such user".into());
        assert_eq!(
            tell(&mut narrator, Event::Closed { peer: PEER, reason }),
            [
                "198.51.100.7:54522 TLS Auth Error: Auth Username/Password verification failed for peer",
                "198.51.100.7:54522 the login was refused: no such user",
                "198.51.100.7:54522 SIGTERM[soft,auth-failure] received, client-instance exiting",
            ]
        );
    }

    #[test]
    fn a_client_speaks_of_its_server_without_a_prefix() {
        let mut narrator = Narrator::new(Role::Client, None);
        let path = path("[2001:db8::1]:1194");
        let session_id = [0; 8];
        assert_eq!(
            tell(&mut narrator, Event::SessionStarted { peer: PEER, path, session_id }),
            ["TLS: Initial packet from [AF_INET6]2001:db8::1:1194, sid=00000000 00000000"]
        );
        let done = Event::HandshakeCompleted {
            peer: PEER,
            tls_version: "TLSv1.3",
            cipher_suite: "TLS13_AES_256_GCM_SHA384",
            renegotiation: false,
        };
        assert_eq!(
            tell(&mut narrator, done),
            ["Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384"]
        );
        tell(
            &mut narrator,
            Event::PeerAuthenticated { peer: PEER, common_name: Some("server".into()), path },
        );
        assert_eq!(
            tell(&mut narrator, Event::MessageReceived { peer: PEER, text: "PUSH_REPLY,ping 10".into() }),
            ["PUSH: Received control message: 'PUSH_REPLY,ping 10'"]
        );
        assert_eq!(
            tell(&mut narrator, Event::Closed { peer: PEER, reason: CloseReason::PingTimeout }),
            [
                "[server] Inactivity timeout (--ping-restart), restarting",
                "SIGUSR1[soft,ping-restart] received, process restarting"
            ]
        );
        let mut narrator = Narrator::new(Role::Client, Some(Remapped::Sigterm));
        assert_eq!(
            tell(&mut narrator, Event::Closed { peer: PEER, reason: CloseReason::LinkClosed }),
            ["Connection reset, restarting [0]", "SIGTERM[soft,connection-reset] received, process exiting"]
        );
    }
}
