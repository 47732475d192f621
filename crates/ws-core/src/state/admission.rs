//! Admission: which connections are accepted, and what they count against until they end.
//!
//! A connection has a [`Permit`] from its handshake to its end. It *counts* (for `get_connections`, and as a recipient
//! of broadcasts) as soon as it has joined if anonymous connections are allowed, otherwise as soon as it has also
//! authenticated. Until then it is *unauthenticated*.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use tokio::sync::oneshot;

use super::logins::UnderWay;
use super::shared::Shared;
use super::user_place::{Claiming, NotClaimed, UserPlace};
use crate::access::{Exhausted, Refusal, network};

/// Room for one more connection; released when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    peer: IpAddr,
    /// `None` if neither is limited.
    quotas: Option<Box<Quotas>>,
    /// It has one of the slots that `connections_max` limits.
    has_slot: bool,
    /// It is counted as unauthenticated.
    is_unauthenticated: bool,
    /// It is counted as a connection.
    is_counted: bool,
    /// Its login, from when its token arrives until it has a user, or is refused.
    login: Option<UnderWay>,
}

/// The quotas that a connection counts against.
#[derive(Debug, Default)]
struct Quotas {
    address: Option<IpAddr>,
    user: Option<UserPlace>,
}

impl Permit {
    pub(crate) fn take(shared: &Arc<Shared>, peer: IpAddr, has_token: bool) -> Result<Self, Refusal> {
        let taken = Permit::try_take(shared, peer, has_token);
        taken.inspect_err(|refusal| shared.counters.refused(*refusal).add(1))
    }

