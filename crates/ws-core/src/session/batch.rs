//! The beginning and the end of a batch: what a session does after one read or wake-up.

use ws_proto::action::ActionName;

use super::state::Session;

impl Session {
    /// A batch begins: frames are handed over, or answers are due. `is_read`: its frames have just been read, at
    /// `now_us` on the hub's clock; otherwise they had been read before.
    pub fn begin_batch(&mut self, now_us: u64, is_read: bool) {
        self.timing.begin(now_us, is_read);
    }

    /// The answers of a batch are complete, and go out next.
    pub fn end_batch(&mut self) {
        let Some(all) = self.timing.take_answered() else { return };
        let shared = self.membership.shared();
        let took_us = shared.clock.now_us().saturating_sub(self.timing.read_us());
        for (action, answered) in ActionName::ALL.into_iter().zip(all).filter(|(_, answered)| *answered > 0) {
            shared.counters.request_us(action).record_many(took_us, answered.into());
        }
    }
}
