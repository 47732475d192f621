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
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use crate::limits::CALLS_MAX;
use crate::options::ChannelOptions;

/// Whoever waits for the answer to a call. Dropped without an answer if the connection ends first.
#[derive(Debug)]
pub(crate) struct Answer(To);

#[derive(Debug)]
enum To {
    Caller(Caller),
    /// Nobody: the login of this connection has missed the call.
    Log(Uuid),
}

#[derive(Debug)]
struct Caller {
    answer: oneshot::Sender<Result<(), ErrorBody>>,
    asks_engine: Arc<AtomicBool>,
}

/// The answer to come.
#[derive(Debug)]
pub(crate) struct Answered {
    /// An error of the receiver: the connection has ended.
    pub(crate) result: oneshot::Receiver<Result<(), ErrorBody>>,
    /// The connection's task has begun, and waits for the engine.
    asks_engine: Arc<AtomicBool>,
}

impl Answer {
    pub(super) fn new() -> (Self, Answered) {
        let (answer, result) = oneshot::channel();
        let asks_engine = Arc::<AtomicBool>::default();
        let caller = Caller { answer, asks_engine: asks_engine.clone() };
        (Answer(To::Caller(caller)), Answered { result, asks_engine })
    }

    /// Whether the call is still to be carried out.
    pub(crate) fn is_wanted(&self) -> bool {
        match &self.0 {
            To::Caller(caller) => !caller.answer.is_closed(),
            To::Log(_) => true,
        }
    }

    /// The call has begun, and waits for the engine.
    pub(crate) fn asks_engine(&self) {
        if let To::Caller(caller) = &self.0 {
            caller.asks_engine.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn send(self, result: Result<(), ErrorBody>) {
        match self.0 {
            To::Caller(caller) => drop(caller.answer.send(result)),
            To::Log(connection) => drop(result.inspect_err(|error| {
                tracing::debug!(%connection, ?error, "a login could not do what it missed");
            })),
        }
    }
}

impl Answered {
    /// Whether the call has begun, and waits for the engine.
    pub(crate) fn waits_for_engine(&self) -> bool {
        self.asks_engine.load(Ordering::Relaxed)
    }
}

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
    /// Subscribe to it, whatever its access modes are. `or_keep`: it is no error if there is a subscription already, as
    /// soon as that has started.
    Subscribe {
        options: Arc<ChannelOptions>,
        or_keep: bool,
    },
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
    /// `not_found` if the connection has left, `overloaded` if too many calls wait. What ends a subscription has places of
    /// its own: nobody can fend it off with what has to wait for room.
    pub(super) fn push(&self, call: Call) -> Result<(), ErrorBody> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ErrorBody::new(ErrorCode::NotFound, "the connection has ended"));
        }
        let waiting = queue.waiting.get_or_insert_default();
        let max = if matches!(call.what, What::Unsubscribe) { 2 * CALLS_MAX } else { CALLS_MAX };
        if waiting.len() >= max {
            waiting.retain(|waiting| waiting.answer.is_wanted());
        }
        if waiting.len() >= max {
            let message = "too many operations of the server API wait for this connection";
            return Err(ErrorBody::new(ErrorCode::Overloaded, message));
        }
        waiting.push_back(call);
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds a call that a login has missed. The log of these has a bound of its own.
    pub(super) fn push_missed(&self, connection: Uuid, what: What, channel: Arc<str>) {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.waiting.get_or_insert_default().push_back(Call {
                what,
                channel,
                answer: Answer(To::Log(connection)),
            });
            self.any.store(true, Ordering::Release);
        }
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
            if call.answer.is_wanted() {
                return Some(call);
            }
        }
        queue.waiting = None;
        self.any.store(false, Ordering::Release);
        None
    }

    /// The next one that ends a subscription, ahead of those that have to wait for room. Those before it that would have
    /// started the same subscription come to nothing.
    pub(crate) fn pop_unsubscribe(&self) -> Option<Call> {
        let mut queue = self.queue.lock();
        let waiting = queue.waiting.as_mut()?;
        let is_next = |call: &Call| matches!(call.what, What::Unsubscribe) && call.answer.is_wanted();
        let at = waiting.iter().position(is_next)?;
        let call = waiting.remove(at)?;
        let overtaken: Vec<_> = (0..at).rev().filter(|at| waiting[*at].channel == call.channel).collect();
        let overtaken: Vec<_> = overtaken.into_iter().filter_map(|at| waiting.remove(at)).collect();
        drop(queue);
        for Call { answer, .. } in overtaken {
            let message = "the subscription ended before it had started";
            answer.send(Err(ErrorBody::new(ErrorCode::NotSubscribed, message)));
        }
        Some(call)
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
