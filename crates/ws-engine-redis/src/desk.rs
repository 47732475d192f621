//! Where operations about the cluster wait. As in a lane, one pipeline is in flight, and what comes meanwhile goes with the
//! next one; so what this server says of itself reaches the store in its order, and a question is answered after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::{EngineError, RoundTrip};

use crate::limits::{MEMBERS_PIPELINE_MAX, OPS_BATCH_MAX, OPS_MAX};
use crate::link::Batch;
use crate::nodes::Queued;
use crate::op::Op;
use crate::shared::Shared;
use crate::verdict::Verdict;

/// How many operations go with the next pipeline.
fn first(queue: &VecDeque<Queued>) -> usize {
    let mut members = 0;
    let goes = |queued: &&Queued| {
        let goes = members < MEMBERS_PIPELINE_MAX;
        members += queued.op.members();
        goes
    };
    queue.iter().take(OPS_BATCH_MAX).take_while(goes).count()
}

/// A pipeline in flight.
struct Round {
    sent: Instant,
    left: AtomicUsize,
    /// What has to go again, with its place.
    again: Mutex<Vec<(usize, Queued)>>,
    /// Something of it has to go again.
    is_refused: AtomicBool,
}

impl Shared {
    /// Puts an operation into the queue.
    pub(crate) fn order(self: &Arc<Self>, op: Op) {
        if self.is_closed() {
            return op.fail(self.unavailable());
        }
        let mut desk = self.nodes.desk.lock();
        if desk.queue.len() >= OPS_MAX {
            drop(desk);
            return self.overflow(op);
        }
        desk.queue.push_back(Queued { op, came: Instant::now() });
        drop(desk);
        self.flush_desk();
        if self.is_closed() {
            // It may have come after everything was given up.
            self.fail_desk();
        }
    }

    /// What this node has is stored as a whole later.
    fn overflow(&self, op: Op) {
        if let Op::Dismiss(user) = &op {
            self.count_user(user, false);
        }
        if !op.is_asked() {
            self.nodes.is_stale.store(true, Ordering::Release);
        }
        op.fail(EngineError::Overloaded);
    }

    /// Sends the next pipeline, if it may go.
    pub(crate) fn flush_desk(self: &Arc<Self>) {
        let Some(link) = self.writer.read().clone() else { return };
        let mut desk = self.nodes.desk.lock();
        let is_paused = desk.paused_until.is_some_and(|until| until > Instant::now());
        if desk.in_flight || desk.is_suspended || is_paused || desk.queue.is_empty() {
            return;
        }
        let n = first(&desk.queue);
        let mut batch = Some(desk.queue.drain(..n).collect::<Vec<_>>());
        desk.in_flight = true;
        drop(desk);
        let (left, again) = (AtomicUsize::new(n), Mutex::default());
        let round = Arc::new(Round { sent: Instant::now(), left, again, is_refused: AtomicBool::new(false) });
        let send = |commands: &mut Batch<'_>| {
            for (at, queued) in batch.take().into_iter().flatten().enumerate() {
                let (shared, round) = (self.clone(), round.clone());
                commands.command(self.phrase(&queued.op), move |result| {
                    let Queued { op, came } = queued;
                    if op.is_copy() && round.is_refused.load(Ordering::Acquire) {
                        // It has overtaken one that may be about the same member.
                        shared.nodes.is_stale.store(true, Ordering::Release);
                    }
                    shared.settle(&round, at, came, shared.judge(op, result));
                });
            }
        };
        if link.send(send).is_err() {
            let mut desk = self.nodes.desk.lock();
            batch.into_iter().flatten().rev().for_each(|queued| desk.queue.push_front(queued));
            desk.in_flight = false;
        }
    }

    /// An operation of a pipeline has been dealt with. After the last one, the next pipeline goes.
    fn settle(self: &Arc<Self>, round: &Round, at: usize, came: Instant, verdict: Verdict) {
        match verdict {
            Verdict::Done => {}
            Verdict::Again(op) => round.again.lock().push((at, Queued { op, came })),
            Verdict::Later(op) => {
                round.is_refused.store(true, Ordering::Release);
                round.again.lock().push((at, Queued { op, came }));
            }
        }
        if round.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.stats.answered(RoundTrip::Cluster, round.sent);
        let mut again = std::mem::take(&mut *round.again.lock());
        again.sort_by_key(|(at, _)| *at);
        let mut desk = self.nodes.desk.lock();
        again.into_iter().rev().for_each(|(_, queued)| desk.queue.push_front(queued));
        desk.in_flight = false;
        if round.is_refused.load(Ordering::Acquire) {
            let pause = desk.backoff.pause();
            desk.paused_until = Some(Instant::now() + pause);
        } else {
            desk.backoff.reset();
        }
        drop(desk);
        if self.is_closed() {
            return self.fail_desk();
        }
        self.flush_desk();
    }

    /// Sends what has waited long enough, and answers what has waited for too long.
    pub(crate) fn tick_desk(self: &Arc<Self>) {
        let within = self.options.command_timeout;
        let mut desk = self.nodes.desk.lock();
        let is_late = |queued: &Queued| queued.op.is_asked() && queued.came.elapsed() > within;
        if desk.queue.iter().any(is_late) {
            let (late, queue): (Vec<_>, Vec<_>) = desk.queue.drain(..).partition(is_late);
            desk.queue = queue.into();
            drop(desk);
            late.into_iter().for_each(|queued| queued.op.fail(self.unavailable()));
        } else {
            drop(desk);
        }
        self.flush_desk();
    }

    /// The lease is valid: everything goes on at once.
    pub(crate) fn open_desk(self: &Arc<Self>) {
        self.nodes.desk.lock().paused_until = None;
        self.flush_desk();
    }

    /// Whether nothing waits.
    pub(crate) fn is_desk_idle(&self) -> bool {
        let desk = self.nodes.desk.lock();
        desk.queue.is_empty() && !desk.in_flight
    }

    /// Gives up everything that waits.
    pub(crate) fn fail_desk(&self) {
        let queue = std::mem::take(&mut self.nodes.desk.lock().queue);
        queue.into_iter().for_each(|queued| queued.op.fail(self.unavailable()));
    }
}
