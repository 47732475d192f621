//! Which client an address stands for when connections are counted per address.

use std::net::{IpAddr, Ipv6Addr};

/// Leading bits of an IPv6 address that name a network; one customer usually has the whole network.
const IPV6_PREFIX_BITS: u32 = 64;

/// An IPv4 address as it is, also when it is written as an IPv4-mapped IPv6 address; the /64 network of any other IPv6
/// address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (Ipv6Addr::BITS - IPV6_PREFIX_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let check = |address: &str, expect: &str| {
            assert_eq!(network(address.parse().expect("an address")), expect.parse::<IpAddr>().expect("an address"));
        };
        check("10.0.0.1", "10.0.0.1");
        check("::ffff:10.0.0.1", "10.0.0.1");
        check("2001:db8::1", "2001:db8::");
        check("2001:db8::ffff:1", "2001:db8::");
        check("2001:db8:0:1::1", "2001:db8:0:1::");
    }
}
