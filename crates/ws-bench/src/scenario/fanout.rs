//! `fanout`: the first connection broadcasts, all receive. Measures deliveries per second and latency, and checks that
//! every connection receives every message once and in order.
//!
//! With a window, the next publish is sent when an earlier one has reached every connection. With a rate, publishes are
//! due at fixed times and latency is measured from then, so that a server cannot hide a stall.

use std::sync::Arc;

use tokio::time::sleep;

use crate::cli::Fanout;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::request::{Template, run_mark};
use crate::socket::Socket;
use crate::stage::{DUPLICATES_WAIT, Stage, Status};

use super::board::Board;
use super::order::Faults;
use super::pace::{self, Pace};
use publisher::Publisher;
use reader::{Plan, Reader, Tally};

mod publisher;
mod reader;

/// What the measured interval brought.
struct Measured {
    latencies: Latencies,
    publishes: u64,
    interval: Interval,
}

pub(super) async fn run(options: Fanout, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.connections, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let sockets = open_all(&lanes, server, options.connections, &mut stage).await?;

    let board = Arc::new(Board::new(options.connections));
    let plan = Arc::new(Plan { clock: Clock::start(), board, run: run_mark() });
    let pacemaker = start(&lanes, &plan, &options, sockets)?;
    let measured = measure(&lanes, &plan, &mut stage).await;
    plan.board.stop();
    if let Some(pacemaker) = pacemaker {
        let _ = pacemaker.join();
    }
    let measured = measured?;
    stage.drain(|| missing(&lanes, &plan)).await;
    sleep(DUPLICATES_WAIT).await;
    Ok(report(&options, &stage, &lanes, &plan, &measured))
}

/// Starts the tasks of all connections, readers first, so that they miss no broadcast.
fn start(
    lanes: &Lanes<Tally>,
    plan: &Arc<Plan>,
    options: &Fanout,
    mut sockets: Vec<(usize, Socket)>,
) -> std::io::Result<Option<std::thread::JoinHandle<()>>> {
    let every_ns = options.rate.map(|rate| 1e9 / rate);
    let start_ns = plan.clock.now_ns() + 10_000_000;
    let pace = every_ns.map_or(Pace::InFlight(options.in_flight as u64), |ns| Pace::Every { ns, start_ns });
    sockets.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    for (index, socket) in sockets {
        let reader = Reader::new(socket, lanes.shared(index).clone(), plan.clone());
        if index == 0 {
            let request = Template::broadcast(&plan.run, options.payload);
            lanes.runtime(index).spawn(Publisher { reader, request, pace }.run());
        } else {
            lanes.runtime(index).spawn(reader.run());
        }
    }
    every_ns.map(|ns| pace::pacemaker(plan.board.clone(), plan.clock, ns, start_ns)).transpose()
}

async fn measure(lanes: &Lanes<Tally>, plan: &Plan, stage: &mut Stage) -> Result<Measured, Failure> {
    let mut published = 0;
    let begin = || {
        published = plan.board.published();
        lanes.each(|tally| tally.latencies.reset());
    };
    let look = || Status { count: lanes.sum(|tally| tally.latencies.count()), over: plan.board.is_stopping() };
    let interval = stage.measure("deliveries", begin, look).await?;
    let mut latencies = Latencies::new();
    lanes.each(|tally| latencies.add(&tally.latencies));
    Ok(Measured { latencies, publishes: plan.board.published() - published, interval })
}

/// Deliveries that are still missing.
fn missing(lanes: &Lanes<Tally>, plan: &Plan) -> u64 {
    let published = plan.board.published();
    let of = |tally: &Tally| tally.orders.iter().map(|order| published.saturating_sub(order.done_below())).sum();
    lanes.sum(of)
}

fn report(options: &Fanout, stage: &Stage, lanes: &Lanes<Tally>, plan: &Plan, measured: &Measured) -> Report {
    let (interval, deliveries) = (&measured.interval, measured.latencies.count());
    let mut report = Report::new("fanout", &options.common.target.url);
    report.figure("connections", "connections", Value::Count(options.connections as u64));
    match options.rate {
        Some(rate) => report.figure("rate_per_s", "publishes due", Value::PerSecond(rate)),
        None => report.figure("in_flight", "publishes in flight", Value::Count(options.in_flight as u64)),
    }
    report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("publishes", measured.publishes, interval);
    report.rate("deliveries", deliveries, interval);
    report.figure("latency_us", "latency", Value::Latency(measured.latencies.quantiles()));
    report.cpu("delivery", deliveries, interval, lanes.count());
    judge(&mut report, lanes, plan);
    if deliveries == 0 {
        report.problem("nothing was delivered");
    }
    stage.finish(&mut report);
    report
}

/// Adds loss, duplicates and complaints of the whole run, including the warm-up.
fn judge(report: &mut Report, lanes: &Lanes<Tally>, plan: &Plan) {
    let mut faults = Faults::default();
    let (mut ended, mut errors, mut unreadable) = (Complaints::default(), Complaints::default(), Complaints::default());
    lanes.each(|tally| {
        for order in &mut tally.orders {
            order.finish(plan.board.published(), &mut tally.faults);
        }
        faults.add(&tally.faults);
        ended.add(&tally.ended);
        errors.add(&tally.errors);
        unreadable.add(&tally.unreadable);
    });
    // What the server refused is missing everywhere, and stands under the errors.
    faults.lost = faults.lost.saturating_sub(plan.board.refused() * lanes.sum(|tally| tally.open));
    faults.report(report);
    report.complaints(&errors, "error answers");
    report.complaints(&unreadable, "messages not understood");
    report.complaints(&ended, "connections ended");
}
