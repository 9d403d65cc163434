//! What goes beyond questions and answers: holding, logins, signals, several clients, and such as mean harm.

use core::time::Duration;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::lab::console::Console;
use super::lab::program::Program::{Adit, Stock};
use super::lab::program::path;
use super::lab::{PATIENCE, run, wait_until};
use super::{PORT, Place, UP};

fn interface() -> String {
    format!("management 127.0.0.1 {PORT}\n")
}

#[test]
fn a_client_holds_asks_for_a_login_and_tells_its_states() {
    let place = Place::new("login");
    // The name is on the first line of the file, the password on the second.
    let check = place.script("check", "[ \"$(sed -n 2p \"$1\")\" = tip-top-secret ]");
    let verify = format!("script-security 2\nauth-user-pass-verify {check} via-file\n");
    let _server = place.serve(Stock, &verify);
    let more = format!(
        "{}management-hold\nmanagement-query-passwords\nauth-user-pass\nauth-retry interact\n",
        interface()
    );
    let mut client = place.start_client(Adit, &more);
    let mut console = Console::tcp(&place.network.client, PORT);
    console.expect(">INFO:OpenVPN Management Interface Version 5 ");
    console.expect(">HOLD:Waiting for hold release:0");
    assert_eq!(
        console.ask("status"),
        ["ERROR: The 'status' command is not supported by the current daemon mode"]
    );
    assert_eq!(console.ask("state on"), ["SUCCESS: real-time state notification set to ON"]);
    assert_eq!(console.ask("hold release"), ["SUCCESS: hold release succeeded"]);
    console.expect(">PASSWORD:Need 'Auth' username/password");
    // Whoever comes later is asked too.
    let mut second = Console::tcp(&place.network.client, PORT);
    second.expect(">PASSWORD:Need 'Auth' username/password");
    let wrong = ["ERROR: password of type 'Private Key' entered, but we need one of type 'Auth'"];
    assert_eq!(second.ask("password \"Private Key\" x"), wrong);
    assert_eq!(
        second.ask("username \"Auth\" \"al \\\"ice\""),
        ["SUCCESS: 'Auth' username entered, but not yet verified"]
    );
    let entered = ["SUCCESS: 'Auth' password entered, but not yet verified"];
    assert_eq!(console.ask("password Auth wrong"), entered);
    console.expect(">PASSWORD:Verification Failed: 'Auth'");
    assert!(console.expect(">STATE:").ends_with(",RECONNECTING,auth-failure,,,,,"));
    console.expect(">HOLD:Waiting for hold release:");
    console.ask("hold release");
    console.expect(">PASSWORD:Need 'Auth' username/password");
    console.ask("username Auth alice");
    assert_eq!(console.ask("password Auth tip-top-secret"), entered);
    let mut states = Vec::new();
    while !states.last().is_some_and(|state: &String| state.starts_with("CONNECTED,")) {
        states.push(console.expect(">STATE:").split_once(',').unwrap().1.to_owned());
    }
    let names: Vec<&str> = states.iter().map(|state| state.split(',').next().unwrap()).collect();
    assert_eq!(names, ["WAIT", "AUTH", "ASSIGN_IP", "CONNECTED"]);
    assert_eq!(states[2], "ASSIGN_IP,,10.8.0.2,,,,,fd00:8::1000");
    assert_eq!(states[3], "CONNECTED,SUCCESS,10.8.0.2,192.0.2.1,1194,,,fd00:8::1000");

    // The flag holds each new beginning; the log keeps the secret.
    assert_eq!(console.ask("signal SIGUSR1"), ["SUCCESS: signal SIGUSR1 thrown"]);
    assert!(console.expect(">STATE:").ends_with(",RECONNECTING,SIGUSR1,,,,,"));
    console.expect(">HOLD:Waiting for hold release:");
    console.ask("hold off");
    console.ask("hold release");
    while !console.expect(">STATE:").contains(",CONNECTED,SUCCESS,") {}
    console.send("signal SIGTERM");
    assert!(console.rest().contains(",EXITING,SIGTERM,,,,,"));
    assert!(client.expect_exit(PATIENCE).success());
    assert!(!client.log().contains("tip-top") && client.count("MANAGEMENT: CMD 'password [...]'") == 3);
}

