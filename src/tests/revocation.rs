//! A revocation list that is replaced while the server runs (`crl-verify`).

use core::time::Duration;

use crate::config::NamedText;
use crate::event::CloseReason;
use crate::sim::{TODAY, World, WorldBuilder, tail};
use crate::time::UnixTime;

fn crl() -> NamedText {
    NamedText::file("crl.pem", *include_bytes!("../tls/testdata/crl.pem"))
}

/// `revoked.crt`, which `crl.pem` names.
fn with_revoked_client(seed: u64) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    let text = *include_bytes!("../tls/testdata/revoked.crt");
    builder.client.session.tls.cert = Some(NamedText::file("revoked.crt", text));
    builder
}

#[test]
fn a_session_whose_certificate_is_revoked_ends_and_does_not_come_back() {
    let mut world = with_revoked_client(230).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world.server.set_crl(world.now, Some(&crl())).expect("a list");
    assert_eq!(world.server.peers().count(), 0);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.server_closings()[0], &CloseReason::Revoked, "{}", tail(&world.trace));
    assert!(!world.is_up());
    // Without a list it may come back.
    world.server.set_crl(world.now, None).expect("no list");
    assert!(world.run_until(Duration::from_secs(300), World::is_up), "{}", tail(&world.trace));
}

/// The list's own time is over by then, too.
#[test]
fn a_revoked_certificate_that_has_run_out_too_ends_its_session() {
    for (mut builder, ends) in [(with_revoked_client(234), true), (WorldBuilder::new(235), false)] {
        builder.server.session.renegotiate.after = None;
        builder.client.session.renegotiate.after = None;
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
        let in_a_century = UnixTime(TODAY.0 + 100 * 365 * 24 * 60 * 60);
        world.server.set_wall_clock(world.now, in_a_century);
        world.server.set_crl(world.now, Some(&crl())).expect("a list");
        assert_eq!(world.server.peers().count() == 0, ends);
    }
}

#[test]
fn others_stay_and_renegotiate() {
    let mut world = WorldBuilder::new(231).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world.server.set_crl(world.now, Some(&crl())).expect("a list");
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(5));
    assert!(world.server_closings().is_empty(), "{}", tail(&world.trace));
    assert!(world.is_up());
}

#[test]
fn a_list_counts_for_a_handshake_that_had_begun() {
    for steps in 0..12 {
        let mut world = with_revoked_client(232).build();
        world.start();
        world.run_for(Duration::from_millis(10 * steps));
        world.server.set_crl(world.now, Some(&crl())).expect("a list");
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.server.peers().count(), 0, "after {steps} steps:\n{}", tail(&world.trace));
    }
}

#[test]
fn a_list_that_cannot_be_read_changes_nothing() {
    let mut builder = with_revoked_client(233);
    builder.server.session.tls.crl = Some(crl());
    let mut world = builder.build();
    let broken = NamedText::file("crl.pem", *b"-----BEGIN X509 CRL-----\nAAAA\n");
    world.server.set_crl(world.now, Some(&broken)).expect_err("no list");
    world.start();
    world.run_for(Duration::from_secs(20));
    assert!(!world.is_up());
    assert!(world.server_closings().iter().any(|reason| matches!(reason, CloseReason::Certificate(_))));
}
