//! Publications without retention: Redis passes them on, and this server gives its own to its sink when they come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use ws_core::engine::{Appended, Done, EngineError};

use crate::job::{Appending, Job};
use crate::lane::Round;
use crate::link::Failure;
use crate::message::passed;
use crate::refusal::Refusal;
use crate::resp::Value;
use crate::shared::Shared;

impl Shared {
    /// The command for a publication, and the number under which it comes back.
    pub(crate) fn pass(self: &Arc<Self>, partition: usize, append: Appending) -> (u64, [Vec<u8>; 3], Appending) {
        let sequence = self.units.queue.passed.fetch_add(1, Ordering::Relaxed);
        self.passed.add(&append.channel);
        let topic = self.keys.topic(partition, &append.channel).into_bytes();
        let message = passed(&self.node, sequence, append.tag, &append.bytes);
        (sequence, [b"SPUBLISH".to_vec(), topic, message], self.expect_echo(sequence, append))
    }

    /// The publication is answered when it has come back as well, if this server follows the channel.
    fn expect_echo(self: &Arc<Self>, sequence: u64, append: Appending) -> Appending {
        let Appending { channel, retention, bytes, id, age_ms, came, tag, is_repeated, done } = append;
        let both = Arc::new(Both { left: AtomicUsize::new(2), done: Mutex::new(Some(done)) });
        let (echoed, shared) = (both.clone(), self.clone());
        let then = move |has_come| {
            let passed = Appended { position: None, duplicate: false };
            echoed.half(if has_come { Ok(passed) } else { Err(shared.unavailable()) });
        };
        if !self.when_echoed(&channel, sequence, self.deadline(came), Box::new(then)) {
            both.left.store(1, Ordering::Release);
        }
        let done = Box::new(move |result| both.half(result));
        Appending { channel, retention, bytes, id, age_ms, came, tag, is_repeated, done }
    }

    pub(crate) fn passed_on(
        self: &Arc<Self>,
        round: &Round,
        at: usize,
        append: Appending,
        sequence: u64,
        result: Result<Value, Failure>,
    ) {
        let failure = match result {
            Ok(_) => {
                self.stats.written.add(1);
                self.lanes[round.lane()].0.lock().backoff.reset();
                // What was refused before it would follow it now.
                let overtaken = "Redis has refused it, and passed on one after it; it was not published".to_owned();
                let overtaken = EngineError::Unavailable(overtaken);
                round.take_passing(&append.channel).into_iter().for_each(|job| job.fail(overtaken.clone()));
                return (append.done)(Ok(Appended { position: None, duplicate: false }));
            }
            Err(failure) => failure,
        };
        self.expect_no_echo(&append.channel, sequence);
        match failure {
            Failure::Refused(error) if Refusal::of(&error) != Refusal::Unknown => {
                if Refusal::of(&error) == Refusal::Elsewhere {
                    self.end_pair("this Redis is not the primary of the data any more");
                }
                round.refuse(at, vec![Job::Append(append)]);
            }
            Failure::Lost { sent: false, .. } => round.refuse(at, vec![Job::Append(append)]),
            failure => {
                let unknown = format!("{failure}; whether it was published is not known");
                (append.done)(Err(EngineError::Unavailable(unknown)));
            }
        }
    }
}

/// A publication without retention: Redis has taken it, and it has come back.
struct Both {
    left: AtomicUsize,
    done: Mutex<Option<Done<Appended>>>,
}

impl Both {
    /// One of the two has come about, or it has failed.
    fn half(&self, result: Result<Appended, EngineError>) {
        let is_last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        let done = if is_last || result.is_err() { self.done.lock().take() } else { None };
        if let Some(done) = done {
            done(result);
        }
    }
}
