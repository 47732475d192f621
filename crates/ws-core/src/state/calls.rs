//! What callers outside of a connection's task ask that task to do.
//!
//! Only its task changes what a connection is subscribed to, so that its answers and the events about it have one
//! order. Everybody else leaves a [`Call`] here and wakes the task. The queue is bounded, holds memory only while there
//! is a call in it, and is closed when the connection leaves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use ws_proto::{ErrorBody, ErrorCode};

use crate::limits::CALLS_MAX;
use crate::options::ChannelOptions;

/// The answer to a call. Dropped without one if the connection ends first.
pub(crate) type Answer = oneshot::Sender<Result<(), ErrorBody>>;

/// Something to do, for the task of a connection. Skipped if nobody waits for its answer any more.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) what: What,
    pub(crate) channel: Arc<str>,
    pub(crate) answer: Answer,
}

/// What to do with a channel.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Subscribe to it, whatever its access modes are.
    Subscribe(Arc<ChannelOptions>),
    Unsubscribe,
}

/// The calls of one connection, first in, first out.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Whether there are any, readable without the lock.
    any: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    #[expect(clippy::box_collection, reason = "nearly always there is none")]
    waiting: Option<Box<VecDeque<Call>>>,
    closed: bool,
}

impl Calls {
    /// Adds a call; the connection's task has to be woken afterwards.
    ///
    /// # Errors
    /// `not_found` if the connection has left, `overloaded` if too many calls wait.
    pub(super) fn push(&self, call: Call) -> Result<(), ErrorBody> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ErrorBody::new(ErrorCode::NotFound, "the connection has ended"));
        }
        let waiting = queue.waiting.get_or_insert_default();
        if waiting.len() >= CALLS_MAX {
            let message = "too many operations of the server API wait for this connection";
            return Err(ErrorBody::new(ErrorCode::Overloaded, message));
        }
        waiting.push_back(call);
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The next one that somebody waits for.
    pub(crate) fn pop(&self) -> Option<Call> {
        let mut queue = self.queue.lock();
        let waiting = queue.waiting.as_mut()?;
        while let Some(call) = waiting.pop_front() {
            if !call.answer.is_closed() {
                return Some(call);
            }
        }
        queue.waiting = None;
        self.any.store(false, Ordering::Release);
        None
    }

    /// Takes no more calls, and drops those that wait.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let waiting = queue.waiting.take();
        drop(queue);
        drop(waiting);
    }
}
