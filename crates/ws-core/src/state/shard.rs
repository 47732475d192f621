//! Shards, and the notices that the hub sends to their fan-out tasks.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use ws_proto::CloseCode;

use super::subscription::Subscription;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::drain::DrainPlan;
use crate::run::Cursor;

/// The inbox of one fan-out task.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// Bounded by its contents: a join, the start of broadcasts, a resume and a leave per connection, two per
    /// subscription, one per channel, one per query to the engine, and those of a drain.
    inbox: Mutex<Vec<Notice>>,
    wake: Notify,
}

/// A notice to a fan-out task.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A connection has joined.
    Join(Arc<Connection>),
    /// A connection that has joined reads broadcasts from this cursor on.
    Broadcasts(Arc<Connection>, Cursor),
    /// A connection can be written to again.
    Resume(Arc<Connection>),
    /// A connection has ended, after its subscriptions.
    Leave(Arc<Connection>),
    /// A subscription starts to read its channel.
    Subscribe(Arc<Subscription>, Start),
    /// A subscription has ended, or was never started.
    Unsubscribe(Arc<Subscription>),
    /// A channel has something new.
    Dirty(Arc<Channel>),
    /// The engine has answered for this reader.
    Answered(u32),
    /// Announce a drain to every connection.
    Drain(Arc<DrainPlan>),
    /// Close every connection, including those that join later.
    Close(CloseCode),
}

/// Where a subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// Which of the channel's streams.
    pub(crate) generation: u32,
    /// It reads live from here.
    pub(crate) live: Cursor,
    /// Before that, it reads the history after this offset.
    pub(crate) after: u64,
}

impl Shard {
    /// Leaves a notice, and wakes the task.
    pub(crate) fn notify(&self, notice: Notice) {
        self.push(notice);
        self.wake();
    }

    /// Leaves a notice; [`wake`](Self::wake) must follow.
    pub(crate) fn push(&self, notice: Notice) {
        self.inbox.lock().push(notice);
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.inbox.lock())
    }

    /// Waits for a notice.
    pub(crate) async fn notified(&self) {
        self.wake.notified().await;
    }
}