    fn try_take(shared: &Arc<Shared>, peer: IpAddr, has_token: bool) -> Result<Self, Refusal> {
        if shared.is_draining() {
            return Err(Refusal::Draining);
        }
        shared.admitted.fetch_add(1, Ordering::AcqRel);
        // From here on, dropping it releases what it has taken.
        let mut permit = Permit {
            shared: shared.clone(),
            peer,
            quotas: None,
            has_slot: false,
            is_unauthenticated: false,
            is_counted: false,
            login: None,
        };
        if !has_token {
            permit.count_as_unauthenticated()?;
        }
        // If unauthenticated connections have their own limit, they take none of the slots.
        if !permit.is_unauthenticated || shared.limits.unauthenticated_max == 0 {
            permit.take_slot()?;
        }
        let address = shared.addresses.enter(&network(peer)).map_err(|Exhausted| Refusal::Address)?;
        permit.quotas = address.map(|address| Box::new(Quotas { address: Some(address), user: None }));
        let now_ms = shared.clock.now_ms();
        shared.address_rate.take(peer, now_ms).map_err(|_| Refusal::AddressTooFast)?;
        let take = |bucket| shared.handshake_rate.take(bucket, now_ms).ok();
        // Last, so that a connection that is refused anyway takes nothing from the rate.
        let taken = shared.handshakes.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.map(|_| permit).map_err(|_| Refusal::TooFast)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The address it comes from.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Takes one of the slots that `connections_max` limits, unless it has one.
    pub(crate) fn take_slot(&mut self) -> Result<(), Refusal> {
        if !std::mem::replace(&mut self.has_slot, true) {
            let before = self.shared.slots_taken.fetch_add(1, Ordering::AcqRel);
            if is_reached(before, self.shared.limits.connections_max) {
                self.has_slot = false;
                self.shared.slots_taken.fetch_sub(1, Ordering::AcqRel);
                return Err(Refusal::Full);
            }
        }
        Ok(())
    }

    /// Counts it among those that still have to authenticate, if it has to and is not counted yet, and gives its slot
    /// back if those have a limit of their own: without a token, or while the keys for its token are fetched.
    fn count_as_unauthenticated(&mut self) -> Result<(), Refusal> {
        let shared = &self.shared;
        if shared.auth.anonymous || std::mem::replace(&mut self.is_unauthenticated, true) {
            return Ok(());
        }
        let before = shared.unauthenticated.fetch_add(1, Ordering::AcqRel);
        let max = shared.limits.unauthenticated_max;
        if max > 0 && std::mem::take(&mut self.has_slot) {
            shared.slots_taken.fetch_sub(1, Ordering::AcqRel);
        }
        if is_reached(before, max) { Err(Refusal::Unauthenticated) } else { Ok(()) }
    }

    /// A token has arrived that may log it in. No effect if its login is under way already.
    pub(crate) fn begin_login(&mut self) {
        let logins = &self.shared.logins;
        self.login.get_or_insert_with(|| logins.begin());
    }

    /// Its login is no longer under way.
    pub(crate) fn end_login(&mut self) -> Option<UnderWay> {
        self.login.take()
    }

    /// Waits until the keys for tokens have been renewed, as an unauthenticated connection.
    pub(crate) async fn wait_for_keys(&mut self) -> Result<(), Refusal> {
        self.count_as_unauthenticated()?;
        let (over, is_over) = oneshot::channel::<()>();
        // Dropping the sender wakes the receiver.
        self.shared.auth.renew_keys(Box::new(move || drop(over)));
        let _ = is_over.await;
        if self.shared.is_draining() { Err(Refusal::Draining) } else { Ok(()) }
    }

    /// The connection counts from now on. False if it counts already.
    pub(super) fn count_in(&mut self) -> bool {
        if std::mem::replace(&mut self.is_counted, true) {
            return false;
        }
        self.shared.connections.fetch_add(1, Ordering::AcqRel);
        if std::mem::take(&mut self.is_unauthenticated) {
            self.shared.unauthenticated.fetch_sub(1, Ordering::AcqRel);
        }
        true
    }

    /// Whether it counts.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Counts it as a connection of this user. In a cluster only that can: [poll](Self::poll_claim) what is returned.
    pub(crate) fn claim_user(&mut self, user: &Arc<str>) -> Result<Option<Claiming>, Exhausted> {
        if self.shared.engine.cluster().is_some() {
            return Ok(UserPlace::ask(&self.shared, user));
        }
        if let Some(place) = UserPlace::take(&self.shared, user)? {
            self.quotas.get_or_insert_default().user = Some(place);
        }
        Ok(None)
    }

    /// Counts it as a connection of its user if the cluster has answered. Otherwise the waker that `waker` returns is
    /// woken when it does.
    pub(crate) fn poll_claim(
        &mut self,
        claiming: &Claiming,
        waker: impl FnOnce() -> Waker,
    ) -> Option<Result<(), NotClaimed>> {
        let place = claiming.poll(waker)?;
        Some(place.map(|place| self.quotas.get_or_insert_default().user = Some(place)))
    }

    /// Counts it as a connection of this user; waits for the cluster, if there is one.
    pub(crate) async fn wait_for_user(&mut self, user: &str) -> Result<(), NotClaimed> {
        let claiming = self.claim_user(&user.into()).map_err(|Exhausted| NotClaimed::Exhausted)?;
        let Some(claiming) = claiming else { return Ok(()) };
        poll_fn(|cx| self.poll_claim(&claiming, || cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.admitted.fetch_sub(1, Ordering::AcqRel);
        shared.slots_taken.fetch_sub(usize::from(self.has_slot), Ordering::AcqRel);
        shared.connections.fetch_sub(usize::from(self.is_counted), Ordering::AcqRel);
        shared.unauthenticated.fetch_sub(usize::from(self.is_unauthenticated), Ordering::AcqRel);
        if let Some(address) = self.quotas.as_ref().and_then(|quotas| quotas.address.as_ref()) {
            shared.addresses.leave(address);
        }
    }
}

/// Whether a limit is reached; 0 means no limit.
fn is_reached(count: usize, max: usize) -> bool {
    max > 0 && count >= max
}
