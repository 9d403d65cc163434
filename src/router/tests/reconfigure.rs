//! Another configuration, while clients are connected.

use alloc::vec;

use crate::config::{Action, IpNetwork, Nat, RouterConfig, Rule, Who};
use crate::reason::DropReason;
use crate::router::testing::{end, ip, lan, masquerade, pass, peer, router, send, udp};
use crate::router::{Forward, RouterEvent, Zone};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;
const A: Zone = Zone::Peer(peer(1));

fn denying(config: RouterConfig) -> RouterConfig {
    let rule = Rule {
        action: Action::Deny,
        who: Who::All,
        destination: IpNetwork::containing(ip("192.0.2.0"), 24),
        protocol: crate::config::Protocol::Any,
        ports: vec![],
        line: 7,
    };
    RouterConfig { rules: vec![rule], ..config }
}

#[test]
fn rules_come_and_go_where_there_were_none() {
    let mut router = router(RouterConfig::default(), 1);
    let packet = udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b"");
    assert_eq!(send(&mut router, NOW, A, &packet), (Forward::To(Zone::Host), packet.clone()));
    router.configure(NOW, denying(RouterConfig::default()));
    assert_eq!(send(&mut router, NOW, A, &packet).0, Forward::Drop(DropReason::Denied));
    let logging = RouterConfig { log_flows: true, ..RouterConfig::default() };
    router.configure(NOW, logging);
    pass(&mut router, NOW, A, Zone::Host, &packet);
    assert_eq!(router.flows(), 1);
    router.configure(NOW, RouterConfig::default());
    assert_eq!(router.flows(), 0);
    // As at first: not even a hop is counted.
    assert_eq!(send(&mut router, NOW, A, &packet), (Forward::To(Zone::Host), packet));
    let ended = core::iter::from_fn(|| router.poll_event())
        .filter(|event| matches!(event, RouterEvent::FlowEnded(_)))
        .count();
    assert_eq!(ended, 1);
}

#[test]
fn a_flow_that_would_be_translated_otherwise_ends_and_begins_anew() {
    let mut router = router(masquerade(), 2);
    let packet = udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b"");
    let other = udp(("10.8.0.2", 4000), ("10.8.0.3", 53), b"");
    assert_eq!(pass(&mut router, NOW, A, Zone::Lan, &packet).0, end("192.0.2.10", 4000));
    pass(&mut router, NOW, A, Zone::Peer(peer(2)), &other);
    // Nothing about translation changes: both go on.
    router.configure(NOW, RouterConfig { log_flows: true, ..masquerade() });
    assert_eq!(router.flows(), 2);
    router.configure(NOW, RouterConfig { nat: Nat::Masquerade(Some(ip("192.0.2.77"))), ..lan() });
    assert_eq!(router.flows(), 1);
    assert_eq!(pass(&mut router, NOW, A, Zone::Lan, &packet).0, end("192.0.2.77", 4000));
    router.configure(NOW, lan());
    assert_eq!(pass(&mut router, NOW, A, Zone::Lan, &packet).0, end("10.8.0.2", 4000));
    let exempt = vec![IpNetwork::containing(ip("192.0.2.0"), 24)];
    router.configure(NOW, RouterConfig { nat_exempt: exempt, ..masquerade() });
    assert_eq!(pass(&mut router, NOW, A, Zone::Lan, &packet).0, end("10.8.0.2", 4000));
    pass(&mut router, NOW, A, Zone::Peer(peer(2)), &other);
    assert_eq!(router.flows(), 2);
}

#[test]
fn the_lan_comes_and_goes() {
    let mut router = router(RouterConfig::default(), 1);
    let packet = udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b"");
    assert_eq!(send(&mut router, NOW, A, &packet).0, Forward::To(Zone::Host));
    router.configure(NOW, masquerade());
    pass(&mut router, NOW, A, Zone::Lan, &packet);
    router.configure(NOW, RouterConfig::default());
    assert_eq!(send(&mut router, NOW, A, &packet).0, Forward::To(Zone::Host));
    // An address of the clients' network that nobody has is nowhere once flows are kept, and the host's business before.
    let nobody = udp(("10.8.0.2", 4000), ("10.8.9.9", 53), b"");
    assert_eq!(send(&mut router, NOW, A, &nobody).0, Forward::To(Zone::Host));
    router.configure(NOW, masquerade());
    assert_eq!(send(&mut router, NOW, A, &nobody).0, Forward::Reply);
}
