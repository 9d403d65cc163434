//! The parameters of `whois`, `explain` and `flows`, and of `adit --whois`.
//!
//! Included by the fuzz target with the commands; it uses nothing else of the host.

use core::net::IpAddr;

use adit::router::{Probe, Question, Timestamp};

/// `ADDRESS [PORT [PROTOCOL [TIME]]]`; `any` stands for what is not known.
pub(crate) fn question(words: &[&str]) -> Result<(Question, Option<Timestamp>), String> {
    let address = words.first().copied().unwrap_or_default();
    let address: IpAddr = address.parse().map_err(|_| format!("'{address}' is no IP address"))?;
    let mut question = Question::new(address);
    if let Some(port) = known(words, 1) {
        let port =
            port.parse().map_err(|_| format!("'{port}' is no port, a number up to 65535, nor 'any'"))?;
        question.port = Some(port);
    }
    question.protocol = known(words, 2).map(|word| protocol(word, address)).transpose()?;
    let at = known(words, 3).map(|time| {
        time.parse().map_err(|_| format!("'{time}' is no time; right would be 2026-11-28T12:50:00Z"))
    });
    Ok((question, at.transpose()?))
}

/// `CLIENT DESTINATION [PROTOCOL [PORT]]`: whose, and the packet; without a protocol, a ping.
pub(crate) fn probe(words: &[&str]) -> Result<(String, Probe), String> {
    let client = words.first().copied().unwrap_or_default();
    let destination = words.get(1).copied().unwrap_or_default();
    let destination: IpAddr = destination.parse().map_err(|_| format!("'{destination}' is no IP address"))?;
    let protocol = protocol(words.get(2).copied().unwrap_or("icmp"), destination)?;
    let selector = match (words.get(3), protocol) {
        (Some(word), _) => word.parse().map_err(|_| format!("'{word}' is no port, a number up to 65535"))?,
        (None, 6 | 17) => return Err("tcp and udp need a port behind them".into()),
        (None, 1) => 8,
        (None, 58) => 128,
        (None, _) => 0,
    };
    Ok((client.to_owned(), Probe::new(destination, protocol, selector)))
}

fn known<'a>(words: &[&'a str], number: usize) -> Option<&'a str> {
    words.get(number).copied().filter(|word| *word != "any")
}

/// A protocol's number, by its name.
fn protocol(word: &str, address: IpAddr) -> Result<u8, String> {
    Ok(match word {
        "tcp" => 6,
        "udp" => 17,
        "icmp" if address.is_ipv4() => 1,
        "icmp" | "icmpv6" => 58,
        other => {
            other.parse().map_err(|_| format!("'{other}' is no protocol: tcp, udp, icmp or a number"))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions() {
        let (asked, at) = question(&["10.0.1.3", "40000", "tcp", "2026-11-28T12:50:00Z"]).unwrap();
        assert_eq!((asked.port, asked.protocol), (Some(40000), Some(6)));
        assert_eq!(at, "2026-11-28T12:50:00Z".parse().ok());
        let (asked, at) = question(&["fd00::1", "any", "icmp"]).unwrap();
        assert_eq!((asked.port, asked.protocol, at), (None, Some(58), None));
        for (words, sentence) in [
            (&["x"][..], "'x' is no IP address"),
            (&["10.0.0.1", "65536"], "'65536' is no port, a number up to 65535, nor 'any'"),
            (&["10.0.0.1", "1", "x"], "'x' is no protocol: tcp, udp, icmp or a number"),
            (&["10.0.0.1", "1", "tcp", "noon"], "'noon' is no time; right would be 2026-11-28T12:50:00Z"),
        ] {
            assert_eq!(question(words).unwrap_err(), sentence);
        }
    }

    #[test]
    fn probes() {
        let of =
            |words: &[&str]| probe(words).map(|(client, probe)| (client, probe.protocol, probe.selector));
        assert_eq!(of(&["client1", "10.0.2.2"]), Ok(("client1".into(), 1, 8)));
        assert_eq!(of(&["client1", "fd00::2"]), Ok(("client1".into(), 58, 128)));
        assert_eq!(of(&["client1", "10.0.2.2", "tcp", "22"]), Ok(("client1".into(), 6, 22)));
        assert_eq!(of(&["client1", "10.0.2.2", "udp"]).unwrap_err(), "tcp and udp need a port behind them");
        assert_eq!(of(&["client1", "bastion"]).unwrap_err(), "'bastion' is no IP address");
    }
}
