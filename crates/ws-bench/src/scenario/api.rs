//! `api`: every connection keeps a fixed number of `POST /api/v1/channels/{channel}/publications` in flight, and sends
//! the next one when an answer arrives. Subscribers over WebSocket count what is delivered.
//!
//! This is a closed loop, like `echo`. A server ends a connection after some number of requests (`Connection: close`);
//! what was sent after the last one that it answered is sent again over the next connection.

mod client;
mod plan;
mod subscriber;
mod tally;

use std::sync::Arc;

use crate::channel::Names;
use crate::cli::Api;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::request::{Template, run_mark};
use crate::stage::{Stage, Status};

use client::Client;
use plan::Plan;
use tally::Tally;

/// What the measured interval brought.
struct Measured {
    latencies: Latencies,
    deliveries: u64,
    interval: Interval,
}

pub(super) async fn run(options: Api, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.connections + options.subscribers, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let names = Names::new(options.namespace.as_deref(), &run_mark());
    let sockets = open_all(&lanes, options.common.target.look_up()?, options.subscribers, &mut stage).await?;
    let (subscribe, mut joining) = (Arc::new(Template::subscribe(&names)), Vec::new());
    for (index, socket) in sockets {
        let (joined, is_joined) = tokio::sync::oneshot::channel();
        joining.push(is_joined);
        lanes.runtime(index).spawn(subscriber::run(socket, lanes.shared(index).clone(), subscribe.clone(), joined));
    }
    for is_joined in joining {
        let _ = is_joined.await;
    }
    let request = Template::api_publish(&names, options.payload, &options.common.target.authority(), &options.key);
    let plan = Arc::new(Plan { clock: Clock::start(), server, request, in_flight: options.in_flight });
    for index in 0..options.connections {
        let shared = lanes.shared(index).clone();
        shared.lock().state.open += 1;
        lanes.runtime(index).spawn(Client::new(shared, plan.clone(), index).run());
    }
    let look =
        || Status { count: lanes.sum(|tally| tally.latencies.count()), over: lanes.sum(|tally| tally.open) == 0 };
    let interval = stage.measure("publishes", || lanes.each(Tally::begin), look).await?;
    let (mut latencies, mut deliveries) = (Latencies::new(), 0);
    lanes.each(|tally| {
        tally.stopping = true;
        latencies.add(&tally.latencies);
        deliveries += tally.deliveries;
    });
    stage.drain(|| lanes.sum(|tally| tally.unanswered)).await;
    stage.drain(|| missing(&options, &lanes)).await;
    Ok(report(&options, &stage, &lanes, &Measured { latencies, deliveries, interval }))
}

/// Deliveries that are still to come.
fn missing(options: &Api, lanes: &Lanes<Tally>) -> u64 {
    let due = lanes.sum(|tally| tally.accepted) * options.subscribers as u64;
    due.saturating_sub(lanes.sum(|tally| tally.delivered))
}

fn report(options: &Api, stage: &Stage, lanes: &Lanes<Tally>, measured: &Measured) -> Report {
    let (interval, publishes) = (&measured.interval, measured.latencies.count());
    let mut report = Report::new("api", &options.common.target.url);
    report.figure("connections", "connections", Value::Count(options.connections as u64));
    report.figure("in_flight", "in flight, each", Value::Count(options.in_flight as u64));
    report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
    report.figure("subscribers", "subscribers", Value::Count(options.subscribers as u64));
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("publishes", publishes, interval);
    if options.subscribers > 0 {
        report.rate("deliveries", measured.deliveries, interval);
    }
    report.figure("latency_us", "latency", Value::Latency(measured.latencies.quantiles()));
    report.cpu("publish", publishes, interval, lanes.count());
    report.figure("connections_opened", "connections opened", Value::Count(lanes.sum(|tally| tally.connections)));
    let (mut ended, mut errors) = (Complaints::default(), Complaints::default());
    lanes.each(|tally| {
        ended.add(&tally.ended);
        errors.add(&tally.errors);
    });
    report.complaints(&errors, "error answers");
    report.complaints(&ended, "connections ended");
    let unanswered = lanes.sum(|tally| tally.unanswered);
    if unanswered > 0 {
        report.problem(format!("{unanswered} publishes were never answered"));
    }
    let missing = missing(options, lanes);
    if missing > 0 {
        report.problem(format!("{missing} publications were acknowledged and not delivered"));
    }
    if publishes == 0 {
        report.problem("nothing was measured");
    }
    stage.finish(&mut report);
    report
}
