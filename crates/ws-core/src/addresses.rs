//! How many connections each address has, where that is limited.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

/// The bits of an IPv6 address that name a network: one customer has all the others.
const IPV6_PREFIX_BITS: u32 = 64;

/// Counts by address. Empty where there is no limit.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// 0: no limit.
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    pub(crate) fn new(max: usize) -> Self {
        Addresses { max, counts: Mutex::default() }
    }

    /// One connection more from an address; what is to be given to [`leave`](Self::leave) when it ends.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Option<Box<IpAddr>>, ()> {
        if self.max == 0 {
            return Ok(None);
        }
        let network = network(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(network).or_default();
        if *count >= self.max {
            return Err(());
        }
        *count += 1;
        Ok(Some(Box::new(network)))
    }

    pub(crate) fn leave(&self, network: &IpAddr) {
        let mut counts = self.counts.lock();
        let Some(count) = counts.get_mut(network) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(network);
        }
    }
}

/// Whom an address stands for.
fn network(address: IpAddr) -> IpAddr {
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
    fn an_address_has_so_many_and_no_more() {
        let addresses = Addresses::new(2);
        let enter = |address: &str| addresses.enter(address.parse().expect("an address"));
        let first = enter("10.0.0.1").expect("room");
        assert!(enter("10.0.0.1").is_ok());
        assert_eq!(enter("10.0.0.1"), Err(()));
        assert_eq!(enter("::ffff:10.0.0.1"), Err(()), "the same in IPv6");
        assert!(enter("10.0.0.2").is_ok());
        addresses.leave(&first.expect("it is counted"));
        assert!(enter("10.0.0.1").is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let addresses = Addresses::new(1);
        let enter = |address: &str| addresses.enter(address.parse().expect("an address"));
        assert!(enter("2001:db8::1").is_ok());
        assert_eq!(enter("2001:db8::ffff:1"), Err(()));
        assert!(enter("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn who_is_gone_leaves_nothing() {
        let addresses = Addresses::new(1);
        let entered = addresses.enter(IpAddr::from([10, 0, 0, 1])).expect("room").expect("it is counted");
        addresses.leave(&entered);
        assert!(addresses.counts.lock().is_empty());
        assert_eq!(Addresses::new(0).enter(IpAddr::from([10, 0, 0, 1])), Ok(None), "without a limit nobody counts");
    }
}
