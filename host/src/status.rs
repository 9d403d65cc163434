//! The status of a server and of a client, in OpenVPN's three versions: for its file, the log, and the management
//! interface.

use std::fmt::{Display, Write as _};
use std::net::{IpAddr, SocketAddr};

use adit::UnixTime;
use adit::config::{IpNetwork, StatusVersion};

use crate::log::is_unprintable;
use crate::management;
use crate::sys::local_time;

/// What stands for a name that is not known.
const UNKNOWN: &str = "UNDEF";

/// A client, connected or on the way to it.
#[derive(Clone, Debug)]
pub(crate) struct ClientRow {
    pub(crate) common_name: Option<String>,
    /// Its end outside the tunnel.
    pub(crate) real_address: String,
    /// Its first addresses inside.
    pub(crate) ipv4: Option<IpAddr>,
    pub(crate) ipv6: Option<IpAddr>,
    /// From the client, and to it.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) since: UnixTime,
    pub(crate) username: Option<String>,
    pub(crate) client_id: u64,
    pub(crate) peer_id: String,
    pub(crate) cipher: Option<String>,
}

/// Which addresses are whose.
#[derive(Clone, Debug)]
pub(crate) struct RouteRow {
    pub(crate) network: IpNetwork,
    pub(crate) common_name: Option<String>,
    pub(crate) real_address: String,
    pub(crate) last_used: UnixTime,
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

/// An outer address as OpenVPN's status has it: IPv6 without its port.
pub(crate) fn real_address(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => ip.to_string(),
    }
}

/// A server's status.
pub(crate) fn server(
    version: StatusVersion,
    now: UnixTime,
    clients: &[ClientRow],
    routes: &[RouteRow],
) -> String {
    match version {
        StatusVersion::V1 => for_people(now, clients, routes),
        StatusVersion::V2 => for_programs(',', now, clients, routes),
        StatusVersion::V3 => for_programs('\t', now, clients, routes),
    }
}

fn for_people(now: UnixTime, clients: &[ClientRow], routes: &[RouteRow]) -> String {
    let mut text = format!("OpenVPN CLIENT LIST\nUpdated,{}\n", local_time(now));
    text.push_str("Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since\n");
    for ClientRow { common_name, real_address, bytes_in, bytes_out, since, .. } in clients {
        let (name, since) = (name(common_name.as_deref()), local_time(*since));
        let _ = writeln!(text, "{name},{real_address},{bytes_in},{bytes_out},{since}");
    }
    text.push_str("ROUTING TABLE\nVirtual Address,Common Name,Real Address,Last Ref\n");
    for RouteRow { network, common_name, real_address, last_used } in routes {
        let (name, last_used) = (name(common_name.as_deref()), local_time(*last_used));
        let _ = writeln!(text, "{network},{name},{real_address},{last_used}");
    }
    text.push_str("GLOBAL STATS\nMax bcast/mcast queue length,0\nEND\n");
    text
}

fn for_programs(separator: char, now: UnixTime, clients: &[ClientRow], routes: &[RouteRow]) -> String {
    let mut text = String::new();
    let mut row = |fields: &[&dyn Display]| {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                text.push(separator);
            }
            let _ = write!(text, "{field}");
        }
        text.push('\n');
    };
    row(&[&"TITLE", &management::version()]);
    row(&[&"TIME", &local_time(now), &now.0]);
    row(&[
        &"HEADER",
        &"CLIENT_LIST",
        &"Common Name",
        &"Real Address",
        &"Virtual Address",
        &"Virtual IPv6 Address",
        &"Bytes Received",
        &"Bytes Sent",
        &"Connected Since",
        &"Connected Since (time_t)",
        &"Username",
        &"Client ID",
        &"Peer ID",
        &"Data Channel Cipher",
    ]);
    for client in clients {
        row(&[
            &"CLIENT_LIST",
            &name(client.common_name.as_deref()),
            &client.real_address,
            &shown(client.ipv4),
            &shown(client.ipv6),
            &client.bytes_in,
            &client.bytes_out,
            &local_time(client.since),
            &client.since.0,
            &name(client.username.as_deref()),
            &client.client_id,
            &client.peer_id,
            &client.cipher.as_deref().unwrap_or_default(),
        ]);
    }
    row(&[
        &"HEADER",
        &"ROUTING_TABLE",
        &"Virtual Address",
        &"Common Name",
        &"Real Address",
        &"Last Ref",
        &"Last Ref (time_t)",
    ]);
    for RouteRow { network, common_name, real_address, last_used } in routes {
        let name = name(common_name.as_deref());
        row(&[&"ROUTING_TABLE", network, &name, real_address, &local_time(*last_used), &last_used.0]);
    }
    row(&[&"GLOBAL_STATS", &"Max bcast/mcast queue length", &0]);
    row(&[&"GLOBAL_STATS", &"dco_enabled", &0]);
    row(&[&"END"]);
    text
}

/// A name, unless it is unknown. What separates fields and lines would forge some.
fn name(name: Option<&str>) -> String {
    name.unwrap_or(UNKNOWN).replace(|c: char| c == ',' || is_unprintable(c), "_")
}

