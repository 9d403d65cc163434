//! `docs/migration.md`, line by line: its commands are run on two machines, and print what the page says.
//!
//! A block of the page belongs to the machine that the comment before it names. A line that begins with `# ` is a
//! command; the lines behind it are its output, `...` standing for any text. Commands of systemd are left out, since
//! there is none here: what the page writes for it is compared with Debian's units instead.

use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::lab::network::{Namespace, Network, SERVER_IPV4};
use crate::lab::pki::{Keys, Pki};
use crate::lab::program::Program::Adit;
use crate::lab::program::path;
use crate::lab::{Folder, Turn, wait_until};

const PAGE: &str = include_str!("../../../docs/migration.md");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/guide-2016");
const UNITS: &str = "/usr/lib/systemd/system";

/// A command and what it prints.
#[derive(Debug)]
struct Step {
    server: bool,
    command: String,
    output: Vec<String>,
}

/// The steps of the page in order.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(machine) = line.strip_prefix("<!-- on the ").and_then(|rest| rest.strip_suffix(" -->"))
        else {
            assert!(!line.starts_with("```"), "on which machine is this block? {line}");
            continue;
        };
        assert_eq!(lines.next(), Some("```console"));
        let server = machine == "server";
        assert!(server || machine == "client", "{machine}");
        // What a here-document holds is part of its command.
        let mut document = false;
        for line in lines.by_ref().take_while(|line| *line != "```") {
            match (line.strip_prefix("# "), steps.last_mut()) {
                (Some(command), _) if !document => {
                    document = command.ends_with("<<'END'");
                    steps.push(Step { server, command: command.into(), output: Vec::new() });
                }
                (_, Some(step)) if document => {
                    step.command = format!("{}\n{line}", step.command);
                    document = line != "END";
                }
                (_, Some(step)) => step.output.push(line.into()),
                (_, None) => panic!("output of which command? {line}"),
            }
        }
    }
    steps
}

#[test]
fn the_page_is_true() {
    let _turn = Turn::wait();
    let network = Network::new();
    let folders = ["migration server", "migration client"].map(Folder::new);
    for folder in &folders {
        furnish(folder);
    }
    let mut server = Machine::start(&network.server, &folders[0]);
    let mut client = Machine::start(&network.client, &folders[1]);
    let steps = steps();
    assert!(steps.len() > 20, "{} steps", steps.len());
    for step in steps.iter().filter(|step| !step.command.starts_with("systemctl ")) {
        let machine = if step.server { &mut server } else { &mut client };
        let mut printed = String::new();
        let mut status = String::new();
        let mut run = || {
            (printed, status) = machine.run(&step.command);
            matches(&step.output, &printed)
        };
        // What prints something may have to wait for it; what prints nothing is done at once, and well. OpenVPN warns of
        // the guide's comp-lzo.
        let done = if step.output.is_empty() {
            let warns = |line: &str| step.command.starts_with("openvpn ") && line.contains(" WARNING: ");
            run() && printed.lines().all(warns) && status == "0"
        } else {
            wait_until(Duration::from_secs(60), run)
        };
        assert!(
            done,
            "# {}\nprints\n{printed}\nand not\n{}\nand exits with {status}",
            step.command,
            step.output.join("\n")
        );
    }
    for (folder, unit) in [(&folders[0], "openvpn-server@.service"), (&folders[1], "openvpn-client@.service")]
    {
        let written = fs::read_to_string(folder.path().join(format!("systemd/{unit}.d/adit.conf"))).unwrap();
        let debian = fs::read_to_string(format!("{UNITS}/{unit}")).unwrap();
        let command = |text: &str| {
            let line = text.lines().rfind(|line| line.starts_with("ExecStart=")).unwrap();
            line.replace("/usr/local/sbin/adit ", "/usr/sbin/openvpn ")
        };
        assert_eq!(command(&written), command(&debian));
    }
}

/// Puts the guide's files where the page looks for them.
fn furnish(folder: &Folder) {
    let pki = Pki::easy_rsa(Keys::Rsa);
    for (name, file) in [
        ("ca.crt", pki.ca()),
        ("server.crt", pki.certificate("server")),
        ("server.key", pki.key("server")),
        ("client1.crt", pki.certificate("client1")),
        ("client1.key", pki.key("client1")),
        // adit does without; OpenVPN, at the end, does not.
        ("dh2048.pem", "/usr/share/doc/openvpn/examples/sample-keys/dh2048.pem".into()),
    ] {
        let file = folder.write(name, fs::read(file).unwrap());
        crate::lab::run("chmod", &["600", path(&file)]);
    }
    for (name, text) in [("server.conf", "final-server.conf"), ("client.conf", "final-client.conf")] {
        let text = fs::read_to_string(format!("{FIXTURES}/{text}")).unwrap();
        folder.write(name, text.replace("X.X.X.X", SERVER_IPV4));
    }
    fs::create_dir(folder.path().join("systemd")).unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(Adit.executable(), folder.path().join("bin/adit")).unwrap();
}

/// Whether the lines of `expected` are printed one behind the other. A lone `...`, and one that begins a line, stand for
/// any lines before; behind the last, there may be more.
fn matches(expected: &[String], printed: &str) -> bool {
    let mut lines = printed.lines();
    let mut skip = false;
    expected.iter().all(|pattern| {
        if pattern == "..." {
            skip = true;
            return true;
        }
        let anywhere = core::mem::take(&mut skip) || pattern.starts_with("...");
        if anywhere {
            lines.any(|line| fits(pattern, line))
        } else {
            lines.next().is_some_and(|line| fits(pattern, line))
        }
    })
}

/// Whether the parts of `pattern` between its `...` are in `line`, in order.
fn fits(pattern: &str, line: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (pattern, line) = (squeeze(pattern), squeeze(line));
    let mut rest = line.as_str();
    for (index, part) in pattern.split("...").map(str::trim).enumerate() {
        let Some(at) = rest.find(part) else { return false };
        if index == 0 && at > 0 {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    pattern.ends_with("...") || rest.is_empty()
}

/// A shell in a namespace, where a folder is `/etc/openvpn`. What it has started ends with it.
struct Machine {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Machine {
    fn start(namespace: &Namespace, folder: &Folder) -> Self {
        let mut shell = Command::new("ip")
            .args(["netns", "exec", namespace.name()])
            // A process namespace of its own: daemons end with their machine.
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("ip: {error}; `./test` installs it"));
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let mut machine = Self { shell, input, output };
        let directory = Path::new(path(folder.path()));
        let (printed, status) = machine.run(&format!(
            "exec 2>&1 && mount --bind {0} /etc/openvpn && mount --bind {0}/systemd /etc/systemd/system && \
             PATH=$PATH:{0}/bin",
            directory.display()
        ));
        assert_eq!(status, "0", "{printed}");
        machine
    }

    /// Runs a command line to its end; what it prints, and its exit status.
    fn run(&mut self, command: &str) -> (String, String) {
        const END: &str = "-- end of the command, with status ";
        writeln!(self.input, "{command}\necho \"{END}$?\"").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the shell has ended: {command}: {printed}"
            );
            if let Some(status) = line.strip_prefix(END) {
                return (printed, status.trim_end().to_owned());
            }
            printed += &line;
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
