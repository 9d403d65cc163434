//! `docs/adit.8`, in mdoc.

use std::fmt::Write as _;

use adit::config::{DirectiveClass, DirectiveGroup, DirectiveInfo};

use super::{class, role};

const HEAD: &str = r#".\" Made from the table of directives: adit --print-docs man
.Dd November 28, 2026
.Dt ADIT 8
.Os
.Sh NAME
.Nm adit
.Nd OpenVPN client and server
.Sh SYNOPSIS
.Nm
.Ar file
.Nm
.Fl -config Ar file
.Op Fl -option Op Ar argument ...
.Nm
.Fl -option Op Ar argument ...
.Nm
.Fl -check Ar
.Op Fl -json
.Nm
.Fl -probe Ar file | host port Op Cm udp | tcp
.Op Fl -json
.Nm
.Fl -whois Ar address port protocol time Ar
.Nm
.Fl -genkey Op Ar type Op Ar file
.Nm
.Fl -help Op Ar option
.Nm
.Fl -version
.Sh DESCRIPTION
.Nm
is one end of an OpenVPN tunnel, by OpenVPN's own configuration files and options.
The other end is OpenVPN 2.4 or later, or
.Nm .
.Pp
A directive of a configuration file is an option of the command line with two hyphens before it.
With
.Ar file
as its only argument,
.Nm
reads it as if
.Fl -config
stood before it.
A later directive replaces an earlier one, unless the list below says that several add up.
Files are looked for from the current directory, or from that of
.Fl -cd .
.Pp
A directive that names a file may be a block instead where the list says so:
its text stands between
.Li <ca>
and
.Li </ca> ,
for example.
.Sh TASKS
.Bl -tag -width Ds
.It Fl -check Ar
Reads configurations and the files that they name, and reports every error and every warning with file, line and
column, and what would be right.
Opens no socket or device and changes nothing.
More options may follow, as they would at a start.
With
.Fl -json
the report is for programs.
The exit status is 1 if there is an error, and 0 otherwise, also if there are warnings.
.It Fl -whois Ar address port protocol time Ar
Says by the files of a flow log
.Pq Fl -flow-log ,
the older ones first, which client had that address and port outside, by that protocol, at that time.
.Ql any
stands for a port or protocol that is not known; the time is UTC, like 2026-11-28T12:50:00Z.
The exit status is 0 if somebody had it, 1 if nobody did, and 2 if the question was wrong.
.It Fl -probe Ar file | host port Op Cm udp | tcp
Asks each
.Cm remote
of a client's configuration, or this address, whether an OpenVPN server answers, and tells
.Em answered ,
.Em refused ,
.Em silent
and other services apart, with what can be the cause.
Beside an address,
.Fl -tls-crypt ,
.Fl -tls-auth
and
.Fl -auth
give the key of the control channel.
The exit status is 0 if a server answered that a client with this key can speak to, 1 if none did,
and 2 if the question is wrong.
.It Fl -genkey Op Ar type Op Ar file
Makes a key and writes it to
.Ar file ,
readable by its owner alone, or to standard output:
.Cm secret
for
.Cm tls-auth
and
.Cm tls-crypt ;
.Cm tls-crypt-v2-server ;
.Cm tls-crypt-v2-client Ar file Op Ar metadata ,
which needs
.Fl -tls-crypt-v2 Ar serverkey
and takes metadata in base64;
.Cm auth-token
for
.Cm auth-gen-token-secret .
.It Fl -help Op Ar option
Prints the list of options, or all about one.
.It Fl -version
Prints the version.
.El
.Sh OPTIONS
"#;

