//! Who subscribes to what in a stream, and what all its connections share.
//!
//! Subscription `s` is one of channel `s % channels`; connection `c` holds `per_connection`
//! subscriptions from `c * per_connection` on. No connection has a channel twice, since
//! `per_connection` is at most `channels`. The connection after those with subscriptions publishes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use crate::channel::Names;
use crate::measure::Clock;
use crate::request::{Template, run_mark};

use super::super::board::Board;
use super::super::pace::Pace;

/// Who subscribes to what.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Layout {
    pub(in crate::scenario) channels: u64,
    /// Of each channel.
    pub(in crate::scenario) subscribers: u64,
    pub(in crate::scenario) per_connection: u64,
}

impl Layout {
    pub(in crate::scenario) fn subscriptions(&self) -> u64 {
        self.channels * self.subscribers
    }

    /// Connections that hold subscriptions.
    pub(in crate::scenario) fn connections(&self) -> usize {
        self.subscriptions().div_ceil(self.per_connection) as usize
    }

    /// The subscriptions that a connection holds.
    pub(super) fn subscriptions_of(&self, connection: usize) -> Range<u64> {
        let first = connection as u64 * self.per_connection;
        first..(first + self.per_connection).min(self.subscriptions())
    }
}

/// What all connections share.
#[derive(Debug)]
pub(in crate::scenario) struct Plan {
    pub(in crate::scenario) clock: Clock,
    pub(in crate::scenario) board: Arc<Board>,
    pub(in crate::scenario) names: Names,
    pub(in crate::scenario) layout: Layout,
    /// Publications in all, at most.
    pub(in crate::scenario) publications: u64,
    pub(in crate::scenario) publish: Template,
    pub(in crate::scenario) subscribe: Template,
    pub(in crate::scenario) unsubscribe: Template,
    /// Publishing begins when this is set and the board wakes the publisher.
    pub(in crate::scenario) pace: OnceLock<Pace>,
    pub(in crate::scenario) subscribing: Semaphore,
    pub(in crate::scenario) unsubscribing: Semaphore,
}

impl Plan {
    pub(in crate::scenario) fn new(
        layout: Layout,
        namespace: Option<&str>,
        payload: usize,
        publications: Option<u64>,
    ) -> Plan {
        let names = Names::new(namespace, &run_mark());
        Plan {
            clock: Clock::start(),
            board: Arc::new(Board::new(layout.subscribers as usize)),
            layout,
            publications: publications.unwrap_or(u64::MAX),
            publish: Template::publish(&names, payload),
            subscribe: Template::subscribe(&names),
            unsubscribe: Template::unsubscribe(&names),
            names,
            pace: OnceLock::new(),
            subscribing: Semaphore::new(0),
            unsubscribing: Semaphore::new(0),
        }
    }

    pub(in crate::scenario) fn begin_publishing(&self, pace: Pace) {
        let _ = self.pace.set(pace);
        self.board.wake.notify_one();
    }

    /// Publications so far in one channel.
    pub(super) fn published_in(&self, channel: u64) -> u64 {
        self.board.published().saturating_sub(channel).div_ceil(self.layout.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscription_is_held_once_and_no_channel_twice_by_one_connection() {
        for (channels, subscribers, per_connection) in [(3, 4, 1), (3, 4, 2), (5, 2, 5), (100, 1, 30)] {
            let layout = Layout { channels, subscribers, per_connection };
            let mut subscriptions = vec![0; channels as usize];
            for connection in 0..layout.connections() {
                let mut own: Vec<_> = layout.subscriptions_of(connection).map(|s| s % channels).collect();
                own.iter().for_each(|channel| subscriptions[*channel as usize] += 1);
                own.sort_unstable();
                own.dedup();
                assert_eq!(own.len() as u64, layout.subscriptions_of(connection).count() as u64);
            }
            assert!(subscriptions.iter().all(|count| *count == subscribers));
        }
    }

    #[test]
    fn publications_go_round_the_channels() {
        let plan = Plan::new(Layout { channels: 3, subscribers: 1, per_connection: 1 }, None, 16, None);
        for due in 0..4 {
            plan.board.publish(due);
        }
        assert_eq!([0, 1, 2].map(|channel| plan.published_in(channel)), [2, 1, 1]);
    }
}
