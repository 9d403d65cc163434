//! The command as a process: the background, its log, giving up root, hang-ups afterwards, the service manager.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki, Purpose};
use lab::place::{Place, UP};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::program::path;
use lab::{PATIENCE, receive, run, run_unchecked, traffic, wait_until};
use rustix::process::{Pid, Signal, kill_process};

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self, more: &str) -> Process {
        self.start_at_server(Adit, "server", &server_text(more))
    }

    /// Debian's client.
    fn connect(&self) -> Process {
        self.up_at_client(Stock, "client", &client_text(""))
    }
}

fn server_text(more: &str) -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    format!(
        "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nkeepalive 1 4\n\
         explicit-exit-notify 1\ndh none\nverb 3\n{pki}{more}"
    )
}

fn client_text(more: &str) -> String {
    lab::place::client_text(&format!("remote {SERVER_IPV4} 1194\n{more}"))
}

/// A process that is nobody's child here. Killed when dropped.
struct Daemon(Pid);

impl Daemon {
    fn of(pid_file: &Path) -> Self {
        let text = fs::read_to_string(pid_file).unwrap();
        Self(Pid::from_raw(text.trim_end().parse().unwrap()).unwrap())
    }

    fn lives(&self) -> bool {
        Path::new("/proc").join(self.0.as_raw_nonzero().to_string()).exists()
    }

    /// What `/proc/PID/NAME` says.
    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.as_raw_nonzero())).unwrap()
    }

    fn link(&self, name: &str) -> PathBuf {
        fs::read_link(format!("/proc/{}/{name}", self.0.as_raw_nonzero())).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_daemon_leaves_its_pid_and_ends_tidily() {
    let place = Place::new("daemon");
    let more = "daemon\nwritepid server.pid\nlog server-file.log\nnice 3\nmlock\nscript-security 2\n\
                up \"/bin/echo said by a script\"\n";
    let mut foreground = place.serve(more);
    assert!(foreground.expect_exit(PATIENCE).success());
    let daemon = Daemon::of(&place.path("server.pid"));
    let log = || place.file("server-file.log");
    assert!(wait_until(PATIENCE, || log().contains(UP)), "{}", log());
    assert!(log().contains("\nsaid by a script tun0 1500 "), "{}", log());
    assert!(log().contains("nice 3 succeeded") && log().contains("mlockall call succeeded"), "{}", log());
    // The pid, the parent, the group, the session, ..., and as the 19th field the niceness.
    let stat = daemon.proc("stat");
    let ours = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = |stat: &str| -> Vec<i64> {
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        // Without the state, which is a letter.
        rest.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(i64::MAX)).collect()
    };
    let (stat, ours) = (fields(&stat), fields(&ours));
    assert_eq!(stat[2], i64::from(daemon.0.as_raw_nonzero().get()));
    assert_eq!(stat[15], (ours[15] + 3).min(19));
    assert_eq!(daemon.link("fd/0"), Path::new("/dev/null"));
    assert!(
        daemon.link("fd/1").ends_with("server-file.log") && daemon.link("fd/2").ends_with("server-file.log")
    );
    assert_eq!(fs::metadata(place.path("server-file.log")).unwrap().permissions().mode() & 0o777, 0o600);
    let _client = place.connect();
    traffic::ping(&place.network.client, "10.8.0.1");

    daemon.signal(Signal::TERM);
    assert!(wait_until(PATIENCE, || !daemon.lives()));
    assert!(log().ends_with("SIGTERM[hard,] received, process exiting\n"), "{}", log());
    assert!(!place.path("server.pid").exists());
}

#[test]
fn what_is_wrong_is_told_before_the_background() {
    let place = Place::new("not-a-daemon");
    for (more, sentence) in [
        ("daemon\nno-such-directive\n", "no-such-directive"),
        ("daemon\nwritepid /no/pid\n", "writepid: there is no directory '/no'"),
        ("daemon\nwritepid /proc/pid\n", "writepid: cannot write /proc/pid: "),
        ("daemon\nstatus /proc/status\n", "status: cannot write /proc/status"),
    ] {
        let mut foreground = place.serve(&format!("log-append server.log\n{more}"));
        assert_eq!(foreground.expect_exit(PATIENCE).code(), Some(1), "{more}");
        assert_eq!(foreground.count(sentence), 1, "{more}: {}", foreground.log());
    }
}