fn shown(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// A client's status, in any version.
pub(crate) fn client(now: UnixTime, traffic: &Traffic) -> String {
    let Traffic { tun_read, tun_written, link_read, link_written, auth_read } = traffic;
    let now = local_time(now);
    format!(
        "OpenVPN STATISTICS\nUpdated,{now}\nTUN/TAP read bytes,{tun_read}\nTUN/TAP write bytes,{tun_written}\n\
         TCP/UDP read bytes,{link_read}\nTCP/UDP write bytes,{link_written}\nAuth read bytes,{auth_read}\nEND\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_858_213);

    fn rows() -> ([ClientRow; 2], [RouteRow; 2]) {
        let connected = ClientRow {
            common_name: Some("client1".into()),
            real_address: real_address("198.51.100.7:54522".parse().unwrap()),
            ipv4: Some("10.8.0.2".parse().unwrap()),
            ipv6: Some("fd00::1000".parse().unwrap()),
            bytes_in: 3860,
            bytes_out: 3688,
            since: UnixTime(1_795_858_204),
            username: None,
            client_id: 4,
            peer_id: "1".into(),
            cipher: Some("AES-256-GCM".into()),
        };
        let unknown = ClientRow {
            common_name: None,
            real_address: real_address("[2001:db8::2]:40506".parse().unwrap()),
            ipv4: None,
            ipv6: None,
            bytes_in: 0,
            bytes_out: 0,
            client_id: 5,
            peer_id: "2".into(),
            username: Some("al,i\tce".into()),
            cipher: None,
            ..connected.clone()
        };
        let route = RouteRow {
            network: IpNetwork::from("10.8.0.2".parse::<IpAddr>().unwrap()),
            common_name: connected.common_name.clone(),
            real_address: connected.real_address.clone(),
            last_used: UnixTime(1_795_858_210),
        };
        let behind = IpNetwork::containing("10.99.0.0".parse().unwrap(), 16);
        ([connected, unknown], [route.clone(), RouteRow { network: behind, ..route }])
    }

    /// `text` with the times of the day, which depend on the time zone, taken out of it.
    fn without_times(text: &str) -> String {
        let times =
            [NOW, UnixTime(1_795_858_204), UnixTime(1_795_858_210)].map(|time| local_time(time).to_string());
        times
            .iter()
            .zip(["NOW", "SINCE", "LAST"])
            .fold(text.to_owned(), |text, (time, word)| text.replace(time, word))
    }

    #[test]
    fn a_server_for_people() {
        let (clients, routes) = rows();
        assert_eq!(
            without_times(&server(StatusVersion::V1, NOW, &clients, &routes)),
            "OpenVPN CLIENT LIST\n\
             Updated,NOW\n\
             Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since\n\
             client1,198.51.100.7:54522,3860,3688,SINCE\n\
             UNDEF,2001:db8::2,0,0,SINCE\n\
             ROUTING TABLE\n\
             Virtual Address,Common Name,Real Address,Last Ref\n\
             10.8.0.2,client1,198.51.100.7:54522,LAST\n\
             10.99.0.0/16,client1,198.51.100.7:54522,LAST\n\
             GLOBAL STATS\n\
             Max bcast/mcast queue length,0\n\
             END\n"
        );
    }

    #[test]
    fn a_server_for_programs() {
        let (clients, routes) = rows();
        let by_commas = without_times(&server(StatusVersion::V2, NOW, &clients, &routes));
        let lines: Vec<&str> = by_commas.lines().collect();
        assert!(lines[0].starts_with("TITLE,OpenVPN 2.6.14 compatible [adit "));
        assert_eq!(
            lines[1..],
            [
                "TIME,NOW,1795858213",
                "HEADER,CLIENT_LIST,Common Name,Real Address,Virtual Address,Virtual IPv6 Address,Bytes Received,Bytes Sent,Connected Since,Connected Since (time_t),Username,Client ID,Peer ID,Data Channel Cipher",
                "CLIENT_LIST,client1,198.51.100.7:54522,10.8.0.2,fd00::1000,3860,3688,SINCE,1795858204,UNDEF,4,1,AES-256-GCM",
                "CLIENT_LIST,UNDEF,2001:db8::2,,,0,0,SINCE,1795858204,al_i_ce,5,2,",
                "HEADER,ROUTING_TABLE,Virtual Address,Common Name,Real Address,Last Ref,Last Ref (time_t)",
                "ROUTING_TABLE,10.8.0.2,client1,198.51.100.7:54522,LAST,1795858210",
                "ROUTING_TABLE,10.99.0.0/16,client1,198.51.100.7:54522,LAST,1795858210",
                "GLOBAL_STATS,Max bcast/mcast queue length,0",
                "GLOBAL_STATS,dco_enabled,0",
                "END",
            ]
        );
        let by_tabs = without_times(&server(StatusVersion::V3, NOW, &clients, &routes));
        let by_tabs: Vec<String> = by_tabs.lines().map(|line| line.replace('\t', ",")).collect();
        assert_eq!(by_tabs, lines);
    }

    #[test]
    fn a_client() {
        let traffic = Traffic { tun_read: 1, tun_written: 2, link_read: 3, link_written: 4, auth_read: 5 };
        assert_eq!(
            without_times(&client(NOW, &traffic)),
            "OpenVPN STATISTICS\nUpdated,NOW\nTUN/TAP read bytes,1\nTUN/TAP write bytes,2\n\
             TCP/UDP read bytes,3\nTCP/UDP write bytes,4\nAuth read bytes,5\nEND\n"
        );
    }
}
