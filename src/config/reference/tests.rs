use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::*;

/// What OpenWrt's init script takes from UCI, with underscores: parameters, switches, lists.
const OPENWRT: &str = "
    allow_compression askpass auth auth_retry auth_user_pass auth_user_pass_verify bcast_buffers bind_dev ca capath cd
    cert chroot cipher client_config_dir client_connect client_disconnect comp_lzo compress connect_freq connect_retry
    connect_retry_max connect_timeout crl_verify data_ciphers_fallback dev dev_node dev_type dh ecdh_curve echo engine
    explicit_exit_notify extra_certs fragment group hand_window hash_size http_proxy http_proxy_option
    http_proxy_timeout ifconfig ifconfig_ipv6 ifconfig_ipv6_pool ifconfig_ipv6_push ifconfig_pool
    ifconfig_pool_persist ifconfig_push inactive ipchange iroute iroute_ipv6 keepalive key key_direction keysize
    learn_address link_mtu lladdr local log log_append lport management management_log_cache max_clients
    max_routes_per_client mode mssfix mtu_disc mute nice ping ping_exit ping_restart pkcs12 plugin port port_share prng
    proto pull_filter push rcvbuf redirect_gateway remap_usr1 remote remote_cert_eku remote_cert_ku remote_cert_tls
    reneg_bytes reneg_pkts reneg_sec replay_persist replay_window resolv_retry route route_delay route_gateway
    route_ipv6 route_metric route_pre_down route_up rport secret server server_bridge server_ipv6 server_poll_timeout
    setenv shaper sndbuf socks_proxy status status_version syslog tcp_queue_limit tls_auth tls_crypt tls_crypt_v2
    tls_crypt_v2_verify tls_export_cert tls_timeout tls_verify tls_version_min tmp_dir topology tran_window tun_mtu
    tun_mtu_extra txqueuelen user verb verify_client_cert verify_x509_name vlan_accept vlan_pvid x509_username_field

    allow_recursive_routing auth_nocache auth_user_pass_optional bind block_ipv6 ccd_exclusive client client_to_client
    comp_noadapt disable disable_occ down_pre duplicate_cn fast_io float http_proxy_retry ifconfig_noexec
    ifconfig_nowarn management_forget_disconnect management_hold management_query_passwords management_signal mktun
    mlock mtu_test multihome mute_replay_warnings ncp_disable nobind opt_verify passtos persist_key persist_local_ip
    persist_remote_ip persist_tun ping_timer_rem pull push_reset remote_random rmtun route_noexec route_nopull
    single_session socks_proxy_retry suppress_timestamps tcp_nodelay test_crypto tls_client tls_exit tls_server
    tun_ipv6 up_delay up_restart username_as_common_name vlan_tagging

    data_ciphers ncp_ciphers tls_cipher tls_ciphersuites tls_groups";

/// What OPNsense's "Instances" write, and what they push.
const OPNSENSE: &str = "
    dev dev-type verb proto port local topology remote server server-ipv6 route push ca cert key crl-verify
    verify-client-cert data-ciphers data-ciphers-fallback auth tls-auth tls-crypt auth-user-pass
    auth-user-pass-verify client-to-client duplicate-cn float passtos persist-remote-ip persist-key persist-tun
    route-nopull route-noexec remote-random username-as-common-name max-clients keepalive reneg-sec auth-gen-token
    auth-gen-token-secret redirect-gateway block-outside-dns register-dns dhcp-option client-config-dir
    client-connect client-disconnect learn-address tls-verify script-security management up down route-up
    ifconfig-push ifconfig-ipv6-push iroute iroute-ipv6 push-reset disable remote-cert-tls writepid daemon status
    tun-mtu fragment mssfix ifconfig-pool-persist http-proxy compress";

