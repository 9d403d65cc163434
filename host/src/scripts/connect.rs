//! `client-connect`: a script that is asked whether a client may connect, and may write settings for it.

use std::path::Path;
use std::time::Duration;

use adit::config::{Command, InstanceConfig, NamedText};
use adit::{PeerId, RequestId};

use super::env::Env;
use super::runner::{End, Script};
use super::temp::TempFile;

/// A question of the engine's, and the files for its answer.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) request: RequestId,
    pub(crate) peer: PeerId,
    /// What the client's file in `client-config-dir` said.
    pub(crate) settings: InstanceConfig,
    /// More settings, by the script.
    config: TempFile,
    /// `1` is yes, `0` is no, `2` or nothing is not yet.
    deferred: TempFile,
}

/// What the script has said so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
    Later,
}

impl Connecting {
    /// The question as a script. `env` is what else it is told.
    pub(crate) fn ask<T>(
        (request, peer): (RequestId, PeerId),
        command: &Command,
        settings: InstanceConfig,
        mut env: Env,
        temporary: &Path,
        timeout: Duration,
        then: impl FnOnce(Self) -> T,
    ) -> Result<Script<T>, String> {
        let config = TempFile::new(temporary, "cc")?;
        let deferred = TempFile::new(temporary, "ccr")?;
        env.set("script_type", "client-connect");
        env.set("client_connect_config_file", config.path().display());
        env.set("client_connect_deferred_file", deferred.path().display());
        let mut words = command.words.clone();
        words.push(config.path().to_string_lossy().into_owned());
        let then = then(Self { request, peer, settings, config, deferred });
        Ok(Script { hook: "--client-connect", words, env, timeout, answers: false, then })
    }

    /// The script has ended.
    pub(crate) fn ended(&self, end: End) -> Said {
        match (end.is_success(), self.deferred.first_byte()) {
            (true, Some(b'2')) => Said::Later,
            (true, _) => Said::Yes,
            (false, _) => Said::No,
        }
    }

    /// What a script that took its time has decided by now.
    pub(crate) fn decided(&self) -> Said {
        match self.deferred.first_byte() {
            Some(b'1') => Said::Yes,
            Some(b'2') | None => Said::Later,
            Some(_) => Said::No,
        }
    }

    /// What the script wrote for the client.
    pub(crate) fn text(&self) -> NamedText {
        NamedText::file(self.config.path().to_string_lossy(), self.config.read())
    }
}
