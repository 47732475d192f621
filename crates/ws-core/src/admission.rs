//! Who is let in, and when it is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::connection::Connection;
use crate::hub::Shared;
use crate::shard::Notice;

/// Room for one more connection; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
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
}

/// A connection's place in the hub; it leaves, and all its subscriptions end, when this is dropped.
#[derive(Debug)]
pub struct Membership {
    connection: Arc<Connection>,
    shard: usize,
    permit: Permit,
}

impl Permit {
    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, Refusal> {
        if shared.is_draining() {
            shared.counters.refused(Refusal::Draining).add(1);
            return Err(Refusal::Draining);
        }
        let before = shared.connections.fetch_add(1, Ordering::AcqRel);
        // From here on dropping it gives the place back.
        let permit = Permit { shared: shared.clone() };
        match shared.limits.connections_max {
            max if max > 0 && before >= max => {
                shared.counters.refused(Refusal::Full).add(1);
                Err(Refusal::Full)
            }
            _ => Ok(permit),
        }
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
