//! The status file, version 1, of server and client.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::sys::LocalTime;

/// A connected client.
#[derive(Clone, Debug)]
pub(crate) struct ClientRow {
    pub(crate) common_name: String,
    /// Address and port of its end outside the tunnel.
    pub(crate) real_address: String,
    /// From the client, and to it.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) since: LocalTime,
    /// Inside the tunnel.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What a client counts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) tun_read: u64,
    pub(crate) tun_written: u64,
    pub(crate) link_read: u64,
    pub(crate) link_written: u64,
    /// Of data packets that passed their authentication.
    pub(crate) auth_read: u64,
}

/// A server's file.
pub(crate) fn server(now: LocalTime, clients: &[ClientRow]) -> String {
    let mut text = format!("OpenVPN CLIENT LIST\nUpdated,{now}\n");
    text.push_str("Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since\n");
    for ClientRow { common_name, real_address, bytes_in, bytes_out, since, .. } in clients {
        let _ = writeln!(text, "{common_name},{real_address},{bytes_in},{bytes_out},{since}");
    }
    text.push_str("ROUTING TABLE\nVirtual Address,Common Name,Real Address,Last Ref\n");
    for client in clients {
        for address in &client.addresses {
            let _ = writeln!(text, "{address},{},{},{now}", client.common_name, client.real_address);
        }
    }
    text.push_str("GLOBAL STATS\nMax bcast/mcast queue length,0\nEND\n");
    text
}

/// A client's file.
pub(crate) fn client(now: LocalTime, traffic: &Traffic) -> String {
    let Traffic { tun_read, tun_written, link_read, link_written, auth_read } = traffic;
    format!(
        "OpenVPN STATISTICS\nUpdated,{now}\nTUN/TAP read bytes,{tun_read}\nTUN/TAP write bytes,{tun_written}\n\
         TCP/UDP read bytes,{link_read}\nTCP/UDP write bytes,{link_written}\nAuth read bytes,{auth_read}\nEND\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: LocalTime = LocalTime { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5 };

    #[test]
    fn a_server_with_one_client() {
        let row = ClientRow {
            common_name: "client1".into(),
            real_address: "198.51.100.7:54522".into(),
            bytes_in: 3860,
            bytes_out: 3688,
            since: LocalTime { hour: 2, ..NOW },
            addresses: vec!["10.8.0.2".parse().unwrap(), "fd00::1000".parse().unwrap()],
        };
        assert_eq!(
            server(NOW, &[row]),
            "OpenVPN CLIENT LIST\n\
             Updated,2026-01-02 03:04:05\n\
             Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since\n\
             client1,198.51.100.7:54522,3860,3688,2026-01-02 02:04:05\n\
             ROUTING TABLE\n\
             Virtual Address,Common Name,Real Address,Last Ref\n\
             10.8.0.2,client1,198.51.100.7:54522,2026-01-02 03:04:05\n\
             fd00::1000,client1,198.51.100.7:54522,2026-01-02 03:04:05\n\
             GLOBAL STATS\n\
             Max bcast/mcast queue length,0\n\
             END\n"
        );
    }

    #[test]
    fn a_client() {
        let traffic = Traffic { tun_read: 1, tun_written: 2, link_read: 3, link_written: 4, auth_read: 5 };
        assert_eq!(
            client(NOW, &traffic),
            "OpenVPN STATISTICS\nUpdated,2026-01-02 03:04:05\nTUN/TAP read bytes,1\nTUN/TAP write bytes,2\n\
             TCP/UDP read bytes,3\nTCP/UDP write bytes,4\nAuth read bytes,5\nEND\n"
        );
    }
}
