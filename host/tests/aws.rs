//! A profile of an AWS Client VPN endpoint, against stock OpenVPN set up like the endpoint.
//!
//! The profile is used as the user has it: downloaded, with certificate and key appended. The endpoint's name is
//! answered by a DNS server of the lab.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::time::Duration;
use std::fs;
use std::path::Path;

use rustix::process::Signal;

use lab::names::NameServer;
use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki, Purpose};
use lab::place::UP;
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::program::path;
use lab::{Folder, PATIENCE, Turn, traffic};

const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/aws/endpoint.ovpn");
const HOST: &str = "cvpn-endpoint-0123456789abcdef0.prod.clientvpn.ap-northeast-1.amazonaws.com";
/// What the profile wants the server to be called.
const SERVER: &str = "actmotech.local";

/// The endpoint: it runs, and its name resolves.
struct Endpoint {
    _turn: Turn,
    process: Process,
    names: NameServer,
    folder: Folder,
    network: Network,
}

impl Endpoint {
    /// Starts it; `auth_script` decides on logins.
    fn start(case: &str, auth_script: &str) -> Self {
        let turn = Turn::wait();
        let folder = Folder::new(case);
        let network = Network::new();
        let script = folder.script("verify", auth_script);
        let pki = pki();
        // Split tunnel: routes to the VPC, and the directory's DNS servers. A pool of /22.
        let text = format!(
            "port 443\nproto udp\ndev tun\ntopology subnet\nserver 10.100.0.0 255.255.252.0\ndh none\n\
             cipher AES-256-GCM\nreneg-sec 0\nkeepalive 10 60\nverb 3\nscript-security 2\ntmp-dir {}\n\
             auth-user-pass-verify {} via-file\npush \"route 172.31.0.0 255.255.0.0\"\n\
             push \"dhcp-option DNS 172.31.0.10\"\npush \"dhcp-option DNS 172.31.16.10\"\n{}",
            path(folder.path()),
            script,
            pki.directives(SERVER),
        );
        let mut process = Stock.start(&network.server, &folder, "server", &text);
        process.expect_line(UP, PATIENCE);
        let names = NameServer::start(&network, SERVER_IPV4.parse().unwrap());
        Self { _turn: turn, process, names, folder, network }
    }

    /// The profile, completed by the user: `auth-user-pass` with a file, if one is given.
    fn profile(&self, login: Option<&Path>) -> String {
        let pki = pki();
        let profile = fs::read_to_string(PROFILE).unwrap();
        let (begin, end) = (profile.find("<ca>").unwrap(), profile.find("</ca>").unwrap());
        let ca = fs::read_to_string(pki.ca()).unwrap();
        let mut text = format!("{}<ca>\n{ca}{}", &profile[..begin], &profile[end..]);
        if let Some(login) = login {
            text = text.replace("\nauth-user-pass\n", &format!("\nauth-user-pass {}\n", path(login)));
        }
        for (tag, file) in [("cert", pki.certificate("client1")), ("key", pki.key("client1"))] {
            text += &format!("\n<{tag}>\n{}</{tag}>\n", fs::read_to_string(file).unwrap());
        }
        text
    }

    fn login_file(&self) -> std::path::PathBuf {
        self.folder.write("login", "alice\ncorrect horse\n")
    }

    fn connect(&self, program: Program) -> Process {
        let text = self.profile(Some(&self.login_file()));
        program.start(&self.network.client, &self.folder, "client", &text)
    }

