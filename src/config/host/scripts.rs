//! Commands of the user's that run when something happens, and what they find in their environment.

use alloc::string::String;
use alloc::vec::Vec;

/// `script-security`, and the commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptConfig {
    /// `script-security`
    pub security: ScriptSecurity,
    /// `up`: the device is open and has its addresses.
    pub up: Option<Command>,
    /// `up-delay`: open the device, and run `up`, once the connection is there.
    pub up_delay: bool,
    /// `up-restart`: run `up` and `down` for restarts too that keep the device.
    pub up_restart: bool,
    /// `down`: the device is closed.
    pub down: Option<Command>,
    /// `down-pre`: run `down` before it is closed.
    pub down_pre: bool,
    /// `route-up`: the routes are there.
    pub route_up: Option<Command>,
    /// `route-pre-down`: before the routes are taken away.
    pub route_pre_down: Option<Command>,
    /// `ipchange`: the server's address is known, or another.
    pub ipchange: Option<Command>,
    /// `tls-verify`: may the peer's certificates do?
    pub tls_verify: Option<Command>,
    /// `auth-user-pass-verify`: are name and password right?
    pub auth_user_pass_verify: Option<AuthScript>,
    /// `client-connect`: may the client connect, and with which settings?
    pub client_connect: Option<Command>,
    /// `client-disconnect`: a client has gone.
    pub client_disconnect: Option<Command>,
    /// `learn-address`: an inner address or network is a client's now, or no longer.
    pub learn_address: Option<Command>,
    /// `tmp-dir`: where files for scripts are made.
    pub tmp_dir: Option<String>,
    /// `setenv`, and `setenv-safe` with `OPENVPN_` before the name: in order.
    pub environment: Vec<(String, String)>,
}

/// A command: the program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The words, at least one.
    pub words: Vec<String>,
}

/// `auth-user-pass-verify COMMAND METHOD`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthScript {
    /// The command.
    pub command: Command,
    /// How it gets name and password.
    pub via: CredentialsVia,
}

/// How a script gets name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsVia {
    /// `via-env`: in its environment.
    Environment,
    /// `via-file`: in a file of two lines, its last argument.
    File,
}

/// `script-security`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScriptSecurity {
    /// 0: nothing is run at all.
    None,
    /// 1: only what sets up the network.
    #[default]
    Builtin,
    /// 2: the user's commands too.
    Scripts,
    /// 3: which may find passwords in their environment.
    Passwords,
}
