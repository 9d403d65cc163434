//! Any bytes as an inner packet: through sealing, where they may be parsed, clamped and framed, and out again.
//!
//! The first byte of the input chooses framing, transport and header; the rest is the packet.

#![no_main]

use adit::config::SessionConfig;
use adit::crypto::KeyBlock;
use adit::wire::ip::{IpHeader, TcpSegment};
use adit::wire::{KeyId, WirePeerId};
use adit::{
    Batch, Cipher, Framing, HEADROOM, Instant, LinkId, Packet, Path, PeerData, PeerId, Role, TAILROOM,
    Verdict,
};
use libfuzzer_sys::fuzz_target;

const NOW: Instant = Instant::ZERO;

fn end(role: Role, path: Path, choice: u8) -> PeerData {
    let mut config = SessionConfig::default();
    config.framing = match choice & 3 {
        0 => Framing::None,
        1 => Framing::Lzo,
        2 => Framing::Stub,
        _ => Framing::StubV2,
    };
    let mut end = PeerData::new(NOW, PeerId::SERVER, role, path, &config);
    end.set_wire_peer_id((choice & 4 != 0).then_some(WirePeerId::DISABLED));
    end.install_key(KeyId::INITIAL, Cipher::Aes128Gcm, &KeyBlock::new([7; KeyBlock::LEN]), NOW);
    end
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, inner)) = input.split_first() else { return };
    // Longer ones are beyond what the prefix on a TCP link can say.
    let inner = &inner[..inner.len().min(65_000)];
    let remote = "192.0.2.1:1194".parse().expect("an address");
    let (path, prefix) =
        if choice & 8 == 0 { (Path::udp(LinkId(0), remote), 0) } else { (Path::tcp(LinkId(0), remote), 2) };
    let (mut client, mut server) = (end(Role::Client, path, choice), end(Role::Server, path, choice));

    let mut slab = vec![0; HEADROOM + inner.len() + TAILROOM];
    let data = HEADROOM..HEADROOM + inner.len();
    slab[data.clone()].copy_from_slice(inner);
    let mut clamped = inner.to_vec();
    let _ = TcpSegment::find(&mut clamped);
    let mut packets = [Packet::new(0..slab.len(), data)];
    client.seal(NOW, &mut Batch::new(&mut slab, &mut packets, 1));
    assert_eq!(packets[0].verdict == Verdict::Transmit, IpHeader::parse(inner).is_some());
    if packets[0].verdict != Verdict::Transmit {
        return;
    }

    packets[0].data += prefix;
    packets[0].data_len -= prefix;
    packets[0].verdict = Verdict::Pending;
    server.open(NOW, &mut Batch::new(&mut slab, &mut packets, 1));
    assert_eq!(packets[0].verdict, Verdict::Deliver);
    let delivered = &slab[packets[0].range()];
    assert_eq!(delivered.len(), inner.len());
    assert_eq!(IpHeader::parse(delivered), IpHeader::parse(inner));
});
