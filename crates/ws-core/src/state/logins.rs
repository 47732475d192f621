//! Logins that are under way, and what the server API does to their users meanwhile.
//!
//! An operation on all connections of a user finds those that are in the directory. A login whose token is still being
//! checked, or that waits for its turn, enters it later. So while logins are under way, such operations are recorded
//! here as well, and a login that enters the directory carries out those that came since its frame arrived. While there
//! is none, nothing is recorded.
//!
//! Nothing falls in between: an operation is recorded before it looks into the directory, a login enters the directory
//! before it looks here. One that is carried out twice does no harm. The calls of a connection are locked under this
//! lock, so that what is recorded later also comes later in their queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use ws_proto::{ErrorBody, ErrorCode};

use super::calls::What;
use super::directory::Entry;
use crate::limits::{CALLS_MAX, LOGIN_OPERATIONS_MAX};

/// What is done to all connections of a user.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Close with this code and reason.
    Close(u16, Arc<str>),
    /// Do this with a channel.
    Call(What, Arc<str>),
}

/// The logins that are under way; see the module.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    /// The number of the next operation.
    next: u64,
    /// By the number of the first operation that they have missed, how many logins are under way.
    under_way: BTreeMap<u64, usize>,
    /// The operations by user, each with its number; their numbers ascend.
    operations: HashMap<Arc<str>, Vec<(u64, Operation)>>,
    /// How many there are.
    len: usize,
}

/// A login that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    logins: Arc<Logins>,
    since: u64,
}

impl Logins {
    /// A login begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut log = self.0.lock();
        let since = log.next;
        *log.under_way.entry(since).or_default() += 1;
        drop(log);
        UnderWay { logins: self.clone(), since }
    }

    /// Records an operation for the logins that are under way. Call it before looking into the directory.
    ///
    /// # Errors
    /// `overloaded`: too many operations are recorded, in total or for this user.
    pub(crate) fn record(&self, user: &str, operation: Operation) -> Result<(), ErrorBody> {
        let mut log = self.0.lock();
        if log.under_way.is_empty() { Ok(()) } else { log.record(user, operation) }
    }
}

impl Log {
    fn record(&mut self, user: &str, operation: Operation) -> Result<(), ErrorBody> {
        if self.len >= LOGIN_OPERATIONS_MAX {
            self.prune();
        }
        let user: Arc<str> = user.into();
        let of_user = self.operations.entry(user.clone()).or_default();
        let before = of_user.len();
        let oldest = self.under_way.first_key_value().map_or(self.next, |(since, _)| *since);
        of_user.retain(|(number, earlier)| *number >= oldest && !operation.replaces(earlier));
        self.len -= before - of_user.len();
        if self.len >= LOGIN_OPERATIONS_MAX || of_user.len() >= CALLS_MAX {
            let message = "too many operations on the connections of users while logins are under way";
            return Err(ErrorBody::new(ErrorCode::Overloaded, message));
        }
        of_user.push((self.next, operation));
        (self.next, self.len) = (self.next + 1, self.len + 1);
        Ok(())
    }

    /// Forgets what no login has missed.
    fn prune(&mut self) {
        let oldest = self.under_way.first_key_value().map_or(self.next, |(since, _)| *since);
        self.operations.retain(|_, of_user| {
            of_user.retain(|(number, _)| *number >= oldest);
            !of_user.is_empty()
        });
        self.len = self.operations.values().map(Vec::len).sum();
    }
}

impl Operation {
    /// Whether it leaves nothing of an earlier operation on the same user.
    fn replaces(&self, earlier: &Operation) -> bool {
        match (self, earlier) {
            (Operation::Close(code, reason), Operation::Close(before, because)) => (code, reason) == (before, because),
            (Operation::Call(_, channel), Operation::Call(_, before)) => channel == before,
            _ => false,
        }
    }
}

impl UnderWay {
    /// Has a connection that is in the directory now as one of this user do what it has missed.
    pub(super) fn catch_up(self, entry: &Entry, user: &str) {
        let mut closes = Vec::new();
        let mut is_called = false;
        let log = self.logins.0.lock();
        let of_user = log.operations.get(user).into_iter().flatten();
        for (_, operation) in of_user.filter(|(number, _)| *number >= self.since) {
            match operation {
                Operation::Close(code, reason) => closes.push((*code, reason.clone())),
                Operation::Call(what, channel) => {
                    entry.calls.push_missed(entry.connection.id(), what.clone(), channel.clone());
                    is_called = true;
                }
            }
        }
        drop(log);
        if is_called {
            entry.connection.call();
        }
        closes.iter().for_each(|(code, reason)| entry.close_with(*code, reason));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut log = self.logins.0.lock();
        if let Some(logins) = log.under_way.get_mut(&self.since) {
            *logins -= 1;
            if *logins == 0 {
                log.under_way.remove(&self.since);
            }
        }
        if log.under_way.is_empty() {
            log.len = 0;
            log.operations = HashMap::new();
        }
    }
}
