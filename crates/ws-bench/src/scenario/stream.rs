//! What `channels` and `slow` have in common: connections that hold subscriptions, one connection
//! that publishes round the channels, and a judgement of what arrived.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::measure::Complaints;
use crate::opening::CONCURRENCY;
use crate::process::{Interval, Mark};
use crate::report::Report;
use crate::socket::Socket;
use crate::stage::{Look, Stage};

use super::order::Faults;
pub(super) use plan::{Layout, Plan};
use publisher::Publisher;
use reader::Reader;
pub(super) use reader::Tally;

mod plan;
mod publisher;
mod reader;

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
