//! Networks of proxies.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Bits of the prefix of IPv4-mapped IPv6 addresses, `::ffff:0:0/96`.
const MAPPED_PREFIX_BITS: u8 = 96;

/// A network whose addresses are proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedNetwork {
    /// `loopback`: 127.0.0.0/8, `::1`, and all peers of Unix sockets.
    Loopback,
    /// `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`.
    Network(IpNet),
}

impl TrustedNetwork {
    /// Parses a network, an address, or `loopback`. An IPv4-mapped one is that of IPv4. `None`: it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "loopback" => Some(TrustedNetwork::Loopback),
            _ => {
                let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
                network.ok().map(|network| TrustedNetwork::Network(canonical(network)))
            }
        }
    }

    /// Whether the address is in it. Addresses are compared in their canonical form.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match self {
            TrustedNetwork::Loopback => address.is_loopback(),
            TrustedNetwork::Network(network) => network.contains(&address),
        }
    }

    /// Whether it is all of IPv4 or of IPv6.
    pub fn is_everybody(&self) -> bool {
        matches!(self, TrustedNetwork::Network(network) if network.prefix_len() == 0)
    }

    /// The network without the bits behind its prefix: `10.0.0.0/8` for `10.1.2.3/8`.
    pub fn trunc(self) -> Self {
        match self {
            TrustedNetwork::Loopback => self,
            TrustedNetwork::Network(network) => TrustedNetwork::Network(network.trunc()),
        }
    }
}

impl fmt::Display for TrustedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedNetwork::Loopback => f.write_str("loopback"),
            TrustedNetwork::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                write!(f, "{}", network.addr())
            }
            TrustedNetwork::Network(network) => write!(f, "{network}"),
        }
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn canonical(network: IpNet) -> IpNet {
    let v4 = match network.addr().to_canonical() {
        IpAddr::V4(v4) => network.prefix_len().checked_sub(MAPPED_PREFIX_BITS).map(|bits| Ipv4Net::new(v4, bits)),
        IpAddr::V6(_) => None,
    };
    match (network, v4) {
        (IpNet::V6(_), Some(Ok(v4))) => v4.into(),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, shown: &str, inside: &[&str], outside: &[&str]) {
        let network = TrustedNetwork::parse(network).expect("a network");
        assert_eq!(network.to_string(), shown);
        let contains =
            |address: &&&str| network.contains(address.parse::<IpAddr>().expect("an address").to_canonical());
        assert_eq!(inside.iter().find(|address| !contains(address)), None, "inside");
        assert_eq!(outside.iter().find(contains), None, "outside");
    }

    #[test]
    fn networks() {
        let loopback = ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"];
        check("loopback", "loopback", &loopback, &["128.0.0.1", "::2", "10.0.0.1"]);
        check("10.0.0.0/8", "10.0.0.0/8", &["10.255.0.1", "::ffff:10.0.0.1"], &["11.0.0.1", "::1", "::10.0.0.1"]);
        check("192.0.2.7", "192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]);
        check("192.0.2.7/32", "192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]);
        check("fd00::/8", "fd00::/8", &["fdff::1"], &["fe00::1", "253.0.0.1"]);
        check("::ffff:10.0.0.0/104", "10.0.0.0/8", &["10.1.2.3"], &["11.0.0.1"]);
        check("::ffff:10.0.0.7", "10.0.0.7", &["10.0.0.7"], &["10.0.0.8"]);
        check("::/0", "::/0", &["2001:db8::1"], &["10.0.0.1"]);
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "Loopback", "localhost", "10.0.0.0/33", "10.0.0", "10.0.0.1:80", "fe80::1%eth0", "*", "10.*"] {
            assert_eq!(TrustedNetwork::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bits_behind_the_prefix() {
        let network = TrustedNetwork::parse("10.1.2.3/8").expect("a network");
        assert_eq!(network.trunc().to_string(), "10.0.0.0/8");
        assert_ne!(network.trunc(), network);
        assert!(TrustedNetwork::parse("0.0.0.0/0").is_some_and(|all| all.is_everybody()));
        assert!(!network.is_everybody() && !TrustedNetwork::Loopback.is_everybody());
    }
}
