use core::net::Ipv4Addr;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::data::{OCC_EXIT, OCC_REPLY, PING};
use crate::packet::Verdict;
use crate::path::LinkId;
use crate::traffic::Tally;

const T0: Instant = Instant::from_secs(1000);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);

fn after(secs: u64) -> Instant {
    T0 + Duration::from_secs(secs)
}

fn path(transport: Transport) -> Path {
    Path { transport, ..Path::udp(LinkId(1), "192.0.2.1:1194".parse().unwrap()) }
}

fn elsewhere() -> Path {
    Path::udp(LinkId(1), "198.51.100.7:4242".parse().unwrap())
}

fn block() -> KeyBlock {
    KeyBlock::new(core::array::from_fn(|i| (i * 7 + 3) as u8))
}

/// An inner packet from the client's address.
fn inner(len: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..len).map(|i| i as u8).collect();
    packet[0] = 0x45;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&CLIENT.octets());
    packet
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    cipher: Cipher,
    framing: Framing,
    wire_peer_id: Option<u32>,
    transport: Transport,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cipher: Cipher::Aes256Gcm,
            framing: Framing::None,
            wire_peer_id: Some(5),
            transport: Transport::Udp,
        }
    }
}

impl Setup {
    fn end(self, role: Role) -> PeerData {
        let config = SessionConfig { framing: self.framing, ..SessionConfig::default() };
        let mut end = PeerData::new(T0, PeerId::SERVER, role, path(self.transport), &config);
        end.set_wire_peer_id(self.wire_peer_id.and_then(WirePeerId::new));
        end.install_key(KeyId::INITIAL, self.cipher, &block(), T0);
        end
    }

    fn ends(self) -> (PeerData, PeerData) {
        (self.end(Role::Client), self.end(Role::Server))
    }
}

