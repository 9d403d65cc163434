//! Debian's own unit files of OpenVPN, with nothing but the program's path changed: started, hung up and stopped as
//! systemd does it. systemd itself need not run; what the units demand of it is done here by hand.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use lab::network::{Namespace, Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::place::UP;
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::program::path;
use lab::{Folder, PATIENCE, Turn, receive, run, traffic, wait_until};
use rustix::process::Signal;

/// Where the package has put them.
const UNITS: &str = "/lib/systemd/system";
/// What `%i` stands for.
const INSTANCE: &str = "lab";
const READY: &str = "READY=1\nSTATUS=Pre-connection initialization successful\nMAINPID=";

/// The settings of a unit file that matter here.
struct Unit {
    text: String,
}

impl Unit {
    fn read(name: &str) -> Self {
        let file = Path::new(UNITS).join(name);
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; `./test` installs it", file.display()));
        let unit = Self { text };
        // What `start` does, and does not, rests on these.
        assert_eq!(unit.setting("Type"), Some("notify"));
        assert_eq!(unit.setting("KillMode"), Some("process"));
        assert_eq!(unit.setting("User"), None);
        unit
    }

    /// The value of `NAME=`.
    fn setting(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// The same, which must be there.
    fn must(&self, name: &str) -> &str {
        self.setting(name).unwrap_or_else(|| panic!("no {name}= in\n{}", self.text))
    }

    /// The words of `ExecStart=` without the program, expanded.
    fn args(&self) -> Vec<String> {
        let line = self.must("ExecStart");
        let (program, args) = line.split_once(' ').unwrap();
        assert_eq!(program, "/usr/sbin/openvpn");
        args.split(' ').map(|word| word.replace("%i", INSTANCE).replace("%t", "/run")).collect()
    }

    /// `setpriv --bounding-set`'s words for the capabilities.
    fn bounding_set(&self) -> String {
        let names = self.must("CapabilityBoundingSet").split_whitespace();
        let names = names.map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()));
        format!("-all{}", names.collect::<String>())
    }
}

/// A unit that runs.
struct Service {
    process: Process,
    manager: UnixDatagram,
    folder: Folder,
}

impl Service {
    /// Starts `unit` with `program`, in a mount namespace where `/etc/openvpn` holds `configuration` as the instance's
    /// file in `place`, the runtime folders are empty, and `/dev` holds what the unit allows.
    fn start(namespace: &Namespace, program: Program, unit: &str, place: &str, configuration: &str) -> Self {
        let folder = Folder::new(&format!("{unit} {program:?} {}", namespace.name()));
        let unit = Unit::read(unit);
        let inside = |name: &str| folder.path().join(name);
        for name in ["etc/server", "etc/client", "run", "dev/net"] {
            fs::create_dir_all(inside(name)).unwrap();
        }
        fs::write(inside("etc").join(place).join(format!("{INSTANCE}.conf")), configuration).unwrap();
        for (device, minor) in
            [("null", "3"), ("zero", "5"), ("full", "7"), ("random", "8"), ("urandom", "9")]
        {
            run("mknod", &[path(&inside("dev").join(device)), "c", "1", minor]);
        }
        run("mknod", &[path(&inside("dev/net/tun")), "c", "10", "200"]);
        for allowed in unit.text.lines().filter_map(|line| line.strip_prefix("DeviceAllow=")) {
            let device = allowed.split(' ').next().unwrap();
            assert!(inside("dev").join(device.trim_start_matches("/dev/")).exists(), "{device}");
        }
        let manager = UnixDatagram::bind(inside("manager")).unwrap();
        // As systemd's own: for everybody.
        fs::set_permissions(inside("manager"), fs::Permissions::from_mode(0o777)).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();

        let directory = unit.setting("WorkingDirectory").unwrap_or("/");
        let limit = unit.setting("LimitNPROC").map(|limit| format!("ulimit -u {limit}"));
        let bind = |from: &str, to: &str| format!("mount --bind {} {to}", path(&inside(from)));
        let script = [
            "set -e".to_owned(),
            bind("etc", "/etc/openvpn"),
            // The package makes them at boot. The machine's own /run stays as it is.
            "mount -t tmpfs tmpfs /run".to_owned(),
            "mkdir -p /run/openvpn /run/openvpn-server /run/openvpn-client".to_owned(),
            bind("run", "/run/openvpn"),
            bind("run", "/run/openvpn-server"),
            bind("run", "/run/openvpn-client"),
            bind("dev", "/dev"),
            format!("cd {directory}"),
            limit.unwrap_or_default(),
            format!("export NOTIFY_SOCKET={}", path(&inside("manager"))),
            format!("exec setpriv --bounding-set={} -- \"$@\"", unit.bounding_set()),
        ]
        .join("\n");
        let executable = match program {
            Stock => PathBuf::from("/usr/sbin/openvpn"),
            Adit => PathBuf::from(Adit.executable()),
        };
        let args = unit.args();
        let mut words = vec!["--mount", "bash", "-c", &script, "bash", path(&executable)];
        words.extend(args.iter().map(String::as_str));
        let process = Process::start(namespace, folder.path(), "service", "unshare", &words);
        Self { process, manager, folder }
    }

