//! The directory of connections: found by id, by user, and in pages.
//!
//! It is ordered by id, and an id is random: so a page that begins after the last id of the one before has nothing
//! twice and leaves out nobody who was there throughout. It is in parts with a lock each, by the first bits of the id;
//! a page locks one part after the other, for as many entries as it takes from it. These locks are leaves: nothing else
//! is locked under them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use uuid::Uuid;
use ws_proto::ErrorBody;

use super::calls::{Answer, Answered, Call, Calls, What};
use super::subscription::Subscriptions;
use crate::connection::Connection;
use crate::limits::{DIRECTORY_PARTS, DIRECTORY_USER_PARTS};

/// A connection, as callers outside of its task see it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) connection: Arc<Connection>,
    pub(crate) peer: IpAddr,
    /// In milliseconds since 1970.
    pub(crate) connected_at_ms: u64,
    pub(crate) shard: usize,
    /// Changed by the connection's task alone. Locked before channels. `None` while there are no subscriptions.
    pub(crate) subscriptions: Mutex<Option<Box<Subscriptions>>>,
    pub(crate) calls: Calls,
    /// Whether a caller has closed it. It is here until its task has ended, but nobody finds it any more.
    is_closed: AtomicBool,
}

/// A part of the directory with a lock of its own.
type Part<K> = Mutex<BTreeMap<K, Arc<Entry>>>;

/// The order of the connections of all users of a part.
type UserKey = (Arc<str>, Uuid);

/// Connections that count, by id; those with a user also by user.
#[derive(Debug)]
pub(crate) struct Directory {
    by_id: Box<[Part<Uuid>]>,
    by_user: Box<[Part<UserKey>]>,
    hasher: RandomState,
}

impl Entry {
    pub(super) fn new(connection: Arc<Connection>, peer: IpAddr, connected_at_ms: u64, shard: usize) -> Arc<Self> {
        let (subscriptions, calls) = (Mutex::default(), Calls::default());
        let is_closed = AtomicBool::new(false);
        Arc::new(Entry { connection, peer, connected_at_ms, shard, subscriptions, calls, is_closed })
    }

    /// Closes the connection with this code and reason. To callers it is gone from here on.
    pub(crate) fn close_with(&self, code: u16, reason: &str) {
        self.connection.close_with(code, reason);
        self.is_closed.store(true, Ordering::Release);
    }

    fn is_there(&self) -> bool {
        !self.is_closed.load(Ordering::Acquire)
    }

    /// Has the connection's task do something. The answer is an error of the receiver if the connection ends first.
    ///
    /// # Errors
    /// `not_found`, `overloaded`.
    pub(crate) fn call(&self, what: What, channel: Arc<str>) -> Result<Answered, ErrorBody> {
        let (answer, is_answered) = Answer::new();
        self.calls.push(Call { what, channel, answer })?;
        self.connection.call();
        Ok(is_answered)
    }
}

impl Directory {
    pub(super) fn new() -> Self {
        Directory {
            by_id: (0..DIRECTORY_PARTS).map(|_| Mutex::default()).collect(),
            by_user: (0..DIRECTORY_USER_PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn insert(&self, entry: &Arc<Entry>) {
        let id = entry.connection.id();
        self.by_id[part_of(id)].lock().insert(id, entry.clone());
    }

    /// The connection has a user from now on.
    pub(super) fn insert_user(&self, entry: &Arc<Entry>, user: &Arc<str>) {
        let key = (user.clone(), entry.connection.id());
        self.users_like(user).lock().insert(key, entry.clone());
    }

    pub(super) fn remove(&self, entry: &Entry, user: Option<&Arc<str>>) {
        let id = entry.connection.id();
        self.by_id[part_of(id)].lock().remove(&id);
        if let Some(user) = user {
            self.users_like(user).lock().remove(&(user.clone(), id));
        }
    }

    /// The connection with this id.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<Entry>> {
        self.by_id[part_of(id)].lock().get(&id).filter(|entry| entry.is_there()).cloned()
    }

    /// The next connections after this id, at most `max`.
    pub(crate) fn page(&self, after: Option<Uuid>, max: usize) -> Vec<Arc<Entry>> {
        let mut page = Vec::new();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for part in &self.by_id[after.map_or(0, part_of)..] {
            let part = part.lock();
            let there = part.range((from, Bound::Unbounded)).map(|(_, entry)| entry).filter(|entry| entry.is_there());
            page.extend(there.take(max - page.len()).cloned());
            if page.len() == max {
                break;
            }
        }
        page
    }

    /// The same of one user.
    pub(crate) fn page_of(&self, user: &str, after: Option<Uuid>, max: usize) -> Vec<Arc<Entry>> {
        let user: Arc<str> = user.into();
        let from = match after {
            Some(id) => Bound::Excluded((user.clone(), id)),
            None => Bound::Included((user.clone(), Uuid::nil())),
        };
        let part = self.users_like(&user).lock();
        let own = part.range((from, Bound::Unbounded)).take_while(|((other, _), _)| *other == user);
        own.map(|(_, entry)| entry).filter(|entry| entry.is_there()).take(max).cloned().collect()
    }

    fn users_like(&self, user: &str) -> &Part<(Arc<str>, Uuid)> {
        &self.by_user[(self.hasher.hash_one(user) % self.by_user.len() as u64) as usize]
    }
}

/// The parts have the order of the ids.
fn part_of(id: Uuid) -> usize {
    usize::from(id.as_bytes()[0]) * DIRECTORY_PARTS / 256
}