#[test]
fn a_daemon_asks_for_the_password_while_there_is_a_terminal() {
    let place = Place::new("password");
    let script = place.script("verify", "[ \"$username\" = alice ] && [ \"$password\" = secret ]");
    let more = format!("script-security 3\nauth-user-pass-verify {script} via-env\n");
    let text = server_text(&more);
    let mut server = Stock.start(&place.network.server, &place.folder, "server", &text);
    server.expect_line(UP, PATIENCE);
    let text = client_text("auth-user-pass\ndaemon\nwritepid client.pid\nlog client-file.log\n");
    let file = place.folder.write("client.conf", text);
    let command = format!("{} {}", Adit.executable(), path(&file));
    let (namespace, folder) = (&place.network.client, place.folder.path());
    let mut terminal = Process::start_at_terminal(namespace, folder, "client", &command);
    terminal.expect_line("Enter Auth Username: ", PATIENCE);
    terminal.enter("alice");
    terminal.expect_line("Enter Auth Password: ", PATIENCE);
    terminal.enter("secret");
    assert!(terminal.expect_exit(PATIENCE).success());
    let daemon = Daemon::of(&place.path("client.pid"));
    let log = || place.file("client-file.log");
    assert!(wait_until(PATIENCE, || log().contains(UP)), "{}", log());
    // It is asked no more.
    daemon.signal(Signal::HUP);
    assert!(wait_until(PATIENCE, || log().matches(UP).count() == 2), "{}", log());

    let mut terminal = Process::start_at_terminal(namespace, folder, "again", &command);
    terminal.expect_line("Enter Auth Username: ", PATIENCE);
    terminal.enter("\u{3}");
    assert!(!terminal.expect_exit(PATIENCE).success());
    assert!(wait_until(PATIENCE, || log().contains("SIGINT has ended the question")), "{}", log());
}

#[test]
fn a_daemon_without_a_file_logs_to_the_system() {
    let place = Place::new("syslog");
    let devices = place.path("dev");
    fs::create_dir(&devices).unwrap();
    run("mknod", &[path(&devices.join("null")), "c", "1", "3"]);
    let system = UnixDatagram::bind(devices.join("log")).unwrap();
    system.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = server_text("").replace("dev tun\n", "dev null\n");
    let text = format!("{text}daemon ovpn-lab\nwritepid server.pid\n");
    let file = place.folder.write("server.conf", text);
    let command =
        format!("mount --bind {} /dev && exec {} {}", path(&devices), Adit.executable(), path(&file));
    let words = ["--mount", "sh", "-c", &command];
    let mut foreground =
        Process::start(&place.network.server, place.folder.path(), "server", "unshare", &words);
    assert!(foreground.expect_exit(PATIENCE).success());
    let daemon = Daemon::of(&place.path("server.pid"));
    let ident = format!(" ovpn-lab[{}]: ", daemon.0.as_raw_nonzero());
    loop {
        let line = receive(&system).unwrap();
        // Facility daemon, severity notice.
        assert!(line.starts_with("<29>"), "{line}");
        if let Some((_, text)) = line.split_once(&ident)
            && text == UP
        {
            break;
        }
    }
    assert_eq!(foreground.log(), "");
}

