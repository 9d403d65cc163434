//! `ifconfig-pool-persist`: who had which address, in OpenVPN's text.
//!
//! A line is `CN,IPv4[,IPv6]`, either address may be empty. Under net30 the IPv4 address is the base of the block.

use std::fmt::Write as _;

use adit::config::Lease;

/// Reads the file's text. A line that makes no sense is reported by its number (from 1) and skipped.
pub(crate) fn parse(text: &str) -> (Vec<Lease>, Vec<usize>) {
    let mut leases = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match parse_line(line) {
            Some(lease) => leases.push(lease),
            None => bad.push(index + 1),
        }
    }
    (leases, bad)
}

fn parse_line(line: &str) -> Option<Lease> {
    let mut fields = line.split(',');
    let common_name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let ipv4 = parse_field(fields.next()?)?;
    let ipv6 = parse_field(fields.next().unwrap_or(""))?;
    (ipv4.is_some() || ipv6.is_some()).then_some(Lease { common_name, ipv4, ipv6 })
}

/// An empty field is no address; anything else must be one.
fn parse_field<T: std::str::FromStr>(field: &str) -> Option<Option<T>> {
    let field = field.trim();
    if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) }
}

/// The file's text.
pub(crate) fn format(leases: &[Lease]) -> String {
    let mut text = String::new();
    for Lease { common_name, ipv4, ipv6 } in leases {
        // A name with a comma or a line break would read as something else.
        if common_name.contains([',', '\n', '\r']) {
            continue;
        }
        let ipv4 = ipv4.map_or_else(String::new, |ip| ip.to_string());
        let ipv6 = ipv6.map_or_else(String::new, |ip| ip.to_string());
        let _ = writeln!(text, "{common_name},{ipv4},{ipv6}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openvpn_wrote_is_read_and_written_alike() {
        let text = "client1,10.0.255.4,\nclient 2,10.8.0.9,fd00::1003\nonly6,,fd00::1004\n";
        let (leases, bad) = parse(text);
        assert!(bad.is_empty());
        assert_eq!(leases[0].common_name, "client1");
        assert_eq!(leases[0].ipv4, Some([10, 0, 255, 4].into()));
        assert_eq!((leases[2].ipv4, leases[2].ipv6), (None, Some("fd00::1004".parse().unwrap())));
        assert_eq!(format(&leases), text);
    }

    #[test]
    fn old_lines_comments_and_nonsense() {
        let (leases, bad) = parse("# comment\n; another\n\nold,10.8.0.4\nx,300.1.1.1\n,10.0.0.1\nname\nempty,,\n");
        assert_eq!(leases.len(), 1);
        assert_eq!(bad, [5, 6, 7, 8]);
    }
}