#[test]
fn several_clients_are_served_and_each_follows_what_it_wants() {
    let place = Place::new("several");
    let mut server = place.serve(Adit, "management server.sock unix\n");
    let socket = place.folder.path().join("server.sock");
    let [mut first, mut second] = [Console::unix(&socket), Console::unix(&socket)];
    first.ask("log on");
    second.ask("bytecount 1");
    let _client = place.connect(Stock, "");
    first.expect(">LOG:");
    assert!(first.expect(">LOG:").split(',').count() >= 3);
    let counts = second.expect(">BYTECOUNT_CLI:0,");
    let (bytes_in, bytes_out) = counts.rsplit_once(':').unwrap().1[2..].split_once(',').unwrap();
    assert!(bytes_in.parse::<u64>().is_ok() && bytes_out.parse::<u64>().is_ok(), "{counts}");
    assert!(second.notices.iter().all(|notice| !notice.starts_with(">LOG:")));

    // They survive a restart, and one that leaves takes nobody with it.
    second.ask("state on");
    first.ask("signal SIGHUP");
    assert!(second.expect(">STATE:").contains(",RECONNECTING,SIGHUP,"));
    while !second.expect(">STATE:").contains(",CONNECTED,SUCCESS,10.8.0.1,") {}
    first.send("exit");
    first.rest();
    assert!(wait_until(PATIENCE, || server.count("MANAGEMENT: Client disconnected") == 1));
    assert!(wait_until(PATIENCE, || second.ask("nclients") == ["SUCCESS: nclients=1"]));
    second.send("signal SIGTERM");
    assert!(second.rest().contains(",EXITING,SIGTERM,"));
    assert!(server.expect_exit(PATIENCE).success());
    assert!(!socket.exists());
}