/// What VyOS writes, raw options apart.
const VYOS: &str = "
    verb dev-type dev user group persist-key persist-tun proto port local lport rport remote nobind client pull float
    tls-server tls-client mode server server-ipv6 ifconfig-pool ifconfig-ipv6-pool topology push route route-ipv6
    max-clients client-config-dir ccd-exclusive keepalive ping ping-restart ca cert key dh crl-verify verify-client-cert
    tls-version-min tls-auth tls-crypt peer-fingerprint remote-cert-tls data-ciphers data-ciphers-fallback
    providers auth reneg-sec mssfix ifconfig ifconfig-ipv6 secret plugin auth-user-pass writepid daemon status log
    iroute ifconfig-push push-reset disable disable-dco redirect-gateway management script-security multihome";

/// What pfSense writes for its servers, clients, overrides and exported profiles.
const PFSENSE: &str = "
    dev dev-type dev-node writepid script-security daemon keepalive ping-timer-rem persist-tun persist-key proto auth
    up down client-connect client-disconnect learn-address auth-user-pass-verify tls-verify local engine ifconfig
    ifconfig-ipv6 topology server server-ipv6 server-bridge client-config-dir username-as-common-name
    verify-client-cert lport management push route route-ipv6 ca capath cert key dh ecdh-curve crl-verify tls-auth
    tls-crypt data-ciphers data-ciphers-fallback ncp-disable cipher allow-compression compress comp-lzo passtos float
    remote-cert-tls explicit-exit-notify inactive max-clients duplicate-cn client-to-client multihome sndbuf rcvbuf
    tls-client client remote nobind resolv-retry http-proxy-option http-proxy auth-user-pass auth-retry
    remote-random verify-x509-name push-reset push-remove ifconfig-push iroute disable status verb fast-io pkcs12
    dhcp-option redirect-gateway register-dns block-outside-dns route-nopull route-noexec setenv tun-mtu
    shaper";

#[test]
fn every_directive_of_the_firmwares_has_a_class() {
    for (firmware, list) in
        [("OpenWrt", OPENWRT), ("OPNsense", OPNSENSE), ("VyOS", VYOS), ("pfSense", PFSENSE)]
    {
        let names = list.split_whitespace().map(|name| name.replace('_', "-"));
        let missing: Vec<_> = names.filter(|name| DirectiveInfo::find(name).is_none()).collect();
        assert!(missing.is_empty(), "{firmware} writes {missing:?}, which have no row");
    }
}

#[test]
fn every_directive_has_one_line_and_every_line_a_directive() {
    let mut lines = BTreeMap::new();
    for (name, help) in GROUPS.iter().flat_map(|group| group.lines) {
        assert!(lines.insert(*name, *help).is_none(), "{name} stands twice");
    }
    let rows: Vec<&str> = Directive::all().map(|row| row.name).collect();
    let missing: Vec<&&str> = rows.iter().filter(|name| !lines.contains_key(*name)).collect();
    let surplus: Vec<&&str> = lines.keys().filter(|name| !rows.contains(name)).collect();
    assert!(missing.is_empty(), "in directives/help.rs there is no line for {missing:?}");
    assert!(surplus.is_empty(), "in directives/help.rs there is a line for {surplus:?}, which have no row");
    for (name, help) in lines {
        assert!(help.len() <= 130 && !help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
    }
}

#[test]
fn a_directive_is_described_by_its_row() {
    let remote = DirectiveInfo::find("remote").unwrap();
    assert_eq!((remote.arguments(), remote.role()), ("HOST [PORT] [PROTO]", Some(Role::Client)));
    assert_eq!((remote.class(), remote.adds_up()), (DirectiveClass::Effective, true));
    assert!(remote.may_stand(Place::Connection) && !remote.may_stand(Place::Push));
    assert!(matches!(DirectiveInfo::find("plugin").unwrap().class(), DirectiveClass::Refused(_)));
    assert!(matches!(DirectiveInfo::find("fast-io").unwrap().class(), DirectiveClass::NoEffect(_)));
    assert_eq!(DirectiveInfo::find("peer-id").unwrap().class(), DirectiveClass::Pushed);
    assert_eq!(DirectiveInfo::find("genkey").unwrap().class(), DirectiveClass::Task);
    assert!(DirectiveInfo::find("nonsense").is_none());
}
