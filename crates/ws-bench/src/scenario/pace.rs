//! When a publisher publishes: when there is room in the window, or at fixed times. And when it stops waiting for
//! deliveries that do not arrive.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::board::{Board, OUTSTANDING_MAX};
use crate::measure::Clock;
use crate::stage::PROGRESS_TIMEOUT;

/// How often a publisher checks for progress.
pub(super) const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// When to publish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// As soon as fewer than this many are outstanding.
    InFlight(u64),
    /// At fixed times, independent of the server.
    Every { ns: f64, start_ns: u64 },
}

impl Pace {
    /// When publish `number` was due, if it may be sent now.
    pub(super) fn due(self, number: u64, outstanding: u64, now_ns: u64) -> Option<u64> {
        match self {
            Pace::InFlight(most) => (outstanding < most).then_some(now_ns),
            Pace::Every { ns, start_ns } => {
                let due = start_ns + (number as f64 * ns) as u64;
                // The latency of one that had to wait for room still starts when it was due.
                (due <= now_ns && outstanding < OUTSTANDING_MAX).then_some(due)
            }
        }
    }
}

/// Gives up outstanding publishes when none has been completed for too long.
#[derive(Debug)]
pub(super) struct Stalls {
    completed: u64,
    since: Instant,
}

impl Stalls {
    pub(super) fn new() -> Stalls {
        Stalls { completed: u64::MAX, since: Instant::now() }
    }

    pub(super) fn check(&mut self, board: &Board) {
        let completed = board.published() - board.outstanding();
        if completed != self.completed {
            *self = Stalls { completed, since: Instant::now() };
        } else if self.since.elapsed() >= PROGRESS_TIMEOUT && !board.is_stopping() {
            board.give_up();
        }
    }
}

/// Wakes the publisher whenever a publish is due; a runtime's timer would be up to 1 ms late.
pub(super) fn pacemaker(board: Arc<Board>, clock: Clock, ns: f64, start_ns: u64) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("pacemaker".to_owned()).spawn(move || {
        let mut number = 0u64;
        while !board.is_stopping() {
            let (due_ns, now_ns) = (start_ns + (number as f64 * ns) as u64, clock.now_ns());
            if due_ns <= now_ns {
                board.wake.notify_one();
                number = ((now_ns - start_ns) as f64 / ns) as u64 + 1;
            } else {
                thread::sleep(Duration::from_nanos(due_ns - now_ns).min(STALL_CHECK_INTERVAL));
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
