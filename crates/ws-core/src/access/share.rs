//! What each address has of something that all share, as guards.

use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::network;
use super::quota::{Exhausted, Quota};

/// Counts per IPv4 address, and per IPv6 /64 network. Holds an entry for each address that has a share, and no other.
#[derive(Debug, Clone)]
pub struct AddressShares(Arc<Quota<IpAddr>>);

/// What one address has taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    /// `None`: there is no limit, and nothing is counted.
    taken: Option<(AddressShares, IpAddr)>,
}

impl AddressShares {
    /// Each address may have `max` at once; 0: no limit.
    #[must_use]
    pub fn new(max: usize) -> Self {
        AddressShares(Arc::new(Quota::new(max)))
    }

    /// Takes one for this address. `None`: it has as many as it may.
    #[must_use]
    pub fn enter(&self, address: IpAddr) -> Option<Share> {
        match self.0.enter(&network(address)) {
            Ok(taken) => Some(Share { taken: taken.map(|network| (self.clone(), network)) }),
            Err(Exhausted) => None,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((shares, network)) = &self.taken {
            shares.0.leave(network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_a_share_and_others_have_theirs() {
        let shares = AddressShares::new(2);
        let enter = |address: &str| shares.enter(address.parse().expect("an address"));
        let (first, _second) = (enter("2001:db8::1").expect("one"), enter("2001:db8::2").expect("two"));
        assert!(enter("2001:db8::3").is_none() && enter("2001:db8:0:1::1").is_some());
        let _mapped = [enter("10.0.0.1").expect("one"), enter("::ffff:10.0.0.1").expect("two")];
        assert!(enter("10.0.0.1").is_none() && enter("10.0.0.2").is_some());
        drop(first);
        assert!(enter("2001:db8::3").is_some(), "what is given back can be taken");
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let shares = AddressShares::new(0);
        let address = IpAddr::from([10, 0, 0, 1]);
        let all: Vec<_> = (0..1000).filter_map(|_| shares.enter(address)).collect();
        assert!(all.len() == 1000 && all.iter().all(|share| share.taken.is_none()));
    }
}
