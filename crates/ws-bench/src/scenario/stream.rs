//! What `channels` and `slow` have in common: connections that hold subscriptions, one connection
//! that publishes round the channels, and a judgement of what arrived.
//!
//! Subscription `s` is one of channel `s % channels`; connection `c` holds `per_connection`
//! subscriptions from `c * per_connection` on. So no connection holds a channel twice as long as
//! `per_connection` is at most `channels`. The connection behind those with subscriptions publishes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use crate::channel::Names;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::measure::{Clock, Complaints};
use crate::opening::CONCURRENCY;
use crate::process::{Interval, Mark};
use crate::report::Report;
use crate::request::{Template, run_mark};
use crate::socket::Socket;

use super::board::Board;
use super::order::Faults;
use super::pace::Pace;
use super::{Look, Stage};
use publisher::Publisher;
use reader::Reader;
pub(super) use reader::Tally;

mod publisher;
mod reader;

/// Who subscribes to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) channels: u64,
    /// Of each channel.
    pub(super) subscribers: u64,
    pub(super) per_connection: u64,
}

impl Layout {
    pub(super) fn subscriptions(&self) -> u64 {
        self.channels * self.subscribers
    }

    /// Connections that hold subscriptions.
    pub(super) fn connections(&self) -> usize {
        self.subscriptions().div_ceil(self.per_connection) as usize
    }

