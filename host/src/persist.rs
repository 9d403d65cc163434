//! `ifconfig-pool-persist`: who had which address, in OpenVPN's file.

use adit::config::Lease;

/// The file's text. A name that would read as something else is left out.
pub(crate) fn format(leases: &[Lease]) -> String {
    let writable = |lease: &&Lease| !lease.common_name.contains(|c: char| c == ',' || c.is_control());
    leases.iter().filter(writable).map(|lease| format!("{lease}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line() {
        let lease =
            |name: &str| Lease { common_name: name.into(), ipv4: Some([10, 8, 0, 4].into()), ipv6: None };
        let text = format(&[lease("client 1"), lease("a,10.0.0.1"), lease("b\nc")]);
        assert_eq!(text, "client 1,10.8.0.4,\n");
    }
}
