//! What `push-peer-info` has a client tell the server of its system.

use std::fs;

use adit::config::ClientConfig;

/// Adds it to what the engine tells by itself.
pub(crate) fn complete(config: &mut ClientConfig) {
    if !config.push_peer_info {
        return;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned());
    let found = [
        ("IV_HWADDR", hardware_address()),
        ("IV_SSL", Some("rustls with ring".to_owned())),
        ("IV_PLAT_VER", release),
    ];
    let known = found.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    config.peer_info.extend(known);
}

/// That of the interface that the default route leads through.
fn hardware_address() -> Option<String> {
    let device = default_device(&fs::read_to_string("/proc/net/route").ok()?)?;
    let address = fs::read_to_string(format!("/sys/class/net/{device}/address")).ok()?;
    Some(address.trim().to_owned()).filter(|address| !address.is_empty())
}

/// Columns: device, destination, gateway, flags, reference count, use, metric, mask; numbers in hexadecimal.
fn default_device(routes: &str) -> Option<String> {
    let defaults = routes.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [device, "00000000", _, _, _, _, metric, "00000000", ..] => {
                Some((metric.parse::<u32>().ok()?, device))
            }
            _ => None,
        }
    });
    defaults.min().map(|(_, device)| device.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_of_the_lowest_metric() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                      wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                      eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                      eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_device(routes).as_deref(), Some("eth0"));
        assert_eq!(default_device("Iface\tDestination\n"), None);
    }

    #[test]
    fn nothing_is_told_unless_asked_for() {
        let mut config = ClientConfig::new();
        complete(&mut config);
        assert!(config.peer_info.is_empty());
        config.push_peer_info = true;
        complete(&mut config);
        let told = |name| config.peer_info.iter().any(|(told, _)| told == name);
        assert!(told("IV_SSL") && told("IV_PLAT_VER"));
    }
}