#[test]
fn a_server_that_has_given_up_root_can_be_hung_up() {
    let place = Place::new("unreadable");
    // Keys that are root's alone, beside a configuration that everybody may read.
    let pki = Pki::easy_rsa(Keys::Ec);
    let key = place.folder.write("server.key", fs::read(pki.key("server")).unwrap());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    // A port that is root's is bound again at each hang-up.
    let more =
        "key server.key\nuser nobody\ngroup nogroup\npersist-tun\nlocal * 1194 udp\nlocal * 443 tcp-server\n";
    let mut server = place.serve(&format!("{more}push \"route 10.1.0.0 255.255.0.0\"\n"));
    server.expect_line(UP, PATIENCE);
    let client = place.connect();
    assert_eq!(client.count("route 10.1.0.0 255.255.0.0"), 1);

    let other = server_text(&format!("{more}push \"route 10.2.0.0 255.255.0.0\"\n"));
    place.folder.write("server.conf", other);
    server.signal(Signal::HUP);
    server.expect_line(
        "WARNING: cannot read server.key any more (Permission denied): what it held stays in force",
        PATIENCE,
    );
    assert!(wait_until(PATIENCE, || server.count(UP) == 2), "{}", server.log());
    // What can be read is in force.
    assert!(wait_until(PATIENCE, || client.count("route 10.2.0.0 255.255.0.0") == 1), "{}", client.log());
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    traffic::ping(&place.network.client, "10.8.0.1");

    // A key that is not the certificate's would stop the server: it goes on with what it has.
    fs::write(&key, fs::read(pki.key("client1")).unwrap()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    server.signal(Signal::HUP);
    server.expect_line("WARNING: the configuration stays as it was", PATIENCE);
    assert!(wait_until(PATIENCE, || server.count(UP) == 3), "{}", server.log());
    assert!(wait_until(PATIENCE, || client.count(UP) == 3), "{}", client.log());
    traffic::ping(&place.network.client, "10.8.0.1");
}

#[test]
fn a_server_in_an_empty_directory_can_be_hung_up() {
    let place = Place::new("chroot");
    fs::create_dir(place.path("jail")).unwrap();
    let more = "chroot jail\nuser nobody\ngroup nogroup\npersist-tun\nstatus status 1\n\
                ifconfig-pool-persist leases 1\nwritepid server.pid\n";
    let mut server = place.serve(more);
    server.expect_line("chroot to 'jail' and cd to '/' succeeded", PATIENCE);
    server.expect_line(UP, PATIENCE);
    let pid = Daemon::of(&place.path("server.pid"));
    assert_eq!(pid.link("root"), place.path("jail"));
    let status = pid.proc("status");
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Groups:\t65534 ",
        "CapPrm:\t0000000000001000",
        "CapInh:\t0000000000000000",
    ] {
        assert!(status.contains(&format!("\n{line}\n")), "{status}");
    }
    let client = place.connect();
    assert!(wait_until(PATIENCE, || place.file("status").contains("\nclient1,192.0.2.2:")));
    assert!(wait_until(PATIENCE, || place.file("leases").starts_with("client1,10.8.0.2")));

    server.signal(Signal::HUP);
    for name in ["server.conf", "server.key", "ca.crt"] {
        server.expect_line(&format!("{name} any more (No such file or directory)"), PATIENCE);
    }
    assert!(wait_until(PATIENCE, || server.count(UP) == 2), "{}", server.log());
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    traffic::ping(&place.network.client, "10.8.0.1");
    assert!(wait_until(PATIENCE, || place.file("status").contains("\n10.8.0.2,client1,")));
    // The directory has nothing of ours in it.
    assert_eq!(fs::read_dir(place.path("jail")).unwrap().count(), 0);
    server.signal(Signal::TERM);
    assert!(server.expect_exit(PATIENCE).success());
}

#[test]
fn a_revocation_list_is_read_again_when_it_has_changed() {
    let place = Place::new("crl");
    let pki = Pki::easy_rsa(Keys::Ec);
    // Each run has another: what is revoked stays so.
    let name = format!("leaver-{}", std::process::id());
    pki.issue(Purpose::Client, &name);
    fs::create_dir(place.path("jail")).unwrap();
    let write = |list: &[u8]| {
        fs::write(place.path("jail/crl.new"), list).unwrap();
        fs::rename(place.path("jail/crl.new"), place.path("jail/crl.pem")).unwrap();
    };
    write(&pki.list_revocations());
    // Its path is one in the jail.
    let more = "chroot jail\nuser nobody\ngroup nogroup\npersist-tun\ncrl-verify crl.pem\n";
    let mut server = place.serve(more);
    server.expect_line(UP, PATIENCE);
    let text = client_text("").replace("client1", &name);
    let mut leaver = Stock.start(&place.network.client, &place.folder, "leaver", &text);
    leaver.expect_line(UP, PATIENCE);

    pki.revoke(&name);
    write(&pki.list_revocations());
    drop(place.connect());
    server.expect_line("CRL: loaded again from file /crl.pem", PATIENCE);
    // Both the session that there is and the next one.
    let refusal = format!("the peer's certificate (CN={name}) is revoked (crl-verify)");
    server.expect_line(&refusal, PATIENCE);

    // What is no list leaves the one before in force.
    write(b"nonsense");
    drop(place.connect());
    server.expect_line("the list from before stays in force", PATIENCE);
    let refused = server.count(&refusal);
    drop(leaver);
    let _leaver = Stock.start(&place.network.client, &place.folder, "leaver", &text);
    assert!(wait_until(PATIENCE, || server.count(&refusal) > refused), "{}", server.log());
    fs::remove_file(place.path("jail/crl.pem")).unwrap();
    drop(place.connect());
    server.expect_line("crl-verify: cannot read /crl.pem: No such file or directory; the list", PATIENCE);
}

