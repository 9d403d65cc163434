//! The file of `ifconfig-pool-persist`: lines `COMMON_NAME,IPV4[,IPV6]`, either address possibly empty.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use super::diagnostic::Diagnostic;
use super::server::Lease;
use super::text::NamedText;

impl Lease {
    /// The leases of such a file, and a warning about each line that is none.
    pub fn parse_all(text: &NamedText) -> (Vec<Self>, Vec<Diagnostic>) {
        let mut leases = Vec::new();
        let mut warnings = Vec::new();
        for (number, line) in (1..).zip(text.text.split(|&byte| byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
                continue;
            }
            match core::str::from_utf8(line).ok().and_then(Self::parse) {
                Some(lease) => leases.push(lease),
                None => {
                    let message =
                        "this line is not COMMON_NAME,IPV4 or COMMON_NAME,IPV4,IPV6, and is passed over";
                    warnings.push(Diagnostic::warning(&text.position(number, 1), message));
                }
            }
        }
        (leases, warnings)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let common_name = fields.next().filter(|name| !name.is_empty())?;
        let ipv4 = fields.next()?;
        let ipv6 = fields.next().unwrap_or_default();
        if fields.next().is_some() {
            return None;
        }
        Some(Self {
            common_name: common_name.into(),
            ipv4: if ipv4.is_empty() { None } else { Some(ipv4.parse().ok()?) },
            ipv6: if ipv6.is_empty() { None } else { Some(ipv6.parse().ok()?) },
        })
    }
}

/// The line of the file, without its line feed.
impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ipv4 = self.ipv4.map_or_else(Default::default, |address| format!("{address}"));
        write!(f, "{},{ipv4},", self.common_name)?;
        self.ipv6.map_or(Ok(()), |address| write!(f, "{address}"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn round_trip() {
        let text = "client1,10.8.0.4,\nclient2,10.8.0.5,fd00::1001\nclient3,,fd00::1002\n";
        let (leases, warnings) = Lease::parse_all(&NamedText::file("ipp.txt", text));
        assert_eq!(warnings, []);
        let lines: Vec<_> = leases.iter().map(|lease| lease.to_string() + "\n").collect();
        assert_eq!(lines.concat(), text);
    }

    #[test]
    fn older_files_and_comments() {
        let (leases, warnings) =
            Lease::parse_all(&NamedText::file("ipp.txt", "# x\r\nclient1,10.8.0.4\r\n,10.8.0.5\na,b\n"));
        assert_eq!(leases.len(), 1);
        let places: Vec<_> = warnings.iter().map(|warning| warning.position.to_string()).collect();
        assert_eq!(places, ["ipp.txt:3:1", "ipp.txt:4:1"]);
    }
}
