//! Who is let in, and when it is gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::connection::Connection;
use crate::hub::Shared;
use crate::shard::Notice;

/// Room for one more connection; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    /// Where it is counted, if that is limited.
    address: Option<Box<IpAddr>>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `connections_max` is reached.
    #[error("the server has as many connections as it may have")]
    Full,
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// `connections_per_ip_max` is reached.
    #[error("this address has as many connections as it may have")]
    Address,
    /// `handshakes_per_second` is reached.
    #[error("more connections are being opened than the server lets in at a time")]
    TooFast,
    /// A page of this origin may not connect. The transport decides.
    #[error("pages of this origin may not connect; the operator can allow them (auth.allowed_origins)")]
    Origin,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 5] =
        [Refusal::Full, Refusal::Draining, Refusal::Address, Refusal::TooFast, Refusal::Origin];

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Draining => "draining",
            Refusal::Address => "address",
            Refusal::TooFast => "too_fast",
            Refusal::Origin => "origin",
        }
    }
}

/// A connection's place in the hub; it leaves, and all its subscriptions end, when this is dropped.
#[derive(Debug)]
pub struct Membership {
    connection: Arc<Connection>,
    shard: usize,
    permit: Permit,
}

impl Permit {
    pub(crate) fn take(shared: &Arc<Shared>, peer: IpAddr) -> Result<Self, Refusal> {
        Permit::try_take(shared, peer).inspect_err(|refusal| shared.counters.refused(*refusal).add(1))
    }

    fn try_take(shared: &Arc<Shared>, peer: IpAddr) -> Result<Self, Refusal> {
        if shared.is_draining() {
            return Err(Refusal::Draining);
        }
        let before = shared.connections.fetch_add(1, Ordering::AcqRel);
        // From here on dropping it gives the place back.
        let mut permit = Permit { shared: shared.clone(), address: None };
        if shared.limits.connections_max > 0 && before >= shared.limits.connections_max {
            return Err(Refusal::Full);
        }
        permit.address = shared.addresses.enter(peer).map_err(|()| Refusal::Address)?;
        let now_ms = shared.clock.now_ms();
        let take = |bucket| shared.handshake_rate.take(bucket, now_ms).ok();
        // Last, so that who is refused anyway takes nothing from the others.
        let taken = shared.handshakes.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.map(|_| permit).map_err(|_| Refusal::TooFast)
    }

    /// Lets a connection in: it gets every broadcast from now on.
    pub fn join(self, connection: Arc<Connection>) -> Membership {
        let shared = &self.shared;
        let shard = shared.next_shard.fetch_add(1, Ordering::Relaxed) % shared.shards.len();
        let mut broadcasts = shared.broadcasts.lock();
        broadcasts.attach(shard);
        broadcasts.begin(shard);
        shared.shards[shard].push(Notice::Join(connection.clone(), broadcasts.end));
        drop(broadcasts);
        shared.shards[shard].wake();
        shared.counters.connections_opened.add(1);
        Membership { connection, shard, permit: self }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::AcqRel);
        self.address.iter().for_each(|address| self.shared.addresses.leave(address));
    }
}

impl Membership {
    /// Puts the connection back into the fan-out's round, after its socket had been full.
    pub fn resume(&self) {
        self.notify(Notice::Resume(self.connection.clone()));
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

    /// Tells the fan-out task of the connection.
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
