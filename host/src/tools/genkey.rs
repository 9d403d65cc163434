//! `--genkey`: keys of OpenVPN's kinds, in OpenVPN's files.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::ExitCode;

use adit::config::NamedText;
use adit::crypto::{KeyBlock, Metadata, ServerKey, emit_client_key, emit_static_key};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::usage;
use crate::clock::Clock;
use crate::errors::cause;
use crate::fill_random;

const KINDS: &str = "secret, tls-crypt-v2-server, tls-crypt-v2-client, auth-token";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    kind: Kind,
    /// Where the key goes; to standard output without.
    file: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// For `tls-auth` and `tls-crypt`.
    Secret,
    /// For a server's `tls-crypt-v2`.
    TlsCryptV2Server,
    /// For a client's `tls-crypt-v2`, wrapped by the key of the file `server`.
    TlsCryptV2Client { server: String, metadata: Option<Vec<u8>> },
    /// For `auth-gen-token-secret`.
    AuthToken,
}

/// Why there is no key.
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A file cannot be used.
    File(String),
}

pub(super) fn run(args: &[String]) -> ExitCode {
    let made = Request::parse(args).map_err(Failure::Usage).and_then(|request| {
        let key = request.make()?;
        request.put(&key).map_err(|error| {
            let to = request.file.as_deref().unwrap_or("standard output");
            Failure::File(format!("cannot write '{to}': {}", cause(&error)))
        })
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(sentence) | Failure::File(sentence)) => {
            usage("genkey", &sentence);
            ExitCode::FAILURE
        }
    }
}

impl Request {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut genkey: &[String] = &[];
        let (mut secret, mut server) = (None, None);
        for option in args.chunk_by(|_, next| !next.starts_with("--")) {
            let (name, words) = option.split_first().ok_or("no arguments")?;
            match (name.as_str(), words) {
                ("--genkey", words) => genkey = words,
                ("--secret", [file]) => secret = Some(file.clone()),
                ("--tls-crypt-v2", [file, ..]) => server = Some(file.clone()),
                // How much is logged: nothing is.
                ("--verb" | "--mlock", _) => {}
                ("--secret" | "--tls-crypt-v2", []) => {
                    return Err(format!("{name} needs the name of a file"));
                }
                _ => return Err(format!("'{name}' does not go with --genkey")),
            }
        }
        let (kind, file, more) = match genkey {
            [] => ("secret", None, &[][..]),
            [kind] => (kind.as_str(), None, &[][..]),
            [kind, file, more @ ..] => {
                (kind.as_str(), Some(file.clone()).filter(|file| !file.is_empty()), more)
            }
        };
        let metadata = match more {
            [] => None,
            [base64] if kind == "tls-crypt-v2-client" => Some(decode(base64)?),
            [surplus, ..] => return Err(format!("'{surplus}' is too much")),
        };
        let kind = match kind {
            "secret" | "tls-auth" | "tls-crypt" => Kind::Secret,
            "tls-crypt-v2-server" => Kind::TlsCryptV2Server,
            "tls-crypt-v2-client" => {
                let server = server.ok_or(
                    "tls-crypt-v2-client needs the server's key to wrap the client's: --tls-crypt-v2 SERVER-KEY",
                )?;
                Kind::TlsCryptV2Client { server, metadata }
            }
            "auth-token" => Kind::AuthToken,
            other => {
                return Err(format!(
                    "'{other}' is not a kind of key ({KINDS}); a static key into that file: --genkey secret {other}"
                ));
            }
        };
        let file = match (file, secret) {
            (file, None) => file,
            (None, Some(secret)) if kind == Kind::Secret => Some(secret),
            (Some(_), Some(_)) => return Err("name the file once: --genkey secret FILE".into()),
            (None, Some(_)) => return Err("--secret is for a static key: --genkey KIND FILE".into()),
        };
        Ok(Self { kind, file })
    }

    fn make(&self) -> Result<Zeroizing<String>, Failure> {
        match &self.kind {
            Kind::Secret => Ok(emit_static_key(&random_block())),
            Kind::TlsCryptV2Server => Ok(ServerKey::generate(fill_random).emit(ServerKey::TLS_CRYPT_V2)),
            Kind::AuthToken => Ok(ServerKey::generate(fill_random).emit(ServerKey::AUTH_TOKEN)),
            Kind::TlsCryptV2Client { server, metadata } => {
                let text = std::fs::read(server)
                    .map_err(|error| Failure::File(format!("cannot read '{server}': {}", cause(&error))))?;
                let server =
                    ServerKey::parse(ServerKey::TLS_CRYPT_V2, &NamedText::file(server.as_str(), text))
                        .map_err(|diagnostic| Failure::File(diagnostic.to_string()))?;
                let metadata = match metadata {
                    Some(bytes) => Metadata::User(bytes.clone()),
                    None => Metadata::Timestamp(Clock::new().unix()),
                };
                emit_client_key(&server, &random_block(), &metadata)
                    .map_err(|error| Failure::Usage(error.to_string()))
            }
        }
    }

    fn put(&self, key: &str) -> io::Result<()> {
        let Some(file) = &self.file else {
            let mut out = io::stdout().lock();
            out.write_all(key.as_bytes())?;
            return out.flush();
        };
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
        // One that was there, perhaps for everybody's eyes, now holds a secret.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        file.write_all(key.as_bytes())
    }
}

