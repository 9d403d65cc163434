//! The header that stands before a datagram on its way through a SOCKS relay (RFC 1928, 7).

use std::net::{IpAddr, SocketAddr};

const IPV4: u8 = 1;
const IPV6: u8 = 4;

/// The header for a datagram to `to`.
pub(crate) fn header(to: SocketAddr) -> Vec<u8> {
    let mut header = vec![0, 0, 0];
    match to.ip().to_canonical() {
        IpAddr::V4(ip) => {
            header.push(IPV4);
            header.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            header.push(IPV6);
            header.extend(ip.octets());
        }
    }
    header.extend(to.port().to_be_bytes());
    header
}

/// From where a datagram came that the relay passed on, and how long its header is; `None` if it has no header, is a
/// fragment, or comes from a name.
pub(crate) fn parse(datagram: &[u8]) -> Option<(SocketAddr, usize)> {
    let &[0, 0, 0, kind, ref rest @ ..] = datagram else { return None };
    let (ip, rest): (IpAddr, &[u8]) = match kind {
        IPV4 => rest.split_first_chunk::<4>().map(|(ip, rest)| ((*ip).into(), rest))?,
        IPV6 => rest.split_first_chunk::<16>().map(|(ip, rest)| ((*ip).into(), rest))?,
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), datagram.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_there_and_back() {
        for (address, bytes) in [
            ("192.0.2.1:1194", &b"\0\0\0\x01\xc0\0\x02\x01\x04\xaa"[..]),
            ("[2001:db8::1]:443", b"\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(header(address), bytes);
            assert_eq!(parse(bytes), Some((address, bytes.len())));
            assert_eq!(parse(&[bytes, b"data"].concat()), Some((address, bytes.len())));
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn what_is_no_datagram_of_a_relay() {
        for bytes in [
            &b"\0\0\x01\x01\xc0\0\x02\x01\x04\xaa"[..],
            b"\0\0\0\x03\x01x\0\x01",
            b"\x38\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(parse(bytes), None);
        }
    }
}
