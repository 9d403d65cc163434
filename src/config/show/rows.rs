//! The table of all lines, in OpenVPN's order.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::Value::{self, File, Fixed, Flag, Lines, Number, Of, Text};
use super::{View, connection, enabled, flags, lists, quoted, server};
use crate::config::host::{LogTarget, Remapped, StatusVersion};
use crate::config::session::{CertRole, VerifyX509Name};

const UNDEF: &str = "'[UNDEF]'";
const DISABLED: &str = "DISABLED";

/// The most arguments of a directive in OpenVPN, and so the length of some lists.
const ARGUMENTS: usize = 16;

#[rustfmt::skip]
pub(super) const ROWS: &[(&str, Value)] = &[
    ("config", Of(|view| quoted(view.draft.config.as_deref()))),
    ("mode", Of(|view| u8::from(view.server().is_some()).to_string())),
    ("persist_config", Fixed(DISABLED, 1)),
    ("persist_mode", Fixed("1", 1)),
    ("show_ciphers", Fixed(DISABLED, 1)),
    ("show_digests", Fixed(DISABLED, 1)),
    ("show_engines", Fixed(DISABLED, 1)),
    ("genkey", Fixed(DISABLED, 1)),
    ("genkey_filename", Fixed(UNDEF, 1)),
    ("key_pass_file", Of(|view| prompted(view, "askpass"))),
    ("show_tls_ciphers", Fixed(DISABLED, 1)),
    ("connect_retry_max", Number("connect-retry-max", 1, 0)),
    ("", Lines(connection::connections)),
    ("remote_random", Flag("remote-random")),
    ("ipchange", Of(|view| spaced(view, "ipchange"))),
    ("dev", Of(|view| quoted(Some(view.word("dev", 1).unwrap_or("tun"))))),
    ("dev_type", Text("dev-type")),
    ("dev_node", Text("dev-node")),
    ("tuntap_options.disable_dco", Fixed("ENABLED", 1)),
    ("lladdr", Text("lladdr")),
    ("topology", Of(server::topology)),
    ("ifconfig_local", Of(|view| server::ifconfig(view).0)),
    ("ifconfig_remote_netmask", Of(|view| server::ifconfig(view).1)),
    ("ifconfig_noexec", Of(|view| enabled(view.host().ifconfig_noexec))),
    ("ifconfig_nowarn", Flag("ifconfig-nowarn")),
    ("ifconfig_ipv6_local", Of(|view| server::ifconfig_ipv6(view).0)),
    ("ifconfig_ipv6_netbits", Of(|view| server::ifconfig_ipv6(view).1)),
    ("ifconfig_ipv6_remote", Of(|view| server::ifconfig_ipv6(view).2)),
    ("shaper", Number("shaper", 1, 0)),
    ("mtu_test", Of(|view| u8::from(view.has("mtu-test")).to_string())),
    ("mlock", Of(|view| enabled(view.host().process.mlock))),
    ("keepalive_ping", Number("keepalive", 1, 0)),
    ("keepalive_timeout", Number("keepalive", 2, 0)),
    ("inactivity_timeout", Number("inactive", 1, 0)),
    ("session_timeout", Number("session-timeout", 1, 0)),
    ("inactivity_minimum_bytes", Number("inactive", 2, 0)),
    ("ping_send_timeout", Of(|view| seconds(view.session().ping))),
    ("ping_rec_timeout", Of(|view| seconds(ping_timeout(view)))),
    ("ping_rec_timeout_action", Of(ping_action)),
    ("ping_timer_remote", Flag("ping-timer-rem")),
    ("remap_sigusr1", Of(|view| match view.host().process.remap_usr1 {
        None => "0",
        Some(Remapped::Sighup) => "1",
        Some(Remapped::Sigterm) => "15",
    }.into())),
    ("persist_tun", Of(|view| enabled(view.host().persist_tun))),
    ("persist_local_ip", Of(|view| enabled(view.host().persist_local_ip))),
    ("persist_remote_ip", Of(|view| enabled(view.host().persist_remote_ip))),
    ("persist_key", Of(|view| enabled(view.host().persist_key))),
    ("passtos", Of(|view| enabled(view.host().sockets.passtos))),
    // OpenVPN's infinity.
    ("resolve_retry_seconds", Of(|view| view.host().resolv_retry.map_or(1_000_000_000, |time| time.as_secs()).to_string())),
    ("resolve_in_advance", Of(|view| enabled(view.has("preresolve") || view.has("ip-remote-hint")))),
    ("username", Of(|view| quoted(view.host().process.user.as_deref()))),
    ("groupname", Of(|view| quoted(view.host().process.group.as_deref()))),
    ("chroot_dir", Text("chroot")),
    ("cd_dir", Of(|view| quoted(view.host().process.cd.as_deref()))),
    ("writepid", Text("writepid")),
    ("up_script", Text("up")),
    ("down_script", Text("down")),
    ("down_pre", Of(|view| enabled(view.host().scripts.down_pre))),
    ("up_restart", Of(|view| enabled(view.host().scripts.up_restart))),
    ("up_delay", Of(|view| enabled(view.host().scripts.up_delay))),
    ("daemon", Of(|view| enabled(view.host().process.daemon.is_some()))),
    ("log", Of(|view| {
        enabled(matches!(view.host().log.target, LogTarget::Truncate(_) | LogTarget::Append(_)))
    })),
    ("suppress_timestamps", Of(|view| enabled(view.host().log.suppress_timestamps))),
    ("machine_readable_output", Of(|view| enabled(view.host().log.machine_readable))),
    ("nice", Of(|view| view.host().process.nice.to_string())),
    ("verbosity", Number("verb", 1, 1)),
    ("mute", Of(|view| view.host().log.mute.to_string())),
    ("gremlin", Number("gremlin", 1, 0)),
    ("status_file", Text("status")),
    ("status_file_version", Of(|view| match view.host().status_version {
        StatusVersion::V1 => "1",
        StatusVersion::V2 => "2",
        StatusVersion::V3 => "3",
    }.into())),
    ("status_file_update_freq", Of(|view| match &view.host().status {
        Some(status) => seconds(status.interval),
        None => "60".into(),
    })),
    ("occ", Of(|view| enabled(!view.has("disable-occ")))),
    ("rcvbuf", Of(|view| view.host().sockets.rcvbuf.unwrap_or(0).to_string())),
    ("sndbuf", Of(|view| view.host().sockets.sndbuf.unwrap_or(0).to_string())),
    ("mark", Of(|view| view.host().sockets.mark.unwrap_or(0).to_string())),
    ("sockflags", Of(flags::sockets)),
    ("fast_io", Flag("fast-io")),
    ("comp.alg", Of(|view| flags::compression(view).0.to_string())),
    ("comp.flags", Of(|view| flags::compression(view).1.to_string())),
    ("route_script", Text("route-up")),
    ("route_default_gateway", Of(server::route_gateway)),
    ("route_default_metric", Of(|view| view.host().routes.metric.unwrap_or(0).to_string())),
    ("route_noexec", Of(|view| enabled(view.host().route_noexec))),
    ("route_delay", Number("route-delay", 1, 0)),
    ("route_delay_window", Of(|view| {
        // A second number counts only behind a first one, and stays when a later line has none.
        let mut windows = view.all("route-delay").filter_map(|words| words.get(2));
        windows.next_back().map_or("30", |window| window.as_str()).into()
    })),
    ("route_delay_defined", Flag("route-delay")),
    ("route_nopull", Flag("route-nopull")),
    ("route_gateway_via_dhcp", Of(|view| {
        enabled(view.all("route-gateway").any(|words| words.get(1).is_some_and(|word| word == "dhcp")))
    })),
    ("allow_pull_fqdn", Flag("allow-pull-fqdn")),
    ("", Lines(lists::pull_filters)),
    ("", Lines(lists::routes)),
    ("", Lines(lists::client_nat)),
    ("", Lines(lists::dns)),
    ("management_addr", Text("management")),
    ("management_port", Of(|view| quoted(view.word("management", 2)))),
    ("management_user_pass", Of(|view| {
        let mut passwords = view.all("management").filter_map(|words| words.get(3));
        quoted(passwords.next_back().map(String::as_str))
    })),
    ("management_log_history_cache", Number("management-log-cache", 1, 250)),
    ("management_echo_buffer_size", Fixed("100", 1)),
    ("management_client_user", Text("management-client-user")),
    ("management_client_group", Text("management-client-group")),
    ("management_flags", Of(flags::management)),
    ("shared_secret_file", File("secret")),
    ("key_direction", Of(|view| connection::key_direction(view.draft.connection.key_direction))),
    ("ciphername", Of(flags::cipher)),
    ("ncp_ciphers", Of(flags::data_ciphers)),
    ("authname", Of(|view| quoted(Some(view.word("auth", 1).unwrap_or("SHA1"))))),
    ("engine", Flag("engine")),
    ("replay", Of(|view| enabled(!view.has("no-replay")))),
    ("mute_replay_warnings", Flag("mute-replay-warnings")),
    ("replay_window", Of(|view| view.session().replay_window.to_string())),
    ("replay_time", Of(|view| {
        let mut times = view.all("replay-window").filter_map(|words| words.get(2));
        times.next_back().map_or("15", |time| time.as_str()).into()
    })),
    ("packet_id_file", Text("replay-persist")),
    ("test_crypto", Fixed(DISABLED, 1)),
    ("tls_server", Of(|view| enabled(view.server().is_some()))),
    ("tls_client", Of(|view| enabled(view.client().is_some()))),
    ("ca_file", File("ca")),
    ("ca_path", Text("capath")),
    ("dh_file", Of(|view| match view.seen("dh") {
        Some(seen) if seen.inline => "'[INLINE]'".into(),
        // A client has no use for it.
        _ => quoted(view.word("dh", 1).filter(|word| *word != "none" && view.server().is_some())),
    })),
    ("cert_file", File("cert")),
    ("extra_certs_file", File("extra-certs")),
    ("priv_key_file", File("key")),
    ("pkcs12_file", File("pkcs12")),
    ("cipher_list", Text("tls-cipher")),
    ("cipher_list_tls13", Text("tls-ciphersuites")),
    ("tls_cert_profile", Text("tls-cert-profile")),
    ("tls_verify", Of(|view| spaced(view, "tls-verify"))),
    ("tls_export_peer_cert_dir", Text("tls-export-cert")),
    ("verify_x509_type", Of(|view| match view.session().tls.verify_x509_name {
        None => "0",
        Some(VerifyX509Name::Subject(_)) => "1",
        Some(VerifyX509Name::Name(_)) => "2",
        Some(VerifyX509Name::NamePrefix(_)) => "3",
    }.into())),
    ("verify_x509_name", Text("verify-x509-name")),
    ("crl_file", File("crl-verify")),
    ("ns_cert_type", Of(|view| match view.session().tls.ns_cert_type {
        None => "0",
        Some(CertRole::Server) => "1",
        Some(CertRole::Client) => "2",
    }.into())),
    ("", Lines(lists::remote_cert_ku)),
    ("remote_cert_eku", Of(lists::remote_cert_eku)),
    ("ssl_flags", Of(flags::tls)),
    ("tls_timeout", Of(|view| seconds(Some(view.session().tls_timeout)))),
    ("renegotiate_bytes", Of(|view| match view.session().renegotiate.bytes {
        // Not said is not the same as off.
        None if !view.has("reneg-bytes") => "-1".into(),
        bytes => bytes.unwrap_or(0).to_string(),
    })),
    ("renegotiate_packets", Of(|view| view.session().renegotiate.packets.unwrap_or(0).to_string())),
    ("renegotiate_seconds", Of(|view| seconds(view.session().renegotiate.after))),
    ("handshake_window", Of(|view| seconds(Some(view.session().hand_window)))),
    ("transition_window", Of(|view| seconds(Some(view.session().tran_window)))),
    ("single_session", Flag("single-session")),
    ("push_peer_info", Of(|view| {
        let by_setenv = view.all("setenv").any(|words| words.len() == 2 && words.get(1).is_some_and(|name| name == "PUSH_PEER_INFO"));
        enabled(by_setenv || view.has("push-peer-info"))
    })),
    ("tls_exit", Flag("tls-exit")),
    ("tls_crypt_v2_metadata", Fixed(UNDEF, 1)),
    ("pkcs11_protected_authentication", Fixed(DISABLED, ARGUMENTS)),
    ("pkcs11_private_mode", Fixed("00000000", ARGUMENTS)),
    ("pkcs11_cert_private", Fixed(DISABLED, ARGUMENTS)),
    ("pkcs11_pin_cache_period", Fixed("-1", 1)),
    ("pkcs11_id", Fixed(UNDEF, 1)),
    ("pkcs11_id_management", Fixed(DISABLED, 1)),
    ("server_network", Of(|view| server::network(view).0)),
    ("server_netmask", Of(|view| server::network(view).1)),
    ("server_network_ipv6", Of(|view| server::network_ipv6(view).0)),
    ("server_netbits_ipv6", Of(|view| server::network_ipv6(view).1)),
    ("server_bridge_ip", Fixed("0.0.0.0", 1)),
    ("server_bridge_netmask", Fixed("0.0.0.0", 1)),
    ("server_bridge_pool_start", Fixed("0.0.0.0", 1)),
    ("server_bridge_pool_end", Fixed("0.0.0.0", 1)),
    ("", Lines(server::pushes)),
    ("", Lines(server::pool)),
    ("ifconfig_pool_persist_filename", Text("ifconfig-pool-persist")),
    ("ifconfig_pool_persist_refresh_freq", Of(|view| {
        match view.host().pool_persist.as_ref() {
            Some(persist) => seconds(persist.interval),
            None => "600".into(),
        }
    })),
    ("", Lines(server::pool_ipv6)),
    ("n_bcast_buf", Number("bcast-buffers", 1, 256)),
    ("tcp_queue_limit", Number("tcp-queue-limit", 1, 64)),
    ("real_hash_size", Number("hash-size", 1, 256)),
    // The first number again: OpenVPN 2.6 does not use the second.
    ("virtual_hash_size", Number("hash-size", 1, 256)),
    ("client_connect_script", Text("client-connect")),
    ("learn_address_script", Text("learn-address")),
    ("client_disconnect_script", Text("client-disconnect")),
    ("client_crresponse_script", Text("client-crresponse")),
    ("client_config_dir", Text("client-config-dir")),
    ("ccd_exclusive", Of(|view| enabled(view.draft.ccd_exclusive))),
    ("tmp_dir", Of(|view| quoted(Some(view.word("tmp-dir", 1).unwrap_or("/tmp"))))),
    ("push_ifconfig_defined", Fixed(DISABLED, 1)),
    ("push_ifconfig_local", Fixed("0.0.0.0", 1)),
    ("push_ifconfig_remote_netmask", Fixed("0.0.0.0", 1)),
    ("push_ifconfig_ipv6_defined", Fixed(DISABLED, 1)),
    ("push_ifconfig_ipv6_local", Fixed("::/0", 1)),
    ("push_ifconfig_ipv6_remote", Fixed("::", 1)),
    ("enable_c2c", Of(|view| enabled(view.server().is_some_and(|server| server.client_to_client)))),
    ("duplicate_cn", Of(|view| enabled(view.server().is_some_and(|server| server.duplicate_cn)))),
    ("cf_max", Number("connect-freq", 1, 0)),
    ("cf_per", Number("connect-freq", 2, 0)),
    ("cf_initial_max", Number("connect-freq-initial", 1, 100)),
    ("cf_initial_per", Number("connect-freq-initial", 2, 10)),
    ("max_clients", Number("max-clients", 1, 1024)),
    ("max_routes_per_client", Number("max-routes-per-client", 1, 256)),
    ("auth_user_pass_verify_script", Text("auth-user-pass-verify")),
    ("auth_user_pass_verify_script_via_file", Of(|view| enabled(view.word("auth-user-pass-verify", 2) == Some("via-file")))),
    ("auth_token_generate", Flag("auth-gen-token")),
    ("force_key_material_export", Flag("force-tls-key-material-export")),
    ("auth_token_lifetime", Number("auth-gen-token", 1, 0)),
    ("auth_token_secret_file", File("auth-gen-token-secret")),
    ("port_share_host", Text("port-share")),
    ("port_share_port", Of(|view| quoted(view.word("port-share", 2)))),
    ("vlan_tagging", Fixed(DISABLED, 1)),
    ("vlan_accept", Fixed("all", 1)),
    ("vlan_pvid", Fixed("1", 1)),
    ("client", Flag("client")),
    ("pull", Of(|view| enabled(view.client().is_some_and(|client| client.pull)))),
    ("auth_user_pass_file", Of(|view| match view.seen("auth-user-pass") {
        Some(seen) if seen.inline => "'[INLINE]'".into(),
        _ => prompted(view, "auth-user-pass"),
    })),
];

