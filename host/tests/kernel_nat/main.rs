//! NAT compared with Linux: the same packets go through nftables' masquerade and port forwards, and through ours.
//!
//! What comes out must be the same, packet by packet: where, between whom, hops, type of service, "don't fragment",
//! checksums, payload, ICMP's type, code and size. Outside ports are told by the inside end that they stand for, fragments
//! are put together, the identification is left out, and of a quoted packet the ends are told. Where the two differ, a list
//! says how and why ([`differences`]); a difference that is not in it fails, and so does an entry that is none.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod differences;
#[path = "../lab/mod.rs"]
mod lab;
mod packets;
mod routers;
mod script;
#[allow(unsafe_code, reason = "the host's own way to open a device")]
#[path = "../../src/sys/tun.rs"]
mod tun;

use core::fmt::Write as _;
use std::collections::BTreeMap;

use differences::DIFFERENCES;
use packets::{
    End, ICMP, ICMPV6, SYN, TCP, UDP, addresses, ends, header_len, is_sound, is_v4, protocol, reassemble,
    word,
};
use routers::{Linux, OWN, Ours, Side, Subject, ip};
use script::{STEPS, Step};

/// What has come out of one of the two so far.
#[derive(Default)]
pub struct Past {
    /// The first packet that came out of each step.
    packets: BTreeMap<&'static str, Vec<u8>>,
    /// By protocol, outside port and other end: the inside end.
    inside: BTreeMap<(u8, u16, End), End>,
}

impl Past {
    /// The packet that came out of that step.
    pub fn of(&self, step: &str) -> &[u8] {
        self.packets.get(step).unwrap_or_else(|| panic!("nothing came out of '{step}'"))
    }

    /// What came out of a step, in words.
    fn tell(&mut self, step: &Step, sent: &[Vec<u8>], out: Vec<(Side, Vec<u8>)>) -> String {
        let mut text = String::new();
        for side in [Side::Inside, Side::Outside] {
            let packets = out.iter().filter(|(to, _)| *to == side).map(|(_, packet)| packet.clone());
            let place = if side == Side::Inside { "inside" } else { "outside" };
            let (whole, parts) = reassemble(packets.collect());
            if parts > 0 {
                let _ = writeln!(text, "{place}: {parts} fragments of what is not all there");
            }
            for packet in whole {
                if side == Side::Outside && step.from == Side::Inside {
                    self.learn(sent, &packet);
                }
                let sound = if is_sound(&packet) { "" } else { " WRONG CHECKSUM" };
                let told = self.describe(&packet, side == Side::Outside);
                let _ = writeln!(text, "{place}: {told}{sound}");
                self.packets.entry(step.name).or_insert(packet);
            }
        }
        if text.is_empty() { "nothing\n".to_owned() } else { text }
    }

    /// Remembers whose outside end the source of a packet is that went out.
    fn learn(&mut self, sent: &[Vec<u8>], packet: &[u8]) {
        let ((source, port), beyond) = ends(packet);
        if let Some(sent) = reassemble(sent.to_vec()).0.first()
            && OWN.map(ip).contains(&source)
            && protocol(sent) == protocol(packet)
        {
            self.inside.insert((protocol(packet), port, beyond), ends(sent).0);
        }
    }

    /// An end, and who stands behind it if it is one of the router's own, outside.
    fn name(&self, protocol: u8, end: End, beyond: End) -> String {
        match self.inside.get(&(protocol, end.1, beyond)) {
            Some(inside) if OWN.map(ip).contains(&end.0) => {
                let port = match end.1 {
                    port if port == inside.1 => "the same port",
                    0..1024 => "a low port",
                    1024.. => "a high port",
                };
                format!("{} for {} {} with {port}", end.0, inside.0, inside.1)
            }
            _ => format!("{} {}", end.0, end.1),
        }
    }

