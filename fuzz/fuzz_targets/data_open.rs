//! Any bytes as an outer packet that belongs to a peer with keys.
//!
//! Nothing but the seeds and their like passes the tag; what is dropped must be counted, once.

#![no_main]

use adit::config::SessionConfig;
use adit::crypto::KeyBlock;
use adit::wire::KeyId;
use adit::{Batch, Cipher, Framing, Instant, LinkId, Packet, Path, PeerData, PeerId, Role, Verdict};
use libfuzzer_sys::fuzz_target;

const NOW: Instant = Instant::ZERO;

fuzz_target!(|outer: &[u8]| {
    let path = Path::udp(LinkId(0), "192.0.2.1:1194".parse().expect("an address"));
    for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
        let mut config = SessionConfig::default();
        config.framing = framing;
        let mut server = PeerData::new(NOW, PeerId::SERVER, Role::Server, path, &config);
        let block = KeyBlock::new(core::array::from_fn(|i| (i * 7 + 3) as u8));
        let ciphers = Cipher::DEFAULT_LIST.into_iter();
        for (cipher, key_id) in
            ciphers.zip([KeyId::INITIAL, KeyId::INITIAL.next(), KeyId::INITIAL.next().next()])
        {
            server.install_key(key_id, cipher, &block, NOW);
        }

        let mut slab = outer.to_vec();
        let mut packets = [Packet::new(0..slab.len(), 0..slab.len())];
        packets[0].path = path;
        server.open(NOW, &mut Batch::new(&mut slab, &mut packets, 1));
        let dropped = packets[0].verdict == Verdict::Drop;
        assert_eq!(server.drops().total(), u64::from(dropped));
        if packets[0].verdict == Verdict::Deliver {
            assert!(packets[0].data_len < outer.len() as u32);
        }
        if packets[0].verdict == Verdict::Pending {
            assert_eq!(slab, outer);
        }
    }
});
