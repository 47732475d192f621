//! `recover`: all clients subscribe, note their position and disconnect. After some publications all reconnect at once
//! and subscribe with `since`. Measures how long each takes to catch up, and checks that each receives exactly what was
//! published, once and in order.
//!
//! Client `c` is in channel `c % channels`. The total time is from the first handshake of the return until the last client
//! has caught up; the time of one client is from its `subscribe` to its last publication.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::channel::Names;
use crate::cli::Recover;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::opening::open;
use crate::process::{Interval, Mark};
use crate::report::{Report, Value};
use crate::request::run_mark;
use crate::socket::Socket;
use crate::stage::{DUPLICATES_WAIT, Stage, Status};

use catch_up::Verdict;
use plan::Plan;
use tally::Tally;

mod catch_up;
mod plan;
mod publish;
mod tally;
mod visit;

/// Connections that are closed at a time.
const LEAVING: usize = 256;

/// How the return went.
struct Measured {
    interval: Interval,
    rss_before_kib: Option<u64>,
    rss_after_kib: Option<u64>,
}

pub(super) async fn run(options: Recover, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.clients + 1, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let plan = Arc::new(Plan {
        clock: Clock::start(),
        names: Names::new(options.namespace.as_deref(), &run_mark()),
        channels: options.channels as u64,
        publications: options.publications,
        leaving: Semaphore::new(0),
    });
    first_visit(&options, &mut stage, &lanes, &plan).await?;
    let publisher = stage.unless_interrupted(Socket::connect(&server, 0)).await?.ok_or(Failure::Interrupted)??;
    let published = publish::all(publisher, &plan, options.payload);
    stage.unless_interrupted(published).await?.ok_or(Failure::Interrupted)??;
    let measured = second_visit(&options, &mut stage, &lanes, &plan).await?;
    Ok(report(&options, &stage, &lanes, &plan, &measured))
}

/// All subscribe, note their positions and disconnect.
async fn first_visit(
    options: &Recover,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    plan: &Arc<Plan>,
) -> Result<(), Failure> {
    let (shared, plan) = (visit::shared(lanes), plan.clone());
    let accept = {
        let plan = plan.clone();
        move |index: usize, socket| {
            let shared = shared[index % shared.len()].clone();
            tokio::spawn(visit::first(socket, shared, plan.clone(), index));
        }
    };
    arrive(options, stage, lanes, accept).await?;
    all(options, stage, lanes, "subscribe", |tally| tally.positions.len() as u64).await?;
    plan.leaving.add_permits(LEAVING);
    all(options, stage, lanes, "leave", |tally| tally.left).await
}

async fn arrive(
    options: &Recover,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    accept: impl Fn(usize, Socket) + Send + Sync + 'static,
) -> Result<(), Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.clients + 1, &mut server)?;
    open(lanes, server, (options.clients, options.concurrency), stage, accept).await?;
    Ok(())
}

/// Waits until all clients have done something, or one has failed.
async fn all(
    options: &Recover,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    action: &'static str,
    count: impl Fn(&Tally) -> u64,
) -> Result<(), Failure> {
    let wanted = options.clients as u64;
    let look = || {
        let failed = lanes.sum(|tally| tally.errors.count + tally.ended.count) > 0;
        let count = lanes.sum(&count);
        Status { count, over: failed || count >= wanted }
    };
    stage.run_until_over(action, "clients", look).await?;
    let done = lanes.sum(&count);
    let mut complaints = Complaints::default();
    lanes.each(|tally| complaints.add(&tally.errors));
    lanes.each(|tally| complaints.add(&tally.ended));
    let why = complaints.first.unwrap_or_else(|| "the answers do not come".to_owned());
    match done >= wanted {
        true => Ok(()),
        false if stage.interrupted => Err(Failure::Interrupted),
        false => Err(Failure::Unfinished { action, done, wanted, why }),
    }
}