#[test]
fn who_means_harm_gets_nowhere() {
    let place = Place::new("harm");
    place.folder.write("password", "open sesame\nignored\n");
    let server = place.serve(Adit, &format!("management 0.0.0.0 {PORT} password\n"));
    assert_eq!(server.count("WARNING: anybody on the network"), 0);
    let dial = || Console::tcp(&place.network.server, PORT);

    let mut thief = dial();
    thief.expect_text("ENTER PASSWORD:");
    thief.send_raw(b"open\nopen sesame \nsesame\nopen sesame\nsignal SIGTERM\n");
    assert!(!thief.rest().contains("SUCCESS"));
    let mut browser = dial();
    browser.send_raw(b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nopen sesame\r\nsignal SIGTERM\r\n");
    assert!(!browser.rest().contains("SUCCESS"));

    let mut friend = dial();
    friend.expect_text("ENTER PASSWORD:");
    friend.send("open sesame");
    friend.expect("SUCCESS: password is correct");
    friend.expect(">INFO:");
    friend.send_raw(&[b'x'; 100_000]);
    assert_eq!(friend.ask("\nverb"), ["ERROR: the command line is too long", "SUCCESS: verb=3"]);

    // One that never reads is let go; the others do not notice.
    let mut deaf = dial();
    deaf.send("open sesame");
    let started = std::time::Instant::now();
    while server.count("does not read what it asked for") == 0 && started.elapsed() < PATIENCE {
        deaf.send_raw("test 1000\n".repeat(64).as_bytes());
        assert_eq!(friend.ask("nclients"), ["SUCCESS: nclients=0"]);
    }
    assert_eq!(server.count("does not read what it asked for"), 1);
    assert_eq!(server.count("client connection rejected after 3 failed password attempts"), 1);
    assert_eq!(server.count("speaks another protocol"), 1);

    // More than there is room for.
    let crowd: Vec<Console> = (0..20).map(|_| dial()).collect();
    assert!(wait_until(PATIENCE, || server.count("has to make room for another client") >= 5));
    drop(crowd);
    assert_eq!(friend.ask("nclients"), ["SUCCESS: nclients=0"]);
}

/// A folder that every user may enter, removed when dropped.
struct Open(PathBuf);

impl Open {
    fn new() -> Self {
        let open = Self(std::env::temp_dir().join(format!("adit-user-{}", std::process::id())));
        fs::create_dir(&open.0).unwrap();
        fs::set_permissions(&open.0, fs::Permissions::from_mode(0o755)).unwrap();
        open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn only_the_user_that_is_named_may_use_the_socket() {
    let place = Place::new("user");
    // Where anybody gets to.
    let open = Open::new();
    let socket = open.0.join("socket");
    let directives = format!("management {} unix\nmanagement-client-user nobody\n", path(&socket));
    let server = place.serve(Adit, &directives);
    assert_eq!(Console::unix(&socket).rest(), "");
    let rejected = "unix domain socket client connection rejected: user 0";
    assert!(wait_until(PATIENCE, || server.count(rejected) == 1));
    let script = "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print scalar <$s>";
    let args =
        ["--reuid", "nobody", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", script, path(&socket)];
    let greeting = run("setpriv", &args);
    assert!(greeting.starts_with(">INFO:OpenVPN Management Interface"), "{greeting}");
}

#[test]
fn a_client_of_its_manager_ends_with_it() {
    let place = Place::new("manager");
    let manager = place.network.server.inside(|| std::net::TcpListener::bind(("127.0.0.1", PORT))).unwrap();
    let mut server = place.start_server(Adit, &format!("{}management-client\n", interface()));
    let (mut stream, _) = manager.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    server.expect_line(UP, PATIENCE);
    let mut greeting = [0; 6];
    std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    assert_eq!(&greeting, b">INFO:");
    drop(stream);
    assert!(server.expect_exit(PATIENCE).success());
    // Without a manager it does not begin.
    drop(manager);
    let mut server = place.start_server(Adit, &format!("{}management-client\n", interface()));
    assert!(!server.expect_exit(PATIENCE).success());
    assert_eq!(
        server.count("management-client: cannot connect to [AF_INET]127.0.0.1:7505: Connection refused"),
        1
    );
}

#[test]
fn a_client_that_leaves_raises_a_signal_and_kill_ends_sessions() {
    let place = Place::new("signal");
    let server = place.serve(Adit, &format!("{}management-signal\n", interface()));
    let client = place.connect(Stock, "connect-retry 1 1\n");
    let mut console = Console::tcp(&place.network.server, PORT);
    assert!(wait_until(PATIENCE, || console.ask("nclients") == ["SUCCESS: nclients=1"]));
    assert_eq!(console.ask("client-kill 0 RESTART"), ["SUCCESS: client-kill command succeeded"]);
    assert!(wait_until(PATIENCE, || client.count("Connection reset command was pushed by server") == 1));
    assert!(wait_until(PATIENCE, || client.count(UP) == 2));
    let address = |console: &mut Console| {
        let status = console.ask("status 2");
        let row = status.iter().find(|line| line.starts_with("CLIENT_LIST,client1,")).cloned();
        row.map(|row| row.split(',').nth(2).unwrap().to_owned())
    };
    let mut from = None;
    assert!(wait_until(PATIENCE, || {
        from = address(&mut console);
        from.is_some()
    }));
    let from = from.unwrap();
    let killed = console.ask(&format!("kill {from}"));
    assert_eq!(killed, [format!("SUCCESS: 1 client(s) at address {from} killed")]);
    drop(console);
    assert!(wait_until(PATIENCE, || server.count("SIGUSR1[hard,] received, process restarting") == 1));
    assert!(wait_until(PATIENCE, || server.count(UP) == 2));
}

/// How long the process has had the processor, in ticks of 10 ms.
fn ticks(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn clients_that_break_off_leave_the_process_at_rest() {
    let place = Place::new("broken");
    for (directives, tcp) in [("management broken.sock unix\n".to_owned(), false), (interface(), true)] {
        let server = place.serve(Adit, &directives);
        let socket = place.folder.path().join("broken.sock");
        let dial = || match tcp {
            true => Console::tcp(&place.network.server, PORT),
            false => Console::unix(&socket),
        };
        let mut friend = dial();
        let pid = friend.ask("pid").remove(0).replace("SUCCESS: pid=", "");
        const TIMES: usize = 10;
        for _ in 0..TIMES {
            if tcp {
                // Its last word is a reset, with the answer still on its way.
                let stream = place.network.server.inside(|| TcpStream::connect(("127.0.0.1", PORT))).unwrap();
                (&stream).write_all(b"status\n").unwrap();
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            } else {
                drop(UnixStream::connect(&socket).unwrap());
            }
        }
        // What was said by one that is gone counts nevertheless.
        let mut hasty = dial();
        hasty.send("verb 4");
        drop(hasty);
        assert!(wait_until(PATIENCE, || server.count("MANAGEMENT: Client disconnected") == TIMES + 1));
        assert!(wait_until(PATIENCE, || friend.ask("verb") == ["SUCCESS: verb=4"]));
        let before = ticks(&pid);
        std::thread::sleep(Duration::from_secs(2));
        let spent = ticks(&pid) - before;
        assert!(spent < 50, "{spent} ticks in two seconds of nothing");
        assert_eq!(dial().ask("nclients"), ["SUCCESS: nclients=0"]);
    }
}
