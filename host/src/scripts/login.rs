//! `auth-user-pass-verify`: a script that is asked about name and password, and may take its time by files.

use std::path::Path;
use std::time::Duration;

use adit::config::{AuthScript, Credentials, CredentialsVia};
use adit::server::AuthDecision;
use adit::{PeerId, RequestId};
use zeroize::Zeroizing;

use super::env::Env;
use super::runner::{End, Script};
use super::temp::TempFile;

/// The exit status of a script that will decide later.
const DEFERRED: i32 = 2;

/// A question of the engine's, and the files for its answer.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) request: RequestId,
    pub(crate) peer: PeerId,
    pub(crate) username: String,
    /// How long its answer is waited for once the script has ended.
    pub(crate) patience: Duration,
    /// `1` is yes, `0` is no, nothing is not yet.
    control: TempFile,
    /// How long the client is to wait, and what its user is to do meanwhile.
    pending: TempFile,
    /// What the client is told if it is refused.
    reason: TempFile,
    /// Name and password, if they go `via-file`.
    credentials: Option<TempFile>,
}

/// What the script said at its end.
#[derive(Debug)]
pub(crate) enum Said {
    /// This.
    Now(AuthDecision),
    /// Nothing yet. The client may be told something meanwhile.
    Later(Option<AuthDecision>),
    /// Something that cannot be understood: a sentence for the log.
    Nonsense(String),
}

impl Login {
    /// The question as a script. `env` is what else it is told.
    pub(crate) fn ask<T>(
        (request, peer): (RequestId, PeerId),
        script: &AuthScript,
        credentials: &Credentials,
        mut env: Env,
        temporary: &Path,
        timeout: Duration,
        then: impl FnOnce(Self) -> T,
    ) -> Result<Script<T>, String> {
        let mut login = Self {
            request,
            peer,
            username: credentials.username.clone(),
            patience: timeout,
            control: TempFile::new(temporary, "acf")?,
            pending: TempFile::new(temporary, "apf")?,
            reason: TempFile::new(temporary, "afr")?,
            credentials: None,
        };
        // One line each, whatever they hold.
        let line = |text: &str| Zeroizing::new(text.replace(char::is_control, "_"));
        let (username, password) = (line(&credentials.username), line(&credentials.password));
        env.set("script_type", "user-pass-verify");
        env.set("username", username.as_str());
        for (name, file) in [
            ("auth_control_file", &login.control),
            ("auth_pending_file", &login.pending),
            ("auth_failed_reason_file", &login.reason),
        ] {
            env.set(name, file.path().display());
        }
        let mut words = script.command.words.clone();
        match script.via {
            CredentialsVia::Environment => env.set("password", password.as_str()),
            CredentialsVia::File => {
                let file = TempFile::new(temporary, "up")?;
                let text = Zeroizing::new(format!("{}\n{}\n", username.as_str(), password.as_str()));
                file.write(text.as_bytes())
                    .map_err(|error| format!("cannot write {}: {error}", file.path().display()))?;
                words.push(file.path().to_string_lossy().into_owned());
                login.credentials = Some(file);
            }
        }
        let hook = "--auth-user-pass-verify";
        Ok(Script { hook, words, env, timeout, answers: true, then: then(login) })
    }

    /// The script has ended.
    pub(crate) fn ended(&mut self, end: End) -> Said {
        // It has seen name and password.
        self.credentials = None;
        match end {
            End::Exit(0) => Said::Now(AuthDecision::Accept),
            End::Exit(DEFERRED) => match self.pending() {
                Ok(pending) => {
                    if let Some(AuthDecision::Pending { timeout, .. }) = &pending {
                        self.patience = self.patience.max(*timeout);
                    }
                    Said::Later(pending)
                }
                Err(sentence) => Said::Nonsense(sentence),
            },
            End::Exit(_) | End::Failed => Said::Now(self.refusal()),
        }
    }

    /// What a script that took its time has decided by now.
    pub(crate) fn decided(&self) -> Option<AuthDecision> {
        match self.control.first_byte()? {
            b'1' => Some(AuthDecision::Accept),
            b'0' => Some(self.refusal()),
            _ => None,
        }
    }

    fn refusal(&self) -> AuthDecision {
        AuthDecision::Refuse { reason: self.reason.first_line().unwrap_or_default() }
    }

    /// Three lines: seconds, method, text. More may follow one day.
    fn pending(&self) -> Result<Option<AuthDecision>, String> {
        let lines = self.pending.lines();
        match lines.as_slice() {
            [] => Ok(None),
            [seconds, method, extra, ..] => match seconds.trim().parse() {
                Ok(seconds @ 1..) => Ok(Some(AuthDecision::Pending {
                    timeout: Duration::from_secs(seconds),
                    method: method.clone(),
                    extra: extra.clone(),
                })),
                Ok(0) | Err(_) => {
                    Err(format!("auth_pending_file: its first line, '{seconds}', is not a number of seconds"))
                }
            },
            lines => Err(format!(
                "auth_pending_file: it has {} of the three lines that it needs: seconds, method, text",
                lines.len()
            )),
        }
    }
}