    /// The subscriptions that a connection holds.
    fn held_by(&self, connection: usize) -> Range<u64> {
        let first = connection as u64 * self.per_connection;
        first..(first + self.per_connection).min(self.subscriptions())
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    pub(super) names: Names,
    pub(super) layout: Layout,
    /// Publications in all, at most.
    pub(super) publications: u64,
    publish: Template,
    subscribe: Template,
    unsubscribe: Template,
    /// Publishing begins when this is set and the board wakes the publisher.
    pace: OnceLock<Pace>,
    subscribing: Semaphore,
    unsubscribing: Semaphore,
}

impl Plan {
    pub(super) fn new(layout: Layout, namespace: Option<&str>, payload: usize, publications: Option<u64>) -> Plan {
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

    pub(super) fn begin_publishing(&self, pace: Pace) {
        let _ = self.pace.set(pace);
        self.board.wake.notify_one();
    }

    /// Publications so far in one channel.
    fn published_in(&self, channel: u64) -> u64 {
        self.board.published().saturating_sub(channel).div_ceil(self.layout.channels)
    }
}

/// What puts a new connection to work, on its lane's thread.
pub(super) fn clients(lanes: &Lanes<Tally>, plan: &Arc<Plan>) -> impl Fn(usize, Socket) + Send + Sync + 'static {
    let seats: Vec<_> = (0..lanes.count()).map(|lane| lanes.seat(lane).clone()).collect();
    let plan = plan.clone();
    move |index, socket| {
        let (seat, plan) = (seats[index % seats.len()].clone(), plan.clone());
        if index < plan.layout.connections() {
            let held = plan.layout.held_by(index);
            tokio::spawn(Reader::new(socket, seat, plan, held).run());
        } else {
            tokio::spawn(Publisher::new(socket, seat, plan).run());
        }
    }
}

/// Makes every subscription; how long that took, to the last answer.
pub(super) async fn subscribe(stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Interval, Failure> {
    let asking = Asking { name: "subscribing", unit: "subscriptions", action: "subscribe" };
    asking.all(stage, lanes, plan, &plan.subscribing, |tally| tally.subscribed).await
}

/// Ends every subscription again.
pub(super) async fn unsubscribe(stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Interval, Failure> {
    let asking = Asking { name: "unsubscribing", unit: "subscriptions", action: "unsubscribe" };
    asking.all(stage, lanes, plan, &plan.unsubscribing, |tally| tally.unsubscribed).await
}

/// A stage in which every subscription asks for something once.
struct Asking {
    name: &'static str,
    unit: &'static str,
    action: &'static str,
}

impl Asking {
    async fn all(
        &self,
        stage: &mut Stage,
        lanes: &Lanes<Tally>,
        plan: &Plan,
        turns: &Semaphore,
        count: impl Fn(&Tally) -> u64,
    ) -> Result<Interval, Failure> {
        let (wanted, start_ns, from) =
            (plan.layout.subscriptions(), plan.clock.now_ns(), Mark::now(stage.server.as_ref()));
        turns.add_permits(CONCURRENCY);
        let look = || {
            let count = lanes.sum(&count);
            Look { count, over: count >= wanted || !is_healthy(lanes) }
        };
        stage.until_over(self.name, self.unit, look).await?;
        let mut interval = from.until(&Mark::now(stage.server.as_ref()));
        interval.seconds = seconds_to_last_read(lanes, start_ns);
        let done = lanes.sum(&count);
        match done >= wanted {
            true => Ok(interval),
            false if stage.interrupted => Err(Failure::Interrupted),
            false => Err(Failure::Unfinished { action: self.action, done, wanted, why: first_complaint(lanes) }),
        }
    }
}

/// Exact, while the main thread looks only now and then.
pub(super) fn seconds_to_last_read(lanes: &Lanes<Tally>, start_ns: u64) -> f64 {
    let mut last_ns = start_ns;
    lanes.each(|tally| last_ns = last_ns.max(tally.last_read_ns));
    (last_ns - start_ns) as f64 / 1e9
}

/// Whether nothing has gone wrong with any connection.
pub(super) fn is_healthy(lanes: &Lanes<Tally>) -> bool {
    lanes.sum(|tally| tally.errors.count + tally.ended.count) == 0
}

fn first_complaint(lanes: &Lanes<Tally>) -> String {
    let mut complaints = Complaints::default();
    lanes.each(|tally| complaints.add(&tally.errors));
    lanes.each(|tally| complaints.add(&tally.ended));
    complaints.first.unwrap_or_else(|| "the answers do not come".to_owned())
}

/// How far the deliveries are, and whether more can come.
pub(super) fn look(lanes: &Lanes<Tally>, plan: &Plan) -> Look {
    let done = plan.board.published() >= plan.publications && plan.board.outstanding() == 0;
    Look { count: lanes.sum(|tally| tally.latencies.count()), over: done || plan.board.is_stopping() }
}

/// Deliveries that are still to come.
pub(super) fn missing(lanes: &Lanes<Tally>, plan: &Plan) -> u64 {
    lanes.sum(|tally| tally.missing(plan))
}

/// Loss and the like, over the whole run, warm-up included.
pub(super) fn judge(report: &mut Report, lanes: &Lanes<Tally>, plan: &Plan) -> Faults {
    let mut faults = Faults::default();
    let mut complaints: [Complaints; 4] = Default::default();
    lanes.each(|tally| {
        tally.finish(plan);
        faults.add(&tally.faults);
        let those = [&tally.errors, &tally.wrong, &tally.unreadable, &tally.ended];
        complaints.iter_mut().zip(those).for_each(|(all, one)| all.add(one));
    });
    // What the server refused is missing everywhere, and stands under the errors.
    faults.lost = faults.lost.saturating_sub(plan.board.refused() * plan.layout.subscribers);
    faults.report(report);
    let kinds = ["error answers", "wrong offsets", "messages not understood", "connections ended"];
    for (complaints, kind) in complaints.iter().zip(kinds) {
        report.complaints(complaints, kind);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscription_is_held_once_and_no_channel_twice_by_one_connection() {
        for (channels, subscribers, per_connection) in [(3, 4, 1), (3, 4, 2), (5, 2, 5), (100, 1, 30)] {
            let layout = Layout { channels, subscribers, per_connection };
            let mut held = vec![0; channels as usize];
            for connection in 0..layout.connections() {
                let mut own: Vec<_> = layout.held_by(connection).map(|s| s % channels).collect();
                own.iter().for_each(|channel| held[*channel as usize] += 1);
                own.sort_unstable();
                own.dedup();
                assert_eq!(own.len() as u64, layout.held_by(connection).count() as u64);
            }
            assert!(held.iter().all(|count| *count == subscribers));
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
