//! A rate of handshakes for each address, in bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::addresses::network;
use crate::limits::ADDRESS_RATES_MAX;
use crate::rate::Rate;

/// The buckets of all addresses that came lately. Empty if there is no limit.
#[derive(Debug)]
pub(crate) struct AddressRate {
    /// `None`: no limit.
    rate: Option<Rate>,
    buckets: Mutex<Buckets>,
}

/// Two generations: when the younger one is full, it becomes the older one, whose addresses are forgotten.
#[derive(Debug, Default)]
struct Buckets {
    young: HashMap<IpAddr, u64>,
    old: HashMap<IpAddr, u64>,
}

impl AddressRate {
    /// `per_second` handshakes from each address; 0: no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        AddressRate { rate: (per_second > 0).then(|| Rate::new(per_second, 0)), buckets: Mutex::default() }
    }

    /// Takes one handshake of this peer now.
    ///
    /// # Errors
    /// Its address has had as many as it may: the milliseconds until it may have another one.
    pub(crate) fn take(&self, peer: IpAddr, now_ms: u64) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut buckets = self.buckets.lock();
        let bucket = buckets.bucket(network(peer), ADDRESS_RATES_MAX / 2);
        *bucket = rate.take(*bucket, now_ms)?;
        Ok(())
    }
}

impl Buckets {
    /// The bucket of an address. `max`: entries of a generation.
    fn bucket(&mut self, address: IpAddr, max: usize) -> &mut u64 {
        if self.young.len() >= max && !self.young.contains_key(&address) {
            self.old = std::mem::take(&mut self.young);
        }
        let (young, old) = (&mut self.young, &mut self.old);
        young.entry(address).or_insert_with(|| old.remove(&address).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn each_address_has_its_own() {
        let rate = AddressRate::new(2);
        let taken = |peer, now_ms| (0..5).filter(|_| rate.take(peer, now_ms).is_ok()).count();
        assert_eq!((taken(address(1), 0), taken(address(2), 0), taken(address(1), 500)), (2, 2, 1));
        let of_network = |host: u128| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host));
        assert_eq!((taken(of_network(1), 0), taken(of_network(2), 0), taken(of_network(1 << 64), 0)), (2, 0, 2));
        assert_eq!(taken(address(1), 60_000), 2);
    }

    #[test]
    fn memory_is_bounded_and_whoever_keeps_coming_is_remembered() {
        let rate = AddressRate::new(1);
        assert!(rate.take(address(0), 0).is_ok());
        for n in 1..3 * ADDRESS_RATES_MAX as u32 {
            assert!(rate.take(address(n), 0).is_ok());
            if n % 1000 == 0 {
                assert!(rate.take(address(0), 0).is_err(), "{n}");
            }
        }
        let buckets = rate.buckets.lock();
        assert!(buckets.young.len() + buckets.old.len() <= ADDRESS_RATES_MAX);
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let rate = AddressRate::new(0);
        assert!((0..1000).all(|n| rate.take(address(n), 0).is_ok()));
        assert!(rate.buckets.lock().young.is_empty());
    }
}
