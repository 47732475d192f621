//! How long requests take, from being read until their answer is queued.
//!
//! The clock is read once when a batch of frames begins and once when its answers are complete, not for each request:
//! what was answered meanwhile is counted by action and recorded together. A held frame keeps its time, because nothing
//! more is read before it is answered. A publication that the engine answers later takes its time along.

use ws_proto::action::ActionName;

use super::state::Session;

/// The times of a session, in microseconds on the hub's clock.
#[derive(Debug)]
pub(super) struct Timing {
    /// When the frames that are handled now were read.
    read_us: u64,
    /// When the current batch began.
    began_us: u64,
    /// The request that is being handled, or held.
    running: Option<ActionName>,
    /// By action, the requests that were answered in this batch.
    answered: [u16; ActionName::ALL.len()],
}

impl Timing {
    pub(super) fn new(now_us: u64) -> Self {
        Timing { read_us: now_us, began_us: now_us, running: None, answered: [0; ActionName::ALL.len()] }
    }

    /// A request is handled from here on.
    pub(super) fn run(&mut self, action: ActionName) {
        self.running = Some(action);
    }

    /// The frame is done: if it was a request, it has been answered.
    pub(super) fn end(&mut self) {
        if let Some(action) = self.running.take() {
            let answered = &mut self.answered[action as usize];
            *answered = answered.saturating_add(1);
        }
    }

    /// The request will be answered later, after its frame is done. Returns when it was read.
    pub(super) fn defer(&mut self) -> u64 {
        self.running = None;
        self.read_us
    }

    /// When the frame that is handled now was read.
    pub(super) fn read_us(&self) -> u64 {
        self.read_us
    }

    /// How long something took that was read then, and whose answer is appended in this batch.
    pub(super) fn since(&self, read_us: u64) -> u64 {
        self.began_us.saturating_sub(read_us)
    }
}

impl Session {
    /// A batch begins: frames are handed over, or answers are due. `is_read`: its frames have just been read, at
    /// `now_us` on the hub's clock; otherwise they had been read before.
    pub fn begin_batch(&mut self, now_us: u64, is_read: bool) {
        self.timing.began_us = now_us;
        if is_read {
            self.timing.read_us = now_us;
        }
    }

    /// The answers of a batch are complete, and go out next.
    pub fn end_batch(&mut self) {
        if self.timing.answered.iter().all(|answered| *answered == 0) {
            return;
        }
        let shared = self.membership.shared();
        let took_us = shared.clock.now_us().saturating_sub(self.timing.read_us);
        for (action, answered) in ActionName::ALL.into_iter().zip(std::mem::take(&mut self.timing.answered)) {
            if answered > 0 {
                shared.counters.request_us(action).record_many(took_us, answered.into());
            }
        }
    }
}
