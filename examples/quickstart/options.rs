//! [`Options`]: the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::Result;

/// What `--help` prints.
pub const HELP: &str = "\
adit quickstart: an OpenVPN tunnel in one process. Needs no root, no TUN device, no OpenVPN.

  quickstart [--mib N]
      makes certificates, starts a server and a client over UDP on this machine, fetches a page
      through the tunnel, transfers N MiB each way (128), and prints what happened

  quickstart --serve [PORT] [--bind ADDRESS:PORT] [--remote HOST] [--profile FILE]
      serves the page at http://10.8.0.1/ to every OpenVPN client that joins with the profile
      that it writes (quickstart.ovpn). Listens on 127.0.0.1:1194 unless told otherwise;
      --remote is the address by which clients find it. Ctrl-C ends it.
";

/// OpenVPN's port.
const PORT: u16 = 1194;

/// What is to be done.
#[derive(Debug)]
pub enum Options {
    /// Print [`HELP`].
    Help,
    /// The whole story, with so many bytes each way.
    Demonstrate { bytes: u64 },
    /// Only the server.
    Serve { bind: SocketAddr, remote: Option<String>, profile: String },
}

impl Options {
    /// Reads the words of a command line, without the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = words.peekable();
        let (mut mib, mut serve, mut bind, mut remote, mut profile) = (None, None, None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => return Ok(Self::Help),
                "--serve" => {
                    let port = words.next_if(|next| !next.starts_with("--"));
                    serve = Some(port.map_or(Ok(PORT), |port| number(&word, &port))?);
                }
                "--mib" => mib = Some(number(&word, &argument(&word, words.next())?)?),
                "--bind" => bind = Some(number(&word, &argument(&word, words.next())?)?),
                "--remote" => remote = Some(argument(&word, words.next())?),
                "--profile" => profile = Some(argument(&word, words.next())?),
                _ => return Err(format!("there is no option {word}; --help lists what there is")),
            }
        }
        match serve {
            None if bind.is_some() || remote.is_some() || profile.is_some() => {
                Err("--bind, --remote and --profile go with --serve".into())
            }
            None => Ok(Self::Demonstrate { bytes: mib.unwrap_or(128) << 20 }),
            Some(port) => Ok(Self::Serve {
                bind: bind.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into()),
                remote,
                profile: profile.unwrap_or_else(|| "quickstart.ovpn".into()),
            }),
        }
    }
}

fn argument(option: &str, word: Option<String>) -> Result<String> {
    word.ok_or_else(|| format!("{option} needs an argument; --help says which"))
}

fn number<T: FromStr>(option: &str, word: &str) -> Result<T> {
    word.parse().map_err(|_| format!("{option} {word}: this is not what --help asks for"))
}
