//! The connection of `fanout` that publishes, beside receiving like all the others.

use std::future::poll_fn;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::message::Template;
use crate::socket::Ended;

use super::super::PATIENCE;
use super::board::OUTSTANDING_MAX;
use super::reader::{Plan, Reader};

const STALL_CHECK_EVERY: Duration = Duration::from_millis(100);

/// When to publish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// As soon as fewer than this many are outstanding.
    InFlight(u64),
    /// At fixed times, however long the server takes.
    Every { ns: f64, start_ns: u64 },
}

impl Pace {
    /// When publish `number` is due, if it may be sent by now.
    fn due(self, number: u64, outstanding: u64, now_ns: u64) -> Option<u64> {
        match self {
            Pace::InFlight(most) => (outstanding < most).then_some(now_ns),
            Pace::Every { ns, start_ns } => {
                let due = start_ns + (number as f64 * ns) as u64;
                // One that had to wait for room still counts from when it was due.
                (due <= now_ns && outstanding < OUTSTANDING_MAX).then_some(due)
            }
        }
    }
}

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
        let mut last = (u64::MAX, Instant::now());
        loop {
            self.publish()?;
            tokio::select! {
                biased;
                read = poll_fn(|cx| self.reader.poll_texts(cx)) => read?,
                () = plan.board.wake.notified() => {}
                _ = stall_check.tick() => {
                    let progress = plan.board.published() - plan.board.outstanding();
                    if progress != last.0 {
                        last = (progress, Instant::now());
                    } else if last.1.elapsed() >= PATIENCE && !plan.board.is_stopping() {
                        plan.board.give_up();
                    }
                }
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

/// Wakes the publisher whenever a publish is due; a runtime's timer would be up to 1 ms late.
pub(super) fn pacemaker(plan: Arc<Plan>, ns: f64, start_ns: u64) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("pacemaker".to_owned()).spawn(move || {
        let mut number = 0u64;
        while !plan.board.is_stopping() {
            let (due_ns, now_ns) = (start_ns + (number as f64 * ns) as u64, plan.clock.now_ns());
            if due_ns <= now_ns {
                plan.board.wake.notify_one();
                number = ((now_ns - start_ns) as f64 / ns) as u64 + 1;
            } else {
                thread::sleep(Duration::from_nanos(due_ns - now_ns).min(STALL_CHECK_EVERY));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_publishes_while_there_is_room() {
        assert_eq!(Pace::InFlight(2).due(9, 1, 77), Some(77));
        assert_eq!(Pace::InFlight(2).due(9, 2, 77), None);
    }

    #[test]
    fn a_paced_publish_counts_from_when_it_was_due() {
        let pace = Pace::Every { ns: 50.0, start_ns: 1000 };
        assert_eq!(pace.due(0, 0, 999), None);
        assert_eq!(pace.due(0, 0, 1000), Some(1000));
        assert_eq!(pace.due(3, 3, 1500), Some(1150));
        assert_eq!(pace.due(3, OUTSTANDING_MAX, 1500), None);
    }
}