    fn describe(&self, packet: &[u8], outside: bool) -> String {
        let (hops, tos) =
            if is_v4(packet) { (packet[8], packet[1]) } else { (packet[7], packet[0] << 4 | packet[1] >> 4) };
        let df = if is_v4(packet) && packet[6] & 0x40 != 0 { " df" } else { "" };
        let payload = &packet[header_len(packet)..];
        let what = match (protocol(packet), payload[0]) {
            (ICMP, 3 | 4 | 5 | 11 | 12) | (ICMPV6, 1..=4) => {
                let quote = &payload[8..];
                let size = match (protocol(packet), payload[0], payload[1]) {
                    (ICMP, 3, 4) | (ICMPV6, 2, _) => format!(" size {}", word(payload, 6)),
                    _ => String::new(),
                };
                let hops = quote[if is_v4(quote) { 8 } else { 7 }];
                // The sender of what is quoted is who the error goes to.
                let about = self.between(quote, outside);
                format!(" error {}/{}{size} about {about} hops {hops}", payload[0], payload[1])
            }
            (ICMP | ICMPV6, kind) => format!(" type {kind} {:?}", String::from_utf8_lossy(&payload[6..])),
            (UDP, _) if payload.len() > 100 => {
                format!(" {} bytes, sum {}", payload.len(), packets::checksum(&[&payload[8..]]))
            }
            (UDP, _) if word(payload, 6) == 0 => " without checksum".to_owned(),
            (UDP, _) => format!(" {:?}", String::from_utf8_lossy(&payload[8..])),
            (TCP, _) => {
                let number =
                    |at: usize| u32::from(word(payload, at)) << 16 | u32::from(word(payload, at + 2));
                let header = usize::from(payload[12] >> 4) * 4;
                let has_mss = payload[13] & SYN != 0 && header >= 24;
                let mss = if has_mss { format!(" mss {}", word(payload, 22)) } else { String::new() };
                let data = String::from_utf8_lossy(&payload[header..]);
                format!(" flags {} {}/{}{mss} {data:?}", payload[13], number(4), number(8))
            }
            _ => format!(" {payload:?}"),
        };
        if what.starts_with(" error") {
            // Linux's own may be fragmented, though they never have to be, and ours not (RFC 6864 §4.1).
            let (source, destination) = addresses(packet);
            return format!("{source} > {destination} hops {hops} tos {tos}{what}");
        }
        let about = self.between(packet, outside);
        format!("{about} hops {hops} tos {tos}{df}{what}")
    }

    /// Protocol and ends.
    fn between(&self, packet: &[u8], outside: bool) -> String {
        let (protocol, (source, destination)) = (protocol(packet), ends(packet));
        if !outside {
            return format!("{protocol} {} {} > {} {}", source.0, source.1, destination.0, destination.1);
        }
        let (from, to) = (self.name(protocol, source, destination), self.name(protocol, destination, source));
        format!("{protocol} {from} > {to}")
    }
}

#[test]
fn both_forward_the_same_packets_in_the_same_way() {
    let mut wrong = String::new();
    let mut shown = vec![false; DIFFERENCES.len()];
    let (mut linux, mut ours) = (Linux::new(), Ours::new());
    for family in [0, 1] {
        let mut pasts = [Past::default(), Past::default()];
        for step in STEPS.iter().filter(|step| step.families[family]) {
            let subjects: [&mut dyn Subject; 2] = [&mut linux, &mut ours];
            let mut told = [String::new(), String::new()];
            for ((subject, past), told) in subjects.into_iter().zip(&mut pasts).zip(&mut told) {
                let packets = (step.packets)(&script::Net::new(family), past);
                let out = subject.send(step.from, &packets);
                *told = past.tell(step, &packets, out);
            }
            let version = [4, 6][family];
            let differs =
                DIFFERENCES.iter().position(|entry| entry.step == step.name && entry.covers(version));
            let right = match differs {
                Some(at) => {
                    let as_said = DIFFERENCES[at].is(&told);
                    shown[at] |= as_said;
                    as_said
                }
                None => told[0] == told[1],
            };
            if !right {
                let _ = writeln!(wrong, "IPv{version}, {}\nLinux {}ours  {}", step.name, told[0], told[1]);
            }
        }
    }
    for (entry, _) in DIFFERENCES.iter().zip(shown).filter(|(_, shown)| !shown) {
        let _ = writeln!(wrong, "no difference: {} ({})", entry.step, entry.why);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
