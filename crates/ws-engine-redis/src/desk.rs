//! Where operations about the cluster wait. As in a lane, one pipeline is in flight, and what comes meanwhile goes with the
//! next one; so what this server says of itself reaches the store in its order, and a question is answered after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::{EngineError, RoundTrip};

use crate::limits::APPEND_WAIT;
use crate::link::Batch;
use crate::op::Op;
use crate::shared::Shared;
use crate::verdict::Verdict;
use crate::waiting::Queued;
use crate::wrong::Wrong;

/// A pipeline in flight.
struct Round {
    sent: Instant,
    left: AtomicUsize,
    /// What has to go again, with its place.
    again: Mutex<Vec<(usize, Queued)>>,
    /// Something of it has to go again, after a pause.
    is_refused: AtomicBool,
}

impl Round {
    /// Whether something has to go again that comes before this, and may be about the same.
    fn is_overtaken_by(&self, op: &Op) -> bool {
        let is_of_same_channel = || self.again.lock().iter().any(|(_, queued)| queued.op.is_of_channel_of(op));
        self.is_refused.load(Ordering::Acquire) || is_of_same_channel()
    }
}

impl Shared {
    /// Puts an operation into the queue.
    pub(crate) fn order(self: &Arc<Self>, op: Op) {
        if self.is_closed() {
            return op.fail(self.unavailable());
        }
        let pushed = self.nodes.desk.lock().push(op);
        if let Err(op) = pushed {
            return self.overflow(op);
        }
        self.flush_desk();
        if self.is_closed() {
            // It may have come after everything was given up.
            self.fail_desk();
        }
    }

    /// What it is about is made right later.
    fn overflow(&self, op: Op) {
        if let Op::Dismiss(user) = &op {
            self.count_user(user, false);
        }
        self.nodes.desk.lock().wrong.add(&op);
        op.fail(EngineError::Overloaded);
    }

    /// Sends the next pipeline, if it may go.
    pub(crate) fn flush_desk(self: &Arc<Self>) {
        let Some(link) = self.writer.read().clone() else { return };
        if self.nodes.is_former.load(Ordering::Acquire) {
            return;
        }
        let batch = self.nodes.desk.lock().take();
        if batch.is_empty() {
            return;
        }
        let (left, again) = (AtomicUsize::new(batch.len()), Mutex::default());
        let round = Arc::new(Round { sent: Instant::now(), left, again, is_refused: AtomicBool::new(false) });
        let mut batch = Some(batch);
        let send = |commands: &mut Batch<'_>| {
            for (at, queued) in batch.take().into_iter().flatten().enumerate() {
                let (shared, round) = (self.clone(), round.clone());
                commands.command(self.phrase(&queued.op), move |result| {
                    let Queued { op, came, line } = queued;
                    let mut overtaking = Wrong::default();
                    if round.is_overtaken_by(&op) {
                        overtaking.add(&op);
                    }
                    let verdict = shared.judge(op, result);
                    if matches!(verdict, Verdict::Done) && !overtaking.is_empty() {
                        // One that it has overtaken may be about the same member.
                        shared.nodes.desk.lock().wrong.extend(overtaking);
                    }
                    shared.settle(&round, verdict, |op| (at, Queued { op, came, line }));
                });
            }
        };
        if link.send(send).is_err() {
            self.nodes.desk.lock().put_back(batch.into_iter().flatten().collect());
        }
    }

    /// An operation of a pipeline has been dealt with. After the last one, the next pipeline goes.
    fn settle(self: &Arc<Self>, round: &Round, verdict: Verdict, queued: impl FnOnce(Op) -> (usize, Queued)) {
        match verdict {
            Verdict::Done => {}
            Verdict::Again(op) => round.again.lock().push(queued(op)),
            Verdict::Later(op) => {
                round.is_refused.store(true, Ordering::Release);
                round.again.lock().push(queued(op));
            }
        }
        if round.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.stats.answered(RoundTrip::Cluster, round.sent);
        let mut again = std::mem::take(&mut *round.again.lock());
        again.sort_by_key(|(at, _)| *at);
        let mut desk = self.nodes.desk.lock();
        desk.put_back(again.into_iter().map(|(_, queued)| queued).collect());
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
        self.recount_renewed();
        self.flush_desk();
    }

    /// Sends what has waited long enough, and answers what has waited for too long.
    pub(crate) fn tick_desk(self: &Arc<Self>) {
        let within = self.options.command_timeout.min(APPEND_WAIT);
        let is_late = |queued: &Queued| queued.op.is_asked() && queued.came.elapsed() > within;
        let late = self.nodes.desk.lock().take_all(is_late);
        late.into_iter().for_each(|queued| queued.op.fail(self.unavailable()));
        self.flush_desk();
    }

    /// The lease is valid: everything goes on at once.
    pub(crate) fn open_desk(self: &Arc<Self>) {
        self.nodes.desk.lock().paused_until = None;
        self.flush_desk();
    }

    /// Whether nothing waits.
    pub(crate) fn is_desk_idle(&self) -> bool {
        self.nodes.desk.lock().is_idle()
    }

    /// Gives up everything that waits.
    pub(crate) fn fail_desk(&self) {
        let all = self.nodes.desk.lock().take_all(|_| true);
        all.into_iter().for_each(|queued| queued.op.fail(self.unavailable()));
    }
}
