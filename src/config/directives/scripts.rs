//! The user's commands, and what they find in their environment.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::directive::{Directive, Places};
use super::super::draft::Draft;
use super::super::host::{AuthScript, Command, CredentialsVia, ScriptSecurity};
use super::super::lexer;
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, text};
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("script-security", "LEVEL", value!(host.scripts.security, security)),
    Directive::new("up", "COMMAND", some!(host.scripts.up, command)),
    Directive::new("up-delay", "", flag!(host.scripts.up_delay)).only(Role::Client),
    Directive::new("up-restart", "", flag!(host.scripts.up_restart)),
    Directive::new("down", "COMMAND", some!(host.scripts.down, command)),
    Directive::new("down-pre", "", flag!(host.scripts.down_pre)),
    Directive::new("route-up", "COMMAND", some!(host.scripts.route_up, command)),
    Directive::new("route-pre-down", "COMMAND", some!(host.scripts.route_pre_down, command)),
    Directive::new("ipchange", "COMMAND", some!(host.scripts.ipchange, spaced_command)).only(Role::Client),
    Directive::new("tls-verify", "COMMAND", some!(host.scripts.tls_verify, spaced_command)),
    Directive::new("auth-user-pass-verify", "COMMAND via-env|via-file", auth_user_pass_verify)
        .only(Role::Server),
    Directive::new("client-connect", "COMMAND", some!(host.scripts.client_connect, command))
        .only(Role::Server),
    Directive::new("client-disconnect", "COMMAND", some!(host.scripts.client_disconnect, command))
        .only(Role::Server),
    Directive::new("learn-address", "COMMAND", some!(host.scripts.learn_address, command)).only(Role::Server),
    Directive::new("tmp-dir", "DIRECTORY", some!(host.scripts.tmp_dir, text)),
    Directive::new("setenv", "NAME [VALUE]", setenv).repeats(),
    Directive::new("setenv-safe", "NAME [VALUE]", setenv_safe).also(Places::PUSH).repeats(),
];

fn security(word: &str) -> Result<ScriptSecurity, String> {
    match word {
        "0" => Ok(ScriptSecurity::None),
        "1" => Ok(ScriptSecurity::Builtin),
        "2" => Ok(ScriptSecurity::Scripts),
        "3" => Ok(ScriptSecurity::Passwords),
        _ => Err(format!("'{word}' is not a level from 0 to 3")),
    }
}

/// A command with its arguments, in one word of the directive.
pub(super) fn command(word: &str) -> Result<Command, String> {
    let words =
        lexer::split(word).map_err(|error| format!("column {} of the command: {error}", error.column))?;
    let words: Vec<String> = words.into_iter().map(|word| word.text).collect();
    if words.is_empty() { Err("the command is empty".into()) } else { Ok(Command { words }) }
}

/// The same in an older form, in which commas stand for blanks.
fn spaced_command(word: &str) -> Result<Command, String> {
    command(&word.replace(',', " "))
}

fn auth_user_pass_verify(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let command = statement.get(1, command)?;
    let via = statement.get(2, |word| match word {
        "via-env" => Ok(CredentialsVia::Environment),
        "via-file" => Ok(CredentialsVia::File),
        _ => Err(format!("'{word}' is not via-env or via-file")),
    })?;
    draft.host.scripts.auth_user_pass_verify = Some(AuthScript { command, via });
    Ok(())
}

/// Some names are not for scripts, but for peers or for us.
fn setenv(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = statement.get(1, variable)?;
    let value = statement.word(2).unwrap_or_default().to_string();
    // Some names are settings, in the manner of other clients.
    match (name.as_str(), statement.word(2)) {
        ("REMOTE_RANDOM_HOSTNAME", None) => {
            draft.host.remote_random_hostname = true;
            return Ok(());
        }
        ("PUSH_PEER_INFO", None) => {
            draft.client.push_peer_info = true;
            return Ok(());
        }
        ("SERVER_POLL_TIMEOUT", Some(_)) => {
            draft.connection.connect_timeout = Some(statement.get(2, |word| values::seconds(word, 1))?);
            return Ok(());
        }
        ("GENERIC_CONFIG", _) => {
            let clause = "this configuration is a template: fill it in and take this line out";
            return Err(statement.complain(1, clause));
        }
        ("FORWARD_COMPATIBLE", Some("1")) => draft.forward_compatible = true,
        _ if name.starts_with("UV_") || name == "IV_GUI_VER" || name == "IV_SSO" => {
            draft.client.peer_info.push((name.clone(), value.clone()));
        }
        _ => {}
    }
    draft.host.scripts.environment.push((name, value));
    Ok(())
}

fn setenv_safe(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = format!("OPENVPN_{}", statement.get(1, variable)?);
    let value = statement.word(2).unwrap_or_default().to_string();
    draft.host.scripts.environment.push((name, value));
    Ok(())
}

/// As OpenVPN does it: what a shell could not name by its own name gets underscores.
fn variable(word: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = word.chars().map(|c| if fine(c) { c } else { '_' }).collect();
    if name.is_empty() { Err("'' is no name for a variable".into()) } else { Ok(name) }
}