/// All reconnect at once and catch up.
async fn second_visit(
    options: &Recover,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    plan: &Arc<Plan>,
) -> Result<Measured, Failure> {
    let (shared, of_clients) = (visit::shared(lanes), plan.clone());
    let accept = move |index: usize, socket| {
        let shared = shared[index % shared.len()].clone();
        tokio::spawn(visit::second(socket, shared, of_clients.clone(), index));
    };
    let rss_before_kib = stage.rss_kib();
    let (from, start_ns) = (Mark::now(stage.server.as_ref()), plan.clock.now_ns());
    arrive(options, stage, lanes, accept).await?;
    let look = || Status {
        count: lanes.sum(|tally| tally.delivered + tally.done),
        over: lanes.sum(|tally| tally.done) >= options.clients as u64,
    };
    stage.run_until_over("catching up", "deliveries", look).await?;
    let mut interval = from.until(&Mark::now(stage.server.as_ref()));
    let mut last_ns = start_ns;
    lanes.each(|tally| last_ns = last_ns.max(tally.last_caught_up_ns));
    interval.seconds = (last_ns - start_ns) as f64 / 1e9;
    let rss_after_kib = stage.rss_kib();
    sleep(DUPLICATES_WAIT).await;
    Ok(Measured { interval, rss_before_kib, rss_after_kib })
}

fn report(options: &Recover, stage: &Stage, lanes: &Lanes<Tally>, plan: &Plan, measured: &Measured) -> Report {
    let (clients, interval) = (options.clients as u64, &measured.interval);
    let mut latencies = Latencies::new();
    lanes.each(|tally| latencies.add(&tally.latencies));
    let mut report = Report::new("recover", &options.common.target.url);
    report.figure("clients", "clients", Value::Count(clients));
    report.figure("channels", "channels", Value::Count(plan.channels));
    report.figure("publications", "publications in each channel", Value::Count(plan.publications));
    report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
    report.figure("concurrency", "handshakes at a time", Value::Count(options.concurrency as u64));
    report.figure("seconds", "first connect to last caught up", Value::Seconds(interval.seconds));
    report.rate("deliveries", lanes.sum(|tally| tally.delivered), interval);
    report.figure("latency_us", "subscribe to caught up", Value::Latency(latencies.quantiles()));
    if let Some(us) = interval.server_cpu_us {
        report.figure("server_cpu_seconds", "server CPU, total", Value::Seconds(us / 1e6));
    }
    report.cpu("client", clients, interval, lanes.count());
    for (key, label, kib) in [
        ("server_rss_kib_before", "server RSS before the return", measured.rss_before_kib),
        ("server_rss_kib_after", "server RSS after the return", measured.rss_after_kib),
    ] {
        if let Some(kib) = kib {
            report.figure(key, label, Value::Kib(kib as f64));
        }
    }
    judge(&mut report, lanes, plan);
    stage.finish(&mut report);
    report
}

/// Counts the verdicts on all clients.
fn judge(report: &mut Report, lanes: &Lanes<Tally>, plan: &Plan) {
    let (mut recovered, mut with_gap, mut wrong) = (0, 0, Complaints::default());
    let mut ended = Complaints::default();
    lanes.each(|tally| {
        for client in &tally.returned {
            match client.verdict() {
                Verdict::Recovered => recovered += 1,
                Verdict::WithGap => with_gap += 1,
                Verdict::Wrong(why) => wrong.note(why),
            }
        }
        ended.add(&tally.ended);
    });
    report.figure("recovered", "clients recovered", Value::Count(recovered));
    report.figure("with_gap", "clients with a gap", Value::Count(with_gap));
    report.figure("wrong", "clients wrong", Value::Count(wrong.count));
    if with_gap > 0 {
        report.note(format!(
            "{with_gap} clients were told of a gap, as they must be where the history keeps fewer than \
             {} publications (history_size)",
            plan.publications
        ));
    }
    report.complaints(&wrong, "clients wrong");
    report.complaints(&ended, "connections ended");
}