    /// The tunnel works, and only what is meant for it goes through it.
    fn check_tunnel(&mut self, client: &mut Process) {
        client.expect_line(UP, PATIENCE);
        client
            .expect_line("[actmotech.local] Peer Connection Initiated with [AF_INET]192.0.2.1:443", PATIENCE);
        self.process.expect_line("Username/Password authentication succeeded for username 'alice'", PATIENCE);
        traffic::ping(&self.network.client, "10.100.0.1");
        let routes = self.network.client.run("ip", &["-4", "route"]);
        assert!(routes.contains("172.31.0.0/16 via 10.100.0.1 dev tun0"), "{routes}");
        assert!(routes.contains("10.100.0.0/22 dev tun0"), "{routes}");
        assert!(!routes.contains("default") && !routes.contains("0.0.0.0/1"), "{routes}");
        let fresh = self.names.asked().into_iter().find_map(|name| {
            let label = name.strip_suffix(HOST)?.strip_suffix('.')?.to_owned();
            (label.len() == 12 && label.chars().all(|digit| digit.is_ascii_hexdigit())).then_some(label)
        });
        assert!(fresh.is_some(), "remote-random-hostname: {:?}", self.names.asked());
    }
}

fn pki() -> Pki {
    let pki = Pki::easy_rsa(Keys::Rsa);
    pki.issue(Purpose::Server, SERVER);
    pki
}

/// Takes alice's password.
const PASSWORD: &str = "printf 'alice\\ncorrect horse\\n' | cmp -s - \"$1\"";

#[test]
fn a_login_by_file() {
    for program in [Stock, Adit] {
        let mut endpoint = Endpoint::start(&format!("aws file {program:?}"), PASSWORD);
        let mut client = endpoint.connect(program);
        endpoint.check_tunnel(&mut client);
        if program == Adit {
            client.expect_line("DNS: names are resolved by 172.31.0.10, 172.31.16.10 by ", PATIENCE);
        }
    }
}

#[test]
fn a_login_at_the_terminal() {
    let mut endpoint = Endpoint::start("aws terminal", PASSWORD);
    let file = endpoint.folder.write("client.conf", endpoint.profile(None));
    let command = format!("{} {}", Adit.executable(), path(&file));
    let mut client =
        Process::start_at_terminal(&endpoint.network.client, endpoint.folder.path(), "client", &command);
    client.expect_line("Enter Auth Username: ", PATIENCE);
    client.enter("alice");
    client.expect_line("Enter Auth Password: ", PATIENCE);
    client.enter("correct horse");
    endpoint.check_tunnel(&mut client);
    assert!(!client.log().contains("correct horse"), "the password shows at the terminal");
}

#[test]
fn a_wrong_password_ends_it() {
    let mut endpoint = Endpoint::start("aws wrong", "exit 1");
    let mut client = endpoint.connect(Adit);
    client.expect_line("authentication failed", PATIENCE);
    client.expect_line("SIGTERM[soft,auth-failure] received, process exiting", PATIENCE);
    assert!(client.expect_exit(PATIENCE).success());
    endpoint.process.expect_line("Auth Username/Password verification failed for peer", PATIENCE);
}

/// A directory with a second factor asks for it by a dynamic challenge.
#[test]
fn a_challenge_is_refused_by_name() {
    let challenge = "CRV1:R,E:Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l:YWxpY2U=:Enter your one-time code";
    let script = format!("echo '{challenge}' > \"$auth_failed_reason_file\"; exit 1");
    let mut endpoint = Endpoint::start("aws challenge", &script);
    let mut client = endpoint.connect(Adit);
    client.expect_line(
        "authentication failed: the server asks for a second factor by dynamic challenge (CRV1), which is not \
         supported yet",
        PATIENCE,
    );
    assert!(client.expect_exit(PATIENCE).success());
    endpoint.process.expect_line("SENT CONTROL [client1]: 'AUTH_FAILED,CRV1:", PATIENCE);
}

/// Without an answer of the DNS the client says so, and goes on trying (`resolv-retry infinite`).
#[test]
fn a_name_that_does_not_resolve_is_said() {
    let endpoint = Endpoint::start("aws name", PASSWORD);
    let text = endpoint.profile(Some(&endpoint.login_file()));
    let text = text.replace(HOST, "endpoint.invalid..");
    let mut client = Adit.start(&endpoint.network.client, &endpoint.folder, "client", &text);
    client.expect_line("RESOLVE: Cannot resolve host address: ", PATIENCE);
    client.signal(Signal::TERM);
    client.expect_exit(Duration::from_secs(10));
    assert_eq!(endpoint.process.count("TLS: Initial packet"), 0);
}