    /// Waits for a message to the manager that begins like this; the rest of it.
    fn hear(&self, beginning: &str) -> String {
        loop {
            let message = receive(&self.manager).unwrap_or_else(|error| {
                panic!("{error}, while waiting for {beginning:?}\n{}", self.process.log())
            });
            if let Some(rest) = message.strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    /// Waits until the service is started; its main process is the one that was executed.
    fn expect_start(&self, program: Program) {
        let pid = self.hear(READY);
        let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        let name = executable.file_name().unwrap().to_string_lossy();
        assert!(name.starts_with(if program == Adit { "adit" } else { "openvpn" }), "{name}");
    }

    fn run_file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("run").join(name)).unwrap_or_default()
    }
}

fn server_text() -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    format!(
        "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nkeepalive 1 4\n\
         explicit-exit-notify 1\nifconfig-pool-persist ipp.txt\ndh none\nverb 3\npersist-key\npersist-tun\n\
         user nobody\ngroup nogroup\n{pki}"
    )
}

fn client_text() -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("client1");
    format!("client\nremote {SERVER_IPV4} 1194\ndev tun\nremote-cert-tls server\nverb 3\n{pki}")
}

#[test]
fn the_server_and_client_units_start_hang_up_and_stop() {
    for (serves, connects) in [(Adit, Stock), (Stock, Adit)] {
        let _turn = Turn::wait();
        let network = Network::new();
        let mut server =
            Service::start(&network.server, serves, "openvpn-server@.service", "server", &server_text());
        server.expect_start(serves);
        let mut client =
            Service::start(&network.client, connects, "openvpn-client@.service", "client", &client_text());
        client.expect_start(connects);
        client.hear(&format!("STATUS={UP}"));
        traffic::ping(&network.client, "10.8.0.1");
        // `--suppress-timestamps`, and the program's own exit.
        assert!(client.process.log().lines().any(|line| line == UP), "{}", client.process.log());
        // `--status-version 2`
        let status = || server.run_file("status-lab.log");
        let is_version_2 = |text: &str| {
            text.starts_with("TITLE,OpenVPN 2.6") && text.contains("\nHEADER,CLIENT_LIST,Common Name,")
        };
        assert!(wait_until(PATIENCE, || is_version_2(&status())), "{}", status());

        // `systemctl kill -s HUP`: what is adit's here comes back by itself.
        let hung_up = if serves == Adit { &server } else { &client };
        hung_up.process.signal(Signal::HUP);
        hung_up.expect_start(Adit);
        assert!(wait_until(PATIENCE, || client.process.count(UP) == 2), "{}", client.process.log());
        traffic::ping(&network.client, "10.8.0.1");

        // `systemctl stop`
        for service in [&mut client, &mut server] {
            service.process.signal(Signal::TERM);
            assert!(service.process.expect_exit(PATIENCE).success());
            let log = service.process.log();
            assert!(log.trim_end().ends_with("received, process exiting"), "{log}");
        }
    }
}

#[test]
fn the_unit_with_a_daemon_stays_the_managers_child() {
    let _turn = Turn::wait();
    let network = Network::new();
    for program in [Stock, Adit] {
        let mut server = Service::start(&network.server, program, "openvpn@.service", "", &server_text());
        server.expect_start(program);
        server.hear(&format!("STATUS={UP}"));
        let pid = server.run_file("lab.pid");
        assert!(fs::read_to_string(format!("/proc/{}/comm", pid.trim_end())).is_ok(), "{pid}");
        assert!(wait_until(PATIENCE, || server.run_file("lab.status").starts_with("OpenVPN CLIENT LIST\n")));
        server.process.signal(Signal::TERM);
        assert!(server.process.expect_exit(PATIENCE).success());
    }
}

#[test]
fn a_unit_that_cannot_start_fails() {
    let _turn = Turn::wait();
    let network = Network::new();
    for program in [Stock, Adit] {
        let text = server_text().replace("server 10.8", "sever 10.8");
        let mut server = Service::start(&network.server, program, "openvpn-server@.service", "server", &text);
        assert_eq!(server.process.expect_exit(PATIENCE).code(), Some(1));
    }
}
