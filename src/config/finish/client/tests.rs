use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{
    AuthUserPass, ClientConfig, HostConfig, Parsed, Profile, Proxy, ProxyLogin, RoleConfig, WrapConfig,
};
use crate::path::Transport;

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    Ok(match path {
        "login" => b"joe\nsecret\n".to_vec(),
        "name" => b"joe\n\n".to_vec(),
        _ => path.as_bytes().to_vec(),
    })
}

fn parse(text: &str) -> Parsed {
    let text = format!("client\ndev tun\nca ca.crt\ncert a.crt\nkey a.key\n{text}");
    Profile::parse("x.conf", text.as_bytes(), &mut read_file)
}

fn client(text: &str) -> (ClientConfig, HostConfig) {
    let parsed = parse(text);
    match parsed.profile {
        Some(Profile { role: RoleConfig::Client(client), host }) => (client, host),
        _ => panic!("not a client: {:?}", parsed.diagnostics),
    }
}

/// The last thing that is found.
fn finding(text: &str) -> String {
    parse(text).diagnostics.last().expect("a finding").to_string()
}

#[test]
fn blocks_have_what_stands_in_them_and_before_them() {
    let (client, _) = client(
        "connect-timeout 9\ntls-auth ta.key 1\n\
         <connection>\nremote one 1 udp\nfloat\ntls-crypt tc.key\n</connection>\n\
         <connection>\nremote two 2 tcp\nconnect-timeout 3\nhttp-proxy proxy 8080 login\n</connection>\n\
         remote three 3 udp\n",
    );
    let [one, two] = &client.remotes[..] else { panic!("{:?}", client.remotes) };
    assert_eq!((one.host.as_str(), one.port, one.transport), ("one", 1, Transport::Udp));
    assert_eq!((two.host.as_str(), two.port, two.transport), ("two", 2, Transport::Tcp));
    assert!(one.connection.float && !two.connection.float);
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!((one.connection.connect_timeout, two.connection.connect_timeout), (seconds(9), seconds(3)));
    assert!(matches!(two.connection.wrap, Some(WrapConfig::TlsAuth { direction: Some(1), .. })));
    assert!(one.connection.proxy.is_none());
    let Some(Proxy::Http(http)) = &two.connection.proxy else { panic!("{two:?}") };
    assert!(matches!(&http.login, ProxyLogin::Given(login) if login.username == "joe"));
}

#[test]
fn how_to_log_in_at_a_proxy() {
    let login = |text: &str| {
        let (client, _) = client(&format!("remote vpn 443 tcp\n{text}\n"));
        match client.remotes[0].connection.proxy.clone() {
            Some(Proxy::Http(http)) => http.login,
            Some(Proxy::Socks(socks)) => socks.login,
            None => panic!("no proxy: {text}"),
        }
    };
    let inline = "<http-proxy-user-pass>\nann\npw\n</http-proxy-user-pass>";
    assert_eq!(login("http-proxy p 8080"), ProxyLogin::Off);
    assert_eq!(login("http-proxy p 8080 auto"), ProxyLogin::Ask);
    assert_eq!(login("socks-proxy p"), ProxyLogin::Off);
    assert_eq!(login("socks-proxy p 1080 stdin"), ProxyLogin::Ask);
    assert!(matches!(login("socks-proxy p 1080 login"), ProxyLogin::Given(login) if login.username == "joe"));
    let text = format!("http-proxy p 8080 login basic\n{inline}");
    assert!(matches!(login(&text), ProxyLogin::Given(login) if login.username == "ann"), "the block wins");
    assert_eq!(login(&format!("http-proxy p 8080 auto-nct\n{inline}")), ProxyLogin::Off);
    assert!(
        finding("remote vpn 443 tcp\nhttp-proxy p 8080 auto-nct\n").contains("'auto-nct' leaves no login")
    );
}

#[test]
fn what_proxies_cannot() {
    for (text, expected) in [
        ("remote vpn 1194 udp\nhttp-proxy p 8080\n", "x.conf:6:1: remote: this is UDP"),
        ("remote vpn 443 tcp\nhttp-proxy p 8080 login ntlm\n", "NTLM is not supported"),
        ("remote vpn 443 tcp\nhttp-proxy p 8080 login digest\n", "'digest' is not none or basic"),
    ] {
        assert!(finding(text).contains(expected), "{}", finding(text));
    }
}

#[test]
fn where_the_login_comes_from() {
    for (text, file) in [
        ("auth-user-pass name", Some("name")),
        ("auth-user-pass login\nauth-retry interact", Some("login")),
        ("auth-user-pass login\nauth-nocache", Some("login")),
        ("auth-user-pass", None),
    ] {
        let (client, host) = client(&format!("remote vpn\n{text}\n"));
        assert!(matches!(client.auth_user_pass, AuthUserPass::Ask), "{text}");
        assert_eq!(host.auth_user_pass_file.as_deref(), file, "{text}");
        assert_eq!(client.auth_nocache, text.contains("nocache"));
    }
    let (client, host) = client("remote vpn\nauth-user-pass login\nauth-retry nointeract\n");
    assert!(matches!(client.auth_user_pass, AuthUserPass::Given(_)));
    assert_eq!(host.auth_user_pass_file, None);
}

#[test]
fn what_the_server_is_told_of_us() {
    let told = |text: &str| {
        let (client, _) = client(&format!("remote vpn\nsetenv UV_A 1\nsetenv IV_GUI_VER gui\n{text}"));
        client.peer_info.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(told(""), ["IV_GUI_VER"]);
    assert_eq!(told("push-peer-info\n"), ["UV_A", "IV_GUI_VER"]);
    assert_eq!(told("setenv PUSH_PEER_INFO\n"), ["UV_A", "IV_GUI_VER"]);
}

#[test]
fn proto_force_leaves_the_remotes_of_that_protocol() {
    let remotes = "remote one 1 udp\nremote two 2 tcp\n<connection>\nremote three 3 tcp\n</connection>\n";
    let (client, _) = client("remote one 1 udp\nremote two 2 tcp\nproto-force tcp\n");
    let hosts: Vec<_> = client.remotes.iter().map(|remote| remote.host.as_str()).collect();
    assert_eq!(hosts, ["two"]);
    assert!(
        finding(&format!("{remotes}proto-force udp\n")).contains("there is no 'remote' of this protocol")
    );
}
