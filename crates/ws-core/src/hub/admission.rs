//! Admission: which connections are accepted, and what they count against until they end.
//!
//! A connection has a [`Permit`] from its handshake to its end. It *counts* (for `get_connections`, and as a recipient
//! of broadcasts) as soon as it has joined if anonymous connections are allowed, otherwise as soon as it has also
//! authenticated. Until then it is *unauthenticated*.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::shard::Notice;
use super::shared::Shared;
use crate::access::{Exhausted, Refusal, network};
use crate::connection::Connection;
use crate::subscription::Subscriptions;

/// Room for one more connection; released when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    /// `None` if neither is limited.
    quotas: Option<Box<Quotas>>,
    /// It has one of the slots that `connections_max` limits.
    has_slot: bool,
    /// It is counted as unauthenticated.
    is_unauthenticated: bool,
    /// It is counted as a connection.
    is_counted: bool,
}

/// The quotas that a connection counts against.
#[derive(Debug, Default)]
struct Quotas {
    address: Option<IpAddr>,
    user: Option<Arc<str>>,
}

/// A connection's membership in the hub. When it is dropped, the connection leaves, and all its subscriptions end.
#[derive(Debug)]
pub struct Membership {
    connection: Arc<Connection>,
    shard: usize,
    permit: Permit,
    /// Locked before channels. `None` while there are no subscriptions.
    pub(crate) subscriptions: Mutex<Option<Box<Subscriptions>>>,
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
            quotas: None,
            has_slot: false,
            is_unauthenticated: false,
            is_counted: false,
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

    /// Has a connection join. If anonymous connections are allowed it counts, and gets every broadcast, from now on.
    pub fn join(self, connection: Arc<Connection>) -> Membership {
        let shared = &self.shared;
        let shard = shared.next_shard.fetch_add(1, Ordering::Relaxed) % shared.shards.len();
        shared.counters.connections_opened.add(1);
        let mut membership = Membership { connection, shard, permit: self, subscriptions: Mutex::default() };
        membership.notify(Notice::Join(membership.connection.clone()));
        if membership.shared().auth.anonymous {
            membership.count_in();
        }
        membership
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
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
    pub(super) fn count_as_unauthenticated(&mut self) -> Result<(), Refusal> {
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

    /// Waits until the keys for tokens have been renewed, as an unauthenticated connection.
    pub(super) async fn wait_for_keys(&mut self) -> Result<(), Refusal> {
        self.count_as_unauthenticated()?;
        let (over, is_over) = oneshot::channel::<()>();
        // Dropping the sender wakes the receiver.
        self.shared.auth.renew_keys(Box::new(move || drop(over)));
        let _ = is_over.await;
        if self.shared.is_draining() { Err(Refusal::Draining) } else { Ok(()) }
    }

    /// Counts it as a connection of this user.
    pub(crate) fn claim_user(&mut self, user: &Arc<str>) -> Result<(), Exhausted> {
        if let Some(user) = self.shared.users.enter(user)? {
            self.quotas.get_or_insert_default().user = Some(user);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.admitted.fetch_sub(1, Ordering::AcqRel);
        shared.slots_taken.fetch_sub(usize::from(self.has_slot), Ordering::AcqRel);
        shared.connections.fetch_sub(usize::from(self.is_counted), Ordering::AcqRel);
        shared.unauthenticated.fetch_sub(usize::from(self.is_unauthenticated), Ordering::AcqRel);
        if let Some(quotas) = &self.quotas {
            if let Some(address) = &quotas.address {
                shared.addresses.leave(address);
            }
            if let Some(user) = &quotas.user {
                shared.users.leave(user);
            }
        }
    }
}

impl Membership {
    /// Puts the connection back into the fan-out's round, after its socket had been full.
    pub fn resume(&self) {
        self.notify(Notice::Resume(self.connection.clone()));
    }

    /// The connection counts, and gets every broadcast, from now on. No effect if it counts already.
    pub(crate) fn count_in(&mut self) {
        if std::mem::replace(&mut self.permit.is_counted, true) {
            return;
        }
        let shared = &self.permit.shared;
        shared.connections.fetch_add(1, Ordering::AcqRel);
        if std::mem::take(&mut self.permit.is_unauthenticated) {
            shared.unauthenticated.fetch_sub(1, Ordering::AcqRel);
        }
        let mut broadcasts = shared.broadcasts.lock();
        broadcasts.attach(self.shard);
        broadcasts.start_reader(self.shard);
        shared.shards[self.shard].push(Notice::Broadcasts(self.connection.clone(), broadcasts.end));
        drop(broadcasts);
        shared.shards[self.shard].wake();
    }

    /// Whether it counts.
    pub(crate) fn is_counted(&self) -> bool {
        self.permit.is_counted
    }

    /// The connection's permit.
    pub(crate) fn permit(&mut self) -> &mut Permit {
        &mut self.permit
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.permit.shared
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn shard(&self) -> usize {
        self.shard
    }

    /// Notifies the fan-out task of the connection's shard.
    pub(crate) fn notify(&self, notice: Notice) {
        self.shared().shards[self.shard].notify(notice);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.unsubscribe_all();
        self.notify(Notice::Leave(self.connection.clone()));
    }
}

/// Whether a limit is reached; 0 means no limit.
fn is_reached(count: usize, max: usize) -> bool {
    max > 0 && count >= max
}