fn seal_with(
    payload: &[u8],
    seal: impl FnOnce(&mut PacketBuf<'_>) -> Result<(), DropReason>,
) -> Result<Vec<u8>, DropReason> {
    let mut memory = [0xEE; 2048];
    let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
    buf.fill(payload).unwrap();
    seal(&mut buf).map(|()| buf.payload().to_vec())
}

fn seal(end: &mut PeerData, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    seal_with(packet, |buf| end.seal_one(T0, buf))
}

fn seal_special(end: &mut PeerData, payload: &[u8]) -> Vec<u8> {
    seal_with(&[], |buf| end.seal_special(T0, payload, buf)).unwrap()
}

fn open_from(end: &mut PeerData, packet: &[u8], from: &Path) -> Result<(Opened, Vec<u8>), DropReason> {
    let mut memory = packet.to_vec();
    let mut buf = PacketBuf::new(&mut memory, 0..packet.len()).unwrap();
    end.open_one(after(1), &mut buf, from).map(|opened| (opened, buf.payload().to_vec()))
}

fn open(end: &mut PeerData, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    let from = *end.path();
    let (opened, payload) = open_from(end, packet, &from)?;
    assert_eq!(opened, Opened { payload: Payload::Packet, floated: false });
    Ok(payload)
}

fn special(end: &mut PeerData, packet: &[u8]) -> Payload {
    let from = *end.path();
    open_from(end, packet, &from).unwrap().0.payload
}

proptest! {
    #[test]
    fn what_is_sealed_opens_at_the_other_end(
        len in 20_usize..1600,
        role in prop::sample::select(alloc::vec![Role::Client, Role::Server]),
    ) {
        for cipher in Cipher::DEFAULT_LIST {
            for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
                for wire_peer_id in [None, Some(5), Some(0xFF_FFFF)] {
                    for transport in [Transport::Udp, Transport::Tcp] {
                        let setup = Setup { cipher, framing, wire_peer_id, transport };
                        let (mut ours, mut theirs) = (setup.end(role), setup.end(role.peer()));
                        let mut sealed = seal(&mut ours, &inner(len)).unwrap();
                        if transport == Transport::Tcp {
                            let prefix: Vec<u8> = sealed.drain(..2).collect();
                            prop_assert_eq!(stream::parse_length(&prefix, 2048), Ok(Some(sealed.len())));
                        }
                        prop_assert_eq!(sealed[0], if wire_peer_id.is_some() { 0x48 } else { 0x30 });
                        prop_assert_eq!(open(&mut theirs, &sealed), Ok(inner(len)), "{:?}", setup);
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_dropped(mut bytes in prop::collection::vec(any::<u8>(), 0..100), v1: bool) {
        if let Some(first) = bytes.first_mut() {
            *first = if v1 { 0x30 } else { 0x48 };
        }
        let mut server = Setup::default().end(Role::Server);
        prop_assert!(open(&mut server, &bytes).is_err());
    }
}

#[test]
fn one_end_may_send_v1_and_the_other_v2() {
    let (mut client, mut server) = Setup::default().ends();
    client.set_wire_peer_id(None);
    let v1 = seal(&mut client, &inner(60)).unwrap();
    assert_eq!(open(&mut server, &v1), Ok(inner(60)));
    let v2 = seal(&mut server, &inner(60)).unwrap();
    assert_eq!(open(&mut client, &v2), Ok(inner(60)));
    assert_eq!((v1[0], v2[0]), (0x30, 0x48));
}

#[test]
fn every_truncated_packet_is_dropped_and_the_whole_one_still_opens() {
    for wire_peer_id in [None, Some(5)] {
        let (mut client, mut server) = Setup { wire_peer_id, ..Setup::default() }.ends();
        let packet = seal(&mut client, &inner(40)).unwrap();
        for len in 0..packet.len() {
            let reason = open(&mut server, &packet[..len]).unwrap_err();
            assert!(
                matches!(reason, DropReason::Truncated | DropReason::DataAuthentication),
                "{len}: {reason}"
            );
        }
        assert_eq!(open(&mut server, &packet), Ok(inner(40)));
    }
}

mod special_payloads {
    use super::*;

    #[test]
    fn are_recognised_under_every_framing() {
        for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
            let (mut client, mut server) = Setup { framing, ..Setup::default() }.ends();
            for (payload, expected) in
                [(&PING[..], Special::Ping), (&OCC_EXIT, Special::Exit), (&OCC_REPLY, Special::Occ)]
            {
                let sealed = seal_special(&mut client, payload);
                assert_eq!(special(&mut server, &sealed), Payload::Special(expected), "{framing:?}");
            }
            assert_eq!(server.traffic().inner_received, Tally::default());
            assert_eq!(server.traffic().outer_received.packets, 3);
        }
    }

    /// Protocol facts §7.1.
    #[test]
    fn are_framed_like_packets() {
        let len =
            |framing| seal_special(&mut Setup { framing, ..Setup::default() }.end(Role::Client), &PING).len();
        assert_eq!(len(Framing::None), 24 + 16);
        assert_eq!(len(Framing::StubV2), 24 + 16);
        assert_eq!(len(Framing::Lzo), 24 + 17);
        assert_eq!(len(Framing::Stub), 24 + 17);
    }
}

mod drops {
    use super::*;

    fn dropped(end: &mut PeerData, packet: &[u8], reason: DropReason) {
        assert_eq!(open(end, packet), Err(reason));
    }

    #[test]
    fn replay() {
        let (mut client, mut server) = Setup::default().ends();
        let packet = seal(&mut client, &inner(60)).unwrap();
        assert!(open(&mut server, &packet).is_ok());
        dropped(&mut server, &packet, DropReason::DataReplay);
    }

    #[test]
    fn no_key() {
        let (mut client, _) = Setup::default().ends();
        let packet = seal(&mut client, &inner(60)).unwrap();
        let mut server =
            PeerData::new(T0, PeerId::SERVER, Role::Server, path(Transport::Udp), &SessionConfig::default());
        assert!(!server.is_ready());
        dropped(&mut server, &packet, DropReason::NoKey);
        assert_eq!(seal(&mut server, &inner(60)), Err(DropReason::NotConnected));
    }

    #[test]
    fn another_framing() {
        let mut client = Setup { framing: Framing::Lzo, ..Setup::default() }.end(Role::Client);
        let mut server = Setup { framing: Framing::Stub, ..Setup::default() }.end(Role::Server);
        dropped(&mut server, &seal(&mut client, &inner(60)).unwrap(), DropReason::BadFraming);
    }

    #[test]
    fn neither_ipv4_nor_ipv6() {
        let (mut client, mut server) = Setup::default().ends();
        for payload in [&[0x45; 19][..], &[0x60; 39], &[0x50; 60], b"GET / HTTP/1.1\r\n\r\n", &[]] {
            assert_eq!(seal(&mut client, payload), Err(DropReason::BadInnerPacket));
            if !payload.is_empty() {
                dropped(&mut server, &seal_special(&mut client, payload), DropReason::BadInnerPacket);
            }
        }
    }

    #[test]
    fn a_source_that_is_not_the_clients_own() {
        let (mut client, mut server) = Setup::default().ends();
        server.set_sources(alloc::vec![IpAddr::from(CLIENT).into()]);
        let packet = seal(&mut client, &inner(60)).unwrap();
        assert_eq!(open(&mut server, &packet), Ok(inner(60)));
        let mut foreign = inner(60);
        foreign[15] = 3;
        let packet = seal(&mut client, &foreign).unwrap();
        dropped(&mut server, &packet, DropReason::BadSource);
        let mut link_local = alloc::vec![0; 60];
        (link_local[0], link_local[8], link_local[9]) = (0x60, 0xFE, 0x80);
        let packet = seal(&mut client, &link_local).unwrap();
        dropped(&mut server, &packet, DropReason::BadSource);
        assert_eq!(server.traffic().inner_received, Tally { packets: 1, bytes: 60 });
    }

    #[test]
    fn a_slot_without_headroom() {
        for (transport, room) in [(Transport::Udp, 24), (Transport::Tcp, 26)] {
            let mut client = Setup { transport, ..Setup::default() }.end(Role::Client);
            for (headroom, expected) in [(room, Ok(())), (room - 1, Err(DropReason::NoRoom))] {
                let mut memory = [&[0; 64][..headroom], &inner(60)].concat();
                let window = headroom..memory.len();
                let mut buf = PacketBuf::new(&mut memory, window).unwrap();
                assert_eq!(client.seal_one(T0, &mut buf), expected, "{transport:?}");
            }
            assert_eq!(client.traffic().inner_sent.packets, 1);
        }
    }
}

mod float {
    use super::*;

    #[test]
    fn an_authentic_packet_from_elsewhere_may_move_the_peer() {
        let (mut client, mut server) = Setup::default().ends();
        for sealed in [seal(&mut client, &inner(60)).unwrap(), seal_special(&mut client, &PING)] {
            let (opened, _) = open_from(&mut server, &sealed, &elsewhere()).unwrap();
            assert!(opened.floated);
        }
        assert_eq!(*server.path(), path(Transport::Udp), "but that is not decided here");
    }

    #[test]
    fn a_forged_or_repeated_one_may_not() {
        let (mut client, mut server) = Setup::default().ends();
        let packet = seal(&mut client, &inner(60)).unwrap();
        let mut forged = packet.clone();
        forged[30] ^= 1;
        assert_eq!(open_from(&mut server, &forged, &elsewhere()), Err(DropReason::DataAuthentication));
        assert!(open(&mut server, &packet).is_ok());
        assert_eq!(open_from(&mut server, &packet, &elsewhere()), Err(DropReason::DataReplay));
    }

    /// CVE-2020-11810.
    #[test]
    fn nor_one_before_there_are_keys_or_without_content() {
        let (mut client, mut server) = Setup { framing: Framing::Lzo, ..Setup::default() }.ends();
        let empty = seal_special(&mut client, &[]);
        assert_eq!(open_from(&mut server, &empty, &elsewhere()), Err(DropReason::BadFraming));

        let packet = seal(&mut client, &inner(60)).unwrap();
        server.keys = KeySlots::default();
        assert_eq!(open_from(&mut server, &packet, &elsewhere()), Err(DropReason::NoKey));
    }
}

mod clocks {
    use super::*;

    /// Or the host would ask for it again at once, for ever.
    #[test]
    fn a_ping_that_cannot_be_sealed_is_due_again_an_interval_later() {
        let (mut client, _) = Setup::default().ends();
        client.set_ping(Some(Duration::from_secs(10)));
        client.keys = KeySlots::default();
        let mut slab = [0; 256];
        let mut packets = [Packet::free(0..256); 2];
        let mut batch = Batch::new(&mut slab, &mut packets, 0);
        client.poll_transmits(after(10), &mut batch);
        assert_eq!((batch.len, batch.packets[0].reason), (1, DropReason::NotConnected));
        assert_eq!(client.ping_due(), Some(after(20)));
    }

    #[test]
    fn a_ping_is_due_after_silence_of_our_own() {
        let (mut client, _) = Setup::default().ends();
        assert_eq!(client.ping_due(), None);
        client.set_ping(Some(Duration::from_secs(10)));
        assert_eq!(client.ping_due(), Some(after(10)));
        seal_with(&inner(60), |buf| client.seal_one(after(4), buf)).unwrap();
        assert_eq!(client.ping_due(), Some(after(14)));
        seal_with(&[], |buf| client.seal_special(after(14), &PING, buf)).unwrap();
        assert_eq!(client.ping_due(), Some(after(24)));
        client.note_sent(after(20));
        assert_eq!(client.ping_due(), Some(after(30)));
    }

    #[test]
    fn only_what_is_authentic_and_new_ends_the_silence_of_the_peer() {
        let (mut client, mut server) = Setup::default().ends();
        let packet = seal(&mut client, &inner(60)).unwrap();
        let mut forged = packet.clone();
        forged[30] ^= 1;
        assert!(open(&mut server, &forged).is_err());
        assert_eq!(server.last_received(), T0);
        assert!(open(&mut server, &packet).is_ok());
        assert_eq!(server.last_received(), after(1));
        server.last_received = T0;
        assert!(open(&mut server, &packet).is_err());
        assert_eq!(server.last_received(), T0);
        server.note_received(after(2));
        assert_eq!(server.last_received(), after(2));
    }
}

#[test]
fn traffic_is_counted_inside_and_outside() {
    let (mut client, mut server) = Setup::default().ends();
    let packet = seal(&mut client, &inner(60)).unwrap();
    open(&mut server, &packet).unwrap();
    let ping = seal_special(&mut client, &PING);
    special(&mut server, &ping);
    let inner = Tally { packets: 1, bytes: 60 };
    let outer = Tally { packets: 2, bytes: 24 + 60 + 24 + 16 };
    assert_eq!((client.traffic().inner_sent, client.traffic().outer_sent), (inner, outer));
    assert_eq!((server.traffic().inner_received, server.traffic().outer_received), (inner, outer));
    assert_eq!((server.traffic().inner_sent, server.traffic().outer_sent), Default::default());
}

#[test]
fn renegotiation_is_wanted_for_the_newest_key_alone() {
    let (mut client, _) = Setup::default().ends();
    client.renegotiate.packets = Some(2);
    seal(&mut client, &inner(60)).unwrap();
    assert_eq!(client.wants_renegotiation(), None);
    seal(&mut client, &inner(60)).unwrap();
    assert_eq!(client.wants_renegotiation(), Some(RenegotiateReason::Packets));
    client.install_key(KeyId::INITIAL.next(), Cipher::Aes256Gcm, &block(), after(60));
    assert_eq!(client.wants_renegotiation(), None);
}

/// `mssfix`, in both directions and for the path that the peer has at the time.
#[test]
fn segment_sizes_are_lowered() {
    let mut syn = inner(44);
    syn[2..4].copy_from_slice(&44_u16.to_be_bytes());
    syn[6..8].fill(0);
    syn[9] = 6;
    (syn[32], syn[33]) = (0x60, 0x02);
    syn[40..44].copy_from_slice(&[2, 4, 0xFF, 0xFF]);
    let segment_size = |packet: &[u8]| u16::from_be_bytes([packet[42], packet[43]]);

    let (mut client, mut server) = Setup::default().ends();
    client.mssfix = Mssfix::Off;
    client.update_clamp();
    let from_client = seal(&mut client, &syn).unwrap();
    assert_eq!(segment_size(&open(&mut server, &from_client).unwrap()), 1400);
    let from_server = seal(&mut server, &syn).unwrap();
    assert_eq!(segment_size(&open(&mut client, &from_server).unwrap()), 1400);
    server.set_path(Path::udp(LinkId(1), "[2001:db8::1]:1194".parse().unwrap()));
    let from_server = seal(&mut server, &syn).unwrap();
    assert_eq!(segment_size(&open(&mut client, &from_server).unwrap()), 1380);
    server.set_tun_mtu(1300);
    let from_server = seal(&mut server, &syn).unwrap();
    assert_eq!(segment_size(&open(&mut client, &from_server).unwrap()), 1260);
}

mod batches {
    use super::*;

    const SLOT: usize = 512;

    /// Slots with these bytes in them, from `path`.
    struct Slab {
        bytes: Vec<u8>,
        packets: Vec<Packet>,
    }

    impl Slab {
        fn of<B: AsRef<[u8]>>(path: Path, contents: &[B]) -> Self {
            let mut slab = Self { bytes: alloc::vec![0; SLOT * contents.len()], packets: Vec::new() };
            for (i, content) in contents.iter().enumerate() {
                let mut packet = Packet::free(i * SLOT..(i + 1) * SLOT);
                let mut buf = packet.window(&mut slab.bytes).unwrap();
                buf.fill(content.as_ref()).unwrap();
                packet.set_window(buf.window());
                packet.path = path;
                slab.packets.push(packet);
            }
            slab
        }

        fn batch(&mut self) -> Batch<'_> {
            let len = self.packets.len();
            Batch::new(&mut self.bytes, &mut self.packets, len)
        }

        fn verdicts(&self) -> Vec<Verdict> {
            self.packets.iter().map(|packet| packet.verdict).collect()
        }

        fn contents(&mut self) -> Vec<Vec<u8>> {
            let batch = self.batch();
            (0..batch.len).map(|i| batch.bytes(i).to_vec()).collect()
        }
    }

    #[test]
    fn there_and_back() {
        let (mut client, mut server) = Setup::default().ends();
        let packets = [inner(60), inner(20), inner(400)];
        let mut slab = Slab::of(Path::default(), &packets);
        client.seal(T0, &mut slab.batch());
        assert_eq!(slab.verdicts(), [Verdict::Transmit; 3]);
        assert!(slab.packets.iter().all(|packet| packet.path == path(Transport::Udp)));

        let mut slab = Slab::of(path(Transport::Udp), &slab.contents());
        server.open(T0, &mut slab.batch());
        assert_eq!(slab.verdicts(), [Verdict::Deliver; 3]);
        assert!(slab.packets.iter().all(|packet| packet.peer == PeerId::SERVER && packet.port == Port::Host));
        assert_eq!(slab.contents(), packets);
    }

    #[test]
    fn what_a_worker_cannot_place_stays_as_it_was() {
        let (mut client, mut server) = Setup::default().ends();
        let contents =
            [alloc::vec![0x38, 1, 2, 3], alloc::vec![0xFF], seal(&mut client, &inner(60)).unwrap()];
        let mut slab = Slab::of(elsewhere(), &contents);
        server.open(T0, &mut slab.batch());
        assert_eq!(slab.verdicts(), [Verdict::Pending; 3]);
        assert_eq!(slab.contents(), contents);
        assert_eq!(server.drops().total(), 0);
    }

    #[test]
    fn packets_without_a_whole_header_are_dropped() {
        let mut server = Setup::default().end(Role::Server);
        let mut slab = Slab::of(elsewhere(), &[&[][..], &[0x48, 0, 0]]);
        server.open(T0, &mut slab.batch());
        assert_eq!(slab.verdicts(), [Verdict::Drop; 2]);
        assert_eq!(server.drops().get(DropReason::Truncated), 2);
    }

    #[test]
    fn packets_with_a_verdict_are_not_touched() {
        let mut client = Setup::default().end(Role::Client);
        let mut slab = Slab::of(Path::default(), &[inner(60), inner(60)]);
        slab.packets[0].verdict = Verdict::Consumed;
        client.seal(T0, &mut slab.batch());
        assert_eq!(slab.verdicts(), [Verdict::Consumed, Verdict::Transmit]);
    }

    #[test]
    fn pings_are_consumed_and_a_farewell_is_remembered() {
        let (mut client, mut server) = Setup::default().ends();
        let mut slab = Slab::of(path(Transport::Udp), &[seal_special(&mut client, &PING)]);
        server.open(T0, &mut slab.batch());
        assert_eq!((slab.verdicts(), server.remote_exit()), (alloc::vec![Verdict::Consumed], false));
        let mut slab = Slab::of(path(Transport::Udp), &[seal_special(&mut client, &OCC_EXIT)]);
        server.open(T0, &mut slab.batch());
        assert_eq!((slab.verdicts(), server.remote_exit()), (alloc::vec![Verdict::Consumed], true));
    }

    #[test]
    fn a_keepalive_that_cannot_be_sealed_is_not_due_again_at_once() {
        let mut keyless =
            PeerData::new(T0, PeerId::SERVER, Role::Client, path(Transport::Udp), &SessionConfig::default());
        keyless.set_ping(Some(Duration::from_secs(10)));
        let mut slab = Slab::of(Path::default(), &[inner(60), inner(60)]);
        keyless.poll_transmits(after(10), &mut slab.batch());
        assert_eq!(keyless.drops().total(), 1);
        assert_eq!(keyless.ping_due(), Some(after(20)));
    }

    #[test]
    fn descriptors_that_cannot_be_worked_on_are_dropped() {
        let mut client = Setup::default().end(Role::Client);
        let mut slab = Slab::of(Path::default(), &[inner(60), inner(60), inner(60)]);
        slab.packets[0].segment_len = 30;
        slab.packets[1].slot = 10 * SLOT as u32;
        slab.packets[2].data_len = SLOT as u32;
        for drops in [1, 2] {
            slab.packets.iter_mut().for_each(|packet| packet.verdict = Verdict::Pending);
            client.seal(T0, &mut slab.batch());
            assert_eq!(slab.verdicts(), [Verdict::Drop; 3]);
            let reasons: Vec<_> = slab.packets.iter().map(|packet| packet.reason).collect();
            assert_eq!(reasons, [DropReason::Unsupported, DropReason::BadSlot, DropReason::BadSlot]);
            assert_eq!(client.drops().get(DropReason::Unsupported), drops);
            assert_eq!(client.drops().get(DropReason::BadSlot), 2 * drops);
        }
    }
}

/// Traffic goes on while the state is with a worker, and after it came back with a new key.
#[test]
fn the_state_moves_to_another_thread_and_back() {
    let (mut client, mut server) = Setup::default().ends();
    let mut exchange = |server: &mut PeerData| {
        for len in [20, 60, 1400] {
            let request = seal(&mut client, &inner(len)).unwrap();
            assert_eq!(open(server, &request), Ok(inner(len)));
            let answer = seal(server, &inner(len)).unwrap();
            assert_eq!(open(&mut client, &answer), Ok(inner(len)));
        }
    };
    exchange(&mut server);
    let mut server = thread::scope(|scope| {
        let exchange = &mut exchange;
        scope
            .spawn(move || {
                exchange(&mut server);
                server
            })
            .join()
            .unwrap()
    });
    server.install_key(KeyId::INITIAL.next(), Cipher::ChaCha20Poly1305, &block(), after(60));
    exchange(&mut server);
    assert_eq!(server.traffic().inner_received, Tally { packets: 9, bytes: 3 * 1480 });
    assert_eq!(server.drops().total(), 0);
}
