//! What `channels` and `slow` share: connections with subscriptions, one connection that publishes to the channels in
//! turn, and checks of what arrives.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::measure::Complaints;
use crate::opening::CONCURRENCY;
use crate::process::{Interval, Mark};
use crate::report::Report;
use crate::socket::Socket;
use crate::stage::{Stage, Status};

use super::order::Faults;
pub(super) use plan::{Layout, Plan};
use publisher::Publisher;
use reader::Reader;
pub(super) use reader::Tally;

mod plan;
mod publisher;
mod reader;

/// Starts the task of a new connection, on the thread of its lane.
pub(super) fn clients(lanes: &Lanes<Tally>, plan: &Arc<Plan>) -> impl Fn(usize, Socket) + Send + Sync + 'static {
    let shared: Vec<_> = (0..lanes.count()).map(|lane| lanes.shared(lane).clone()).collect();
    let plan = plan.clone();
    move |index, socket| {
        let (shared, plan) = (shared[index % shared.len()].clone(), plan.clone());
        if index < plan.layout.connections() {
            let subscriptions = plan.layout.subscriptions_of(index);
            tokio::spawn(Reader::new(socket, shared, plan, subscriptions).run());
        } else {
            tokio::spawn(Publisher::new(socket, shared, plan).run());
        }
    }
}

/// Makes every subscription. Returns how long that took, to the last response.
pub(super) async fn subscribe(stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Interval, Failure> {
    let asking = Asking { name: "subscribing", unit: "subscriptions", action: "subscribe" };
    asking.all(stage, lanes, plan, &plan.subscribing, |tally| tally.subscribed).await
}

/// Ends every subscription again.
pub(super) async fn unsubscribe(stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Interval, Failure> {
    let asking = Asking { name: "unsubscribing", unit: "subscriptions", action: "unsubscribe" };
    asking.all(stage, lanes, plan, &plan.unsubscribing, |tally| tally.unsubscribed).await
}

/// A stage that sends one request for every subscription.
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
            Status { count, over: count >= wanted || !is_healthy(lanes) }
        };
        stage.run_until_over(self.name, self.unit, look).await?;
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

/// More exact than the polling of the main thread.
pub(super) fn seconds_to_last_read(lanes: &Lanes<Tally>, start_ns: u64) -> f64 {
    let mut last_ns = start_ns;
    lanes.each(|tally| last_ns = last_ns.max(tally.last_read_ns));
    (last_ns - start_ns) as f64 / 1e9
}

/// Whether all connections are without errors.
pub(super) fn is_healthy(lanes: &Lanes<Tally>) -> bool {
    lanes.sum(|tally| tally.errors.count + tally.ended.count) == 0
}

fn first_complaint(lanes: &Lanes<Tally>) -> String {
    let mut complaints = Complaints::default();
    lanes.each(|tally| complaints.add(&tally.errors));
    lanes.each(|tally| complaints.add(&tally.ended));
    complaints.first.unwrap_or_else(|| "no responses".to_owned())
}

/// How many deliveries there are, and whether more can come.
pub(super) fn look(lanes: &Lanes<Tally>, plan: &Plan) -> Status {
    let done = plan.board.published() >= plan.publications && plan.board.outstanding() == 0;
    Status { count: lanes.sum(|tally| tally.latencies.count()), over: done || plan.board.is_stopping() }
}

/// Deliveries that are still missing.
pub(super) fn missing(lanes: &Lanes<Tally>, plan: &Plan) -> u64 {
    lanes.sum(|tally| tally.missing(plan))
}

/// Adds loss, duplicates and complaints of the whole run, including the warm-up.
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