const TAIL: &str = r#".Sh SIGNALS
.Bl -tag -width SIGUSR1
.It Dv SIGTERM , SIGINT
Leave, and tell the other end.
.It Dv SIGHUP
Read the configuration again.
One that cannot be used, and a file that can no longer be read, leave the old in force.
.It Dv SIGUSR1
Connect anew.
.It Dv SIGUSR2
Write the status to the log.
.El
.Sh EXIT STATUS
.Nm
exits 0 when it was told to, or when the other end leaves or refuses the login,
and 1 after an error.
.Sh EXAMPLES
A server, once its configuration is found to be right:
.Dl # adit --check server.conf && adit server.conf
.Pp
Why no tunnel comes up:
.Dl $ adit --probe client.ovpn
.Sh SEE ALSO
.Xr ip 8 ,
.Xr openvpn 8
"#;

/// The whole page.
pub(super) fn page() -> String {
    let mut text = HEAD.to_owned();
    for group in DirectiveGroup::all() {
        let described: Vec<DirectiveInfo> = group
            .directives()
            .filter(|directive| matches!(directive.class(), DirectiveClass::Effective))
            .collect();
        if described.is_empty() {
            continue;
        }
        let _ = write!(text, ".Ss {}\n.Bl -tag -width Ds\n", group.title());
        for directive in described {
            item(&mut text, &directive);
        }
        text.push_str(".El\n");
    }
    others(&mut text, "WITHOUT EFFECT", "These are accepted and change nothing:", "no effect");
    others(&mut text, "REFUSED", "These are errors:", "refused");
    text.push_str(TAIL);
    text.lines().map(folded).collect()
}

/// The line, in several where it is a long one of text.
fn folded(line: &str) -> String {
    const WIDTH: usize = 78;
    if line.starts_with('.') {
        return format!("{line}\n");
    }
    let mut text = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        // No word may begin a line and be taken for a macro.
        if length > 0 && length + 1 + word.len() > WIDTH && !word.starts_with(['.', '\'']) {
            text.push('\n');
            length = 0;
        } else if length > 0 {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += word.len();
    }
    text.push('\n');
    text
}

fn item(text: &mut String, directive: &DirectiveInfo) {
    tag(text, directive);
    sentence(text, directive.help());
    let mut remarks = Vec::new();
    match (role(directive), directive.idle_at()) {
        (_, Some(role)) => remarks.push(format!("Without effect at the {role:?}").to_lowercase()),
        ("both", None) => {}
        (role, None) => remarks.push(format!("only at the {role}")),
    }
    remarks.extend(directive.may_be_block().then(|| "may be a block".to_owned()));
    remarks.extend(directive.adds_up().then(|| "several add up".to_owned()));
    if !remarks.is_empty() {
        let remarks = remarks.join("; ");
        let mut letters = remarks.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let remarks: String = first.into_iter().chain(letters).collect();
        let _ = writeln!(text, "({}.)", escape(&remarks));
    }
}

/// The directives of another class, each with its reason.
fn others(text: &mut String, title: &str, introduction: &str, wanted: &str) {
    let _ = write!(text, ".Sh {title}\n{introduction}\n.Bl -tag -width Ds\n");
    for group in DirectiveGroup::all() {
        for directive in group.directives() {
            if let (class, Some(reason)) = class(&directive)
                && class == wanted
            {
                let _ = writeln!(text, ".It Fl -{}", directive.name());
                sentence(text, directive.help());
                let mut letters = reason.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let reason: String = first.into_iter().chain(letters).collect();
                sentence(text, &reason);
            }
        }
    }
    text.push_str(".El\n");
}

fn tag(text: &mut String, directive: &DirectiveInfo) {
    let arguments = escape(directive.arguments());
    if arguments.is_empty() {
        let _ = writeln!(text, ".It Fl -{}", directive.name());
    } else {
        let _ = writeln!(text, ".It Fl -{} Ar {}", directive.name(), quote(&arguments));
    }
}

fn sentence(text: &mut String, sentence: &str) {
    let _ = writeln!(text, "{}.", escape(sentence));
}

/// One argument of a macro.
fn quote(argument: &str) -> String {
    format!("\"{}\"", argument.replace('"', "\\(dq"))
}

/// Text that begins no macro and holds no escape.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace("--", "\\-\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
