//! What the interface says of itself.

/// The version of the interface, which tells clients what they may use.
pub(super) const INTERFACE: u32 = 5;

/// What stands where OpenVPN has its version. Monitors look for its three numbers, so the release whose behaviour this
/// one follows comes first.
pub(crate) fn version() -> String {
    format!(
        "OpenVPN 2.6.14 compatible [adit {} {}-{}]",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

pub(super) fn greeting() -> String {
    format!(">INFO:OpenVPN Management Interface Version {INTERFACE} -- type 'help' for more info")
}

/// The commands, for people.
pub(super) const HELP: &str = "\
auth-retry             : what happens after a login that is refused
bytecount N            : tell the bytes in and out every N seconds; 0 tells no more
client-kill CID [TEXT] : end the session of the client with this number, and send it TEXT (RESTART, HALT)
echo [on|off] [N|all]  : what the server has pushed by 'echo', as it comes or as it came
exit, quit             : leave
explain CN IP [P [N]]  : what would become of a packet from the client CN to IP, by protocol P to port N, and why
flows [CN]             : the flows through the router, those of the client CN or all
forget-passwords       : forget the passwords that were entered
help                   : this list
hold [on|off|release]  : show or set whether every start waits; let one go on that waits
kill NAME              : end the sessions of the clients with this common name
kill ADDRESS:PORT      : end the session of the client that comes from there
load-stats             : the number of clients, and the bytes of all together
log [on|off] [N|all]   : the log as it is written, or its last lines
mute [N]               : show or set 'mute'
nclients               : the number of clients
password KIND TEXT     : the password that is asked for
pid                    : the process id
remote-entry-count     : the number of remotes
remote-entry-get I [J] : remote number I, or those from I to before J, or 'all'
signal NAME            : SIGHUP, SIGINT, SIGTERM, SIGUSR1 or SIGUSR2
state [on|off] [N|all] : the states of the tunnel as they come, or the last of them
status [N]             : the status, in version N of its form
test N                 : N lines
username KIND TEXT     : the user name that is asked for
verb [N]               : show or set 'verb'
version [N]            : the versions; with N, what the client understands
whois IP [N [P [TIME]]]: which client had the outside address IP, and its port N, by protocol P, now or at TIME";