#[test]
fn the_service_manager_hears_of_everything() {
    let place = Place::new("notify");
    let manager = UnixDatagram::bind(place.path("manager")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || receive(&manager).unwrap();
    // The manager watches the process that it has started: that stays in the foreground.
    let file = place.folder.write("server.conf", server_text("daemon\nlog server.log\nremap-usr1 SIGHUP\n"));
    let socket = format!("NOTIFY_SOCKET={}", path(&place.path("manager")));
    let words = [socket.as_str(), Adit.executable(), path(&file)];
    let mut server = Process::start(&place.network.server, place.folder.path(), "server", "env", &words);
    let ready =
        |text: &str| text.starts_with("READY=1\nSTATUS=Pre-connection initialization successful\nMAINPID=");
    assert!(ready(&hear()));
    assert_eq!(hear(), format!("STATUS={UP}"));
    server.signal(Signal::USR1);
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(ready(&hear()));
    assert_eq!(hear(), format!("STATUS={UP}"));
    server.expect_line("SIGHUP[hard,] received, process restarting", PATIENCE);
    server.signal(Signal::INT);
    assert_eq!(hear(), "STOPPING=1");
    assert!(server.expect_exit(PATIENCE).success());
}

#[test]
fn each_level_of_verb_shows_more() {
    let place = Place::new("verb");
    // From this level on each is there, and not before.
    let levels = [
        (1, UP),
        (1, "[client1] Peer Connection Initiated with [AF_INET]192.0.2.2:"),
        (2, "VERIFY OK: depth=0, CN=client1"),
        (2, "Control Channel: TLSv1.3"),
        (3, "SENT CONTROL [client1]: 'PUSH_REPLY,"),
        (3, "MULTI: primary virtual IP for client1/192.0.2.2:"),
        (4, " us="),
        (5, "R"),
    ];
    for verb in 0..=5 {
        let mut server = place.serve(&format!("verb {verb}\nwritepid server.pid\n"));
        assert!(wait_until(PATIENCE, || place.path("server.pid").exists()));
        drop(place.connect());
        server.signal(Signal::TERM);
        assert!(server.expect_exit(PATIENCE).success());
        let log = server.log();
        for (from, text) in levels {
            let there = match from {
                // Letters for packets, in a line of their own or before the next line.
                5 => log.lines().any(|line| line.starts_with(['R', 'W', 'r', 'w'])),
                _ => log.contains(text),
            };
            assert_eq!(there, verb >= from, "verb {verb}: {text}\n{log}");
        }
        if verb == 0 {
            assert_eq!(log, "");
        }
    }
}

#[test]
fn errors_go_to_standard_error_where_that_is_wanted() {
    let place = Place::new("stderr");
    let text = server_text("").replace("dev tun\n", "dev null\n");
    let file = place.folder.write("server.conf", text);
    for (option, to_stderr) in [(None, false), (Some("--errors-to-stderr"), true)] {
        let words = ["--config", path(&file), "--status", "/proc/no-status"];
        let output = run_unchecked(Adit.executable(), &[&words[..], option.as_slice()].concat());
        assert_eq!(output.status.code(), Some(1));
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let sentence = "ERROR: status: cannot write /proc/no-status";
        assert_eq!((out.contains(sentence), err.contains(sentence)), (!to_stderr, to_stderr), "{out}{err}");
        assert!(out.contains("Exiting due to fatal error"), "{out}");
    }
}

#[test]
fn the_exit_status_is_openvpns() {
    let place = Place::new("status");
    let script = place.script("verify", "exit 1");
    let login = place.folder.write("login", "alice\nsecret\n");
    let text = server_text(&format!("script-security 2\nauth-user-pass-verify {script} via-file\n"));
    let mut server = Stock.start(&place.network.server, &place.folder, "server", &text);
    server.expect_line(UP, PATIENCE);
    let login = format!("auth-user-pass {}\n", path(&login));
    for (more, status) in [
        (login.as_str(), 0),
        ("ca /no/ca.crt\n", 1),
        ("no-such-directive\n", 1),
        ("port 1195\nproto tcp\nconnect-retry-max 1\n", 1),
    ] {
        for program in [Stock, Adit] {
            let text = client_text(more).replace("192.0.2.1 1194", "192.0.2.1");
            let mut client = program.start(&place.network.client, &place.folder, "client", &text);
            let code = client.expect_exit(PATIENCE).code();
            assert_eq!(code, Some(status), "{program:?}, {more}{}", client.log());
        }
    }
}

#[test]
fn the_log_is_bare_where_it_is_wanted_so() {
    let place = Place::new("bare");
    let mut server = place.serve("suppress-timestamps\n");
    server.expect_line(UP, PATIENCE);
    assert!(server.log().lines().any(|line| line == UP), "{}", server.log());
    server.signal(Signal::INT);
    assert!(server.expect_exit(PATIENCE).success());
    assert_eq!(server.log().lines().last(), Some("SIGINT[hard,] received, process exiting"));

    let mut server = place.serve("machine-readable-output\n");
    server.expect_line(UP, PATIENCE);
    server.expect_line(&format!(" 1 {UP}"), Duration::ZERO);
}