fn seconds(time: Option<Duration>) -> String {
    time.map_or(0, |time| time.as_secs()).to_string()
}

/// A file, or that it is typed in.
fn prompted(view: &View<'_>, directive: &str) -> String {
    quoted(view.seen(directive).map(|seen| seen.words.get(1).map_or("stdin", String::as_str)))
}

/// A command whose commas stand for blanks.
fn spaced(view: &View<'_>, directive: &str) -> String {
    quoted(view.word(directive, 1).map(|command| command.replace(',', " ")).as_deref())
}

fn ping_timeout(view: &View<'_>) -> Option<Duration> {
    // `ping-restart 0` is more than not said, and prints the same.
    let off = view.draft.ping_timeout == Some(None) && view.draft.keepalive.is_none();
    view.session().ping_timeout.map(|timeout| timeout.after).filter(|_| !off)
}

fn ping_action(view: &View<'_>) -> String {
    const EXIT: &str = "1";
    const RESTART: &str = "2";
    let last = view.draft.history.iter().rev().find_map(|words| match words.first()?.as_str() {
        "ping-exit" => Some(EXIT),
        "ping-restart" => Some(RESTART),
        _ => None,
    });
    if view.draft.keepalive.is_some() { RESTART.into() } else { last.unwrap_or("0").into() }
}
