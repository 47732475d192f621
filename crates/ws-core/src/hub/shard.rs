//! What the hub tells its fan-out tasks.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use ws_proto::CloseCode;

use crate::channel::Channel;
use crate::connection::Connection;
use crate::drain::DrainPlan;
use crate::run::Cursor;
use crate::subscription::Subscription;

/// Connections that one fan-out task goes round.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// At most a join, its broadcasts, a resume and a leave per connection, two per subscription, one per channel, and the
    /// notices of a drain.
    inbox: Mutex<Vec<Notice>>,
    wake: Notify,
}

/// What a fan-out task is told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A connection has joined.
    Join(Arc<Connection>),
    /// A connection that has joined reads all broadcasts from this cursor on.
    Broadcasts(Arc<Connection>, Cursor),
    /// A connection can be written to again.
    Resume(Arc<Connection>),
    /// A connection has ended. Its subscriptions have ended before.
    Leave(Arc<Connection>),
    /// A subscription reads its channel.
    Subscribe(Arc<Subscription>, Start),
    /// A subscription has ended, or was never begun.
    Unsubscribe(Arc<Subscription>),
    /// A channel has something new.
    Dirty(Arc<Channel>),
    /// The engine has answered for this reader.
    Answered(u32),
    /// Tell every connection that it will have to go elsewhere.
    Drain(Arc<DrainPlan>),
    /// Close every connection, those that are still to come too.
    Close(CloseCode),
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// Which of the channel's streams.
    pub(crate) generation: u32,
    /// It reads live from here.
    pub(crate) live: Cursor,
    /// Before that, the history behind this offset.
    pub(crate) after: u64,
}

impl Shard {
    /// Tells the task.
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
