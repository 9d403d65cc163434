//! The list.

use super::Instead::{self, Nothing, Test};

pub(super) const UNPRINTED: &[(&str, Instead)] = &[
    (
        "allow-recursive-routing",
        Nothing(
            "what it permits is nothing that works; that it is needed: host/tests/routes.rs, 'Recursive routing detected'",
        ),
    ),
    (
        "auth-nocache",
        Test(
            "host/tests/client_life.rs",
            "a_password_that_is_not_cached_is_read_again_for_each_renegotiation",
        ),
    ),
    ("auth-retry", Test("host/tests/client_life.rs", "auth_retry_gives_a_login_another_chance")),
    ("bind-dev", Test("host/tests/listeners.rs", "the_options_of_sockets_are_obeyed")),
    ("block-ipv6", Test("host/tests/routes.rs", "blocked_ipv6_is_answered")),
    // Its statements are printed like those around it.
    ("config", Test("host/tests/language/generator.rs", "profile")),
    ("daemon", Test("host/tests/process.rs", "a_daemon_leaves_its_pid_and_ends_tidily")),
    ("dhcp-option", Test("host/tests/dns.rs", "the_file_is_changed_and_restored")),
    ("dns-updown", Test("host/tests/dns.rs", "the_file_is_changed_and_restored")),
    ("errors-to-stderr", Test("host/tests/process.rs", "errors_go_to_standard_error_where_that_is_wanted")),
    ("ignore-unknown-option", Test("host/tests/language/generator.rs", "statements")),
    ("log", Test("host/tests/process.rs", "a_daemon_leaves_its_pid_and_ends_tidily")),
    ("log-append", Test("host/tests/process.rs", "what_is_wrong_is_told_before_the_background")),
    ("machine-readable-output", Test("host/tests/process.rs", "the_log_is_bare_where_it_is_wanted_so")),
    (
        "proto-force",
        Test("src/config/finish/client/tests.rs", "proto_force_leaves_the_remotes_of_that_protocol"),
    ),
    ("route-ipv6", Test("host/tests/routes.rs", "the_same_routes_as_stock_openvpn")),
    ("route-ipv6-gateway", Test("src/config/route.rs", "gateways_of_all_routes")),
    (
        "route-pre-down",
        Test(
            "host/tests/scripts/environment.rs",
            "a_client_s_scripts_are_told_what_stock_openvpn_tells_them",
        ),
    ),
    (
        "script-security",
        Test(
            "host/tests/scripts/connect.rs",
            "scripts_run_after_root_was_given_up_and_a_failing_one_ends_the_start",
        ),
    ),
    (
        "setenv-safe",
        Test(
            "host/tests/scripts/environment.rs",
            "a_client_s_scripts_are_told_what_stock_openvpn_tells_them",
        ),
    ),
    ("syslog", Test("host/tests/process.rs", "a_daemon_without_a_file_logs_to_the_system")),
    (
        "txqueuelen",
        Nothing("the kernel is told with the device's MTU, in one message, which every tunnel shows"),
    ),
    ("writepid", Test("host/tests/process.rs", "a_daemon_leaves_its_pid_and_ends_tidily")),
];
