//! The connection of `fanout` that publishes, and also receives like the others.

use std::future::poll_fn;

use tokio::time::{MissedTickBehavior, interval};

use crate::request::Template;
use crate::socket::Ended;

use super::super::pace::{Pace, STALL_CHECK_INTERVAL, Stalls};
use super::reader::{Plan, Reader};

pub(super) struct Publisher {
    pub(super) reader: Reader,
    pub(super) request: Template,
    pub(super) pace: Pace,
}

impl Publisher {
    pub(super) async fn run(mut self) {
        let ended = loop {
            if let Err(ended) = self.work().await {
                break ended;
            }
        };
        self.reader.plan.board.stop();
        self.reader.leave(ended);
    }

    /// Publishes whenever the pace allows, until the connection ends.
    async fn work(&mut self) -> Result<(), Ended> {
        let plan = self.reader.plan.clone();
        let mut stall_check = interval(STALL_CHECK_INTERVAL);
        stall_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stalls = Stalls::new();
        loop {
            self.publish()?;
            tokio::select! {
                biased;
                read = poll_fn(|cx| self.reader.poll_texts(cx)) => read?,
                () = plan.board.wake.notified() => {}
                _ = stall_check.tick() => stalls.check(&plan.board),
            }
        }
    }

    /// Publishes everything that is due. One write each, like a real publisher: joined writes would save the server work.
    fn publish(&mut self) -> Result<(), Ended> {
        let Plan { board, clock, .. } = &*self.reader.plan;
        let shared = &mut *self.reader.shared.lock();
        while !board.is_stopping() {
            let due = self.pace.due(board.published(), board.outstanding(), clock.now_ns());
            let Some(due_ns) = due else { break };
            shared.out.clear();
            self.request.write(&mut shared.out, board.publish(due_ns));
            self.reader.socket.send(&shared.out)?;
        }
        Ok(())
    }
}