fn random_block() -> KeyBlock {
    let filled = KeyBlock::try_with(|bytes| {
        fill_random(bytes);
        Ok::<(), core::convert::Infallible>(())
    });
    match filled {
        Ok(block) => block,
        Err(never) => match never {},
    }
}

fn decode(base64: &str) -> Result<Vec<u8>, String> {
    let padded = base64.trim_end_matches('=');
    let padding = "=".repeat((4 - padded.len() % 4) % 4);
    Base64::decode_vec(&format!("{padded}{padding}")).map_err(|_| format!("'{base64}' is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn request(kind: Kind, file: Option<&str>) -> Result<Request, String> {
        Ok(Request { kind, file: file.map(str::to_owned) })
    }

    #[test]
    fn the_forms_of_the_command_line() {
        assert_eq!(parse("--genkey"), request(Kind::Secret, None));
        assert_eq!(parse("--genkey secret"), request(Kind::Secret, None));
        for kind in ["secret", "tls-auth", "tls-crypt"] {
            assert_eq!(parse(&format!("--genkey {kind} ta.key")), request(Kind::Secret, Some("ta.key")));
        }
        for line in ["--genkey --secret ta.key", "--secret ta.key --genkey --verb 3"] {
            assert_eq!(parse(line), request(Kind::Secret, Some("ta.key")));
        }
        assert_eq!(parse("--genkey tls-crypt-v2-server s"), request(Kind::TlsCryptV2Server, Some("s")));
        assert_eq!(parse("--genkey auth-token"), request(Kind::AuthToken, None));
        let client = |metadata| Kind::TlsCryptV2Client { server: "s".into(), metadata };
        for (line, metadata) in [
            ("--tls-crypt-v2 s --genkey tls-crypt-v2-client c", None),
            ("--genkey tls-crypt-v2-client c bGFwdG9w --tls-crypt-v2 s", Some(b"laptop".to_vec())),
            ("--genkey tls-crypt-v2-client c bGFw= --tls-crypt-v2 s", Some(b"lap".to_vec())),
        ] {
            assert_eq!(parse(line), request(client(metadata), Some("c")), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        for (line, sentence) in [
            (
                "--genkey ta.key",
                "'ta.key' is not a kind of key (secret, tls-crypt-v2-server, tls-crypt-v2-client, auth-token); a static key into that file: --genkey secret ta.key",
            ),
            ("--genkey secret a b", "'b' is too much"),
            ("--genkey secret a --secret b", "name the file once: --genkey secret FILE"),
            ("--genkey auth-token --secret b", "--secret is for a static key: --genkey KIND FILE"),
            ("--genkey tls-crypt-v2-client c ?? --tls-crypt-v2 s", "'??' is not base64"),
            (
                "--genkey tls-crypt-v2-client c",
                "tls-crypt-v2-client needs the server's key to wrap the client's: --tls-crypt-v2 SERVER-KEY",
            ),
            ("--genkey --tls-crypt-v2", "--tls-crypt-v2 needs the name of a file"),
            ("--genkey --remote x", "'--remote' does not go with --genkey"),
        ] {
            assert_eq!(parse(line), Err(sentence.to_owned()), "{line}");
        }
    }
}
