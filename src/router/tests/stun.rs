//! What a STUN client behind the router finds out (RFC 5780 §4.3 and §4.4), and what it is for: two clients behind it
//! that meet by the ends that they see, and one behind it that meets another behind a NAT elsewhere.

use crate::config::{Filtering, RouterConfig};
use crate::router::testing::{A, B, End, LAN, NOW, end, ends, masquerade, pass, router, send, udp};
use crate::router::{Forward, Router, Zone};

/// The server's addresses and ports.
const SERVER: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const PORTS: [u16; 2] = [3478, 3479];
const CLIENT: (&str, u16) = ("10.8.0.2", 4000);

/// Asks the server at one of its ends; what it sees as the sender.
fn bind(router: &mut Router, who: Zone, from: (&str, u16), address: usize, port: usize) -> End {
    let request = udp(from, (SERVER[address], PORTS[port]), b"binding request");
    let seen = pass(router, NOW, who, LAN, &request).0;
    let (seen_address, seen_port) = (alloc::format!("{}", seen.0), seen.1);
    let answer = udp((SERVER[address], PORTS[port]), (&seen_address, seen_port), b"binding response");
    assert_eq!(pass(router, NOW, LAN, who, &answer).1, end(from.0, from.1));
    seen
}

/// Whether an answer from another end of the server arrives.
fn hears(router: &mut Router, mapped: End, address: usize, port: usize) -> bool {
    let own = alloc::format!("{}", mapped.0);
    let answer = udp((SERVER[address], PORTS[port]), (&own, mapped.1), b"binding response");
    send(router, NOW, LAN, &answer).0 == Forward::To(A)
}

#[test]
fn a_stun_client_finds_endpoint_independent_mapping_and_the_configured_filter() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    for filtering in [EndpointIndependent, AddressDependent, AddressAndPortDependent] {
        let mut router = router(RouterConfig { filtering, ..masquerade() }, 2);
        // The filter: CHANGE-REQUEST with address and port, then with the port alone.
        let mapped = bind(&mut router, A, CLIENT, 0, 0);
        let found = if hears(&mut router, mapped, 1, 1) {
            EndpointIndependent
        } else if hears(&mut router, mapped, 0, 1) {
            AddressDependent
        } else {
            AddressAndPortDependent
        };
        assert_eq!(found, filtering);
        // The mapping: another address, another port.
        assert_eq!(bind(&mut router, A, CLIENT, 1, 0), mapped);
        assert_eq!(bind(&mut router, A, CLIENT, 1, 1), mapped);
    }
}

/// Two clients that know each other by the server alone, both behind the router, with the strictest filter.
#[test]
fn two_clients_behind_it_punch_holes_towards_each_other() {
    for filtering in
        [Filtering::EndpointIndependent, Filtering::AddressDependent, Filtering::AddressAndPortDependent]
    {
        let mut router = router(RouterConfig { filtering, ..masquerade() }, 2);
        let (first, second) = (("10.8.0.2", 4000), ("10.8.0.3", 5000));
        let (one, two) = (bind(&mut router, A, first, 0, 0), bind(&mut router, B, second, 0, 0));
        let own = alloc::format!("{}", one.0);
        let mut heard = [false; 2];
        // Both send now and then, as such programs do.
        for _ in 0..3 {
            let (forward, packet) = send(&mut router, NOW, A, &udp(first, (&own, two.1), b"hello"));
            if forward == Forward::To(B) {
                assert_eq!(ends(&packet), (one, end(second.0, second.1)));
                heard[1] = true;
            }
            let (forward, packet) = send(&mut router, NOW, B, &udp(second, (&own, one.1), b"hello"));
            if forward == Forward::To(A) {
                assert_eq!(ends(&packet), (two, end(first.0, first.1)));
                heard[0] = true;
            }
        }
        assert_eq!(heard, [true; 2], "{filtering:?}");
    }
}

/// The other one is behind a NAT elsewhere, which has let it send first.
#[test]
fn a_client_behind_it_and_one_elsewhere_punch_holes() {
    let mut router = router(masquerade(), 1);
    let mapped = bind(&mut router, A, CLIENT, 0, 0);
    let (own, elsewhere) = (alloc::format!("{}", mapped.0), ("203.0.113.7", 6000));
    let too_early = send(&mut router, NOW, LAN, &udp(elsewhere, (&own, mapped.1), b"hello"));
    assert!(matches!(too_early.0, Forward::Drop(_)));
    assert_eq!(pass(&mut router, NOW, A, LAN, &udp(CLIENT, elsewhere, b"hello")).0, mapped);
    let _ = pass(&mut router, NOW, LAN, A, &udp(elsewhere, (&own, mapped.1), b"hello"));
}
