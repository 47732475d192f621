//! The connection of `fanout` that publishes, beside receiving like all the others.

use std::future::poll_fn;

use tokio::time::{MissedTickBehavior, interval};

use crate::request::Template;
use crate::socket::Ended;

use super::super::pace::{Pace, STALL_CHECK_EVERY, Stalls};
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

    /// Publishes whenever it may, until the connection ends.
    async fn work(&mut self) -> Result<(), Ended> {
        let plan = self.reader.plan.clone();
        let mut stall_check = interval(STALL_CHECK_EVERY);
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

    /// All that may be published by now. One write each, as from a program that publishes whenever
    /// it has something: joined, they would spare the server work that it has to do in earnest.
    fn publish(&mut self) -> Result<(), Ended> {
        let Plan { board, clock, .. } = &*self.reader.plan;
        let seat = &mut *self.reader.seat.lock();
        while !board.is_stopping() {
            let due = self.pace.due(board.published(), board.outstanding(), clock.now_ns());
            let Some(due_ns) = due else { break };
            seat.out.clear();
            self.request.write(&mut seat.out, board.publish(due_ns));
            self.reader.socket.send(&seat.out)?;
        }
        Ok(())
    }
}
