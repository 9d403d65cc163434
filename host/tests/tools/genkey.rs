//! Keys by `adit --genkey` serve two stock OpenVPNs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::adit;
use crate::lab::network::{Network, SERVER_IPV4};
use crate::lab::pki::{Keys, Pki};
use crate::lab::place::UP;
use crate::lab::program::Program::Stock;
use crate::lab::program::path;
use crate::lab::{Folder, PATIENCE, run_cases};

struct Case {
    name: &'static str,
    /// The command lines that make the keys.
    keys: &'static [&'static str],
    server: &'static str,
    client: &'static str,
    /// What the client logs once the keys have been used.
    shown: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        name: "tls-auth",
        keys: &["--genkey secret ta.key"],
        server: "tls-auth ta.key 0\n",
        client: "tls-auth ta.key 1\n",
        shown: "Outgoing Control Channel Authentication: Using 160 bit message hash",
    },
    Case {
        name: "tls-crypt by the old form",
        keys: &["--genkey --secret ta.key"],
        server: "tls-crypt ta.key\n",
        client: "tls-crypt ta.key\n",
        shown: UP,
    },
    Case {
        name: "tls-crypt-v2",
        keys: &[
            "--genkey tls-crypt-v2-server server.key",
            "--genkey tls-crypt-v2-client client.key --tls-crypt-v2 server.key",
        ],
        server: "tls-crypt-v2 server.key force-cookie\n",
        client: "tls-crypt-v2 client.key\n",
        shown: UP,
    },
    Case {
        name: "tls-crypt-v2 with metadata, and tokens",
        keys: &[
            "--genkey tls-crypt-v2-server server.key",
            "--tls-crypt-v2 server.key --genkey tls-crypt-v2-client client.key bGFwdG9wIDE=",
            "--genkey auth-token token.key",
        ],
        server: "tls-crypt-v2 server.key\nscript-security 2\ntls-crypt-v2-verify metadata.sh\n\
                 auth-user-pass-verify /bin/true via-file\nauth-gen-token 3600\n\
                 auth-gen-token-secret token.key\n",
        client: "tls-crypt-v2 client.key\nauth-user-pass login\n",
        // In it: the token.
        shown: "auth-token",
    },
];

#[test]
fn stock_openvpn_uses_the_keys() {
    run_cases(&CASES, |case| case.name.to_owned(), Case::run);
}

impl Case {
    fn run(&self) {
        let folder = Folder::new(self.name);
        for line in self.keys {
            let output = adit(folder.path(), &line.split(' ').collect::<Vec<_>>());
            assert!(output.status.success() && output.stdout.is_empty(), "{line}: {output:?}");
        }
        for file in ["ta.key", "server.key", "client.key", "token.key"] {
            if let Ok(metadata) = fs::metadata(folder.path().join(file)) {
                assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
            }
        }
        folder.write("login", "somebody\nsomething\n");
        folder.script("metadata.sh", "[ $metadata_type = 0 ] && [ \"$(cat $metadata_file)\" = 'laptop 1' ]");

        let network = Network::new();
        let pki = Pki::easy_rsa(Keys::Ec);
        let dir = format!("cd {}\n", path(folder.path()));
        let server = format!(
            "{dir}dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\n{}{}",
            pki.directives("server"),
            self.server
        );
        let mut server = Stock.start(&network.server, &folder, "server", &server);
        server.expect_line(UP, PATIENCE);
        let client = format!(
            "{dir}client\ndev tun\nremote {SERVER_IPV4} 1194\nnobind\nverb 4\n{}{}",
            pki.directives("client1"),
            self.client
        );
        let mut client = Stock.start(&network.client, &folder, "client", &client);
        client.expect_line(UP, PATIENCE);
        client.expect_line(self.shown, PATIENCE);
    }
}

#[test]
fn stock_openvpn_reads_what_goes_to_standard_output_and_what_it_replaces() {
    let folder = Folder::new("genkey output");
    let output = adit(folder.path(), &["--genkey", "tls-crypt-v2-server"]);
    assert!(output.status.success());
    // A file that everybody could read.
    let file = folder.write("server.key", "an older, longer content, to be replaced ".repeat(20));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(adit(folder.path(), &["--genkey", "tls-crypt-v2-server", "server.key"]).status.success());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for key in [output.stdout, fs::read(&file).unwrap()] {
        let file = folder.write("key", key);
        // It wraps a client's key by ours.
        crate::lab::run("openvpn", &["--tls-crypt-v2", path(&file), "--genkey", "tls-crypt-v2-client"]);
    }
    let wrong = adit(folder.path(), &["--genkey", "tls-crypt-v2-client", "c", "--tls-crypt-v2", "nowhere"]);
    assert_eq!(wrong.status.code(), Some(1));
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(error, "adit --genkey: cannot read 'nowhere': No such file or directory\n");
}
