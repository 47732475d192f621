//! `runs`: runs of Claude that stream at a fixed rate, each to a few subscribers. Measures the time from the provider's
//! byte to the subscriber's frame, and what a fragment costs the server.
//!
//! The provider is in this process: the server has to be started with `claude.base_url` set to the address of
//! `--upstream`. Each token is the time at which it was written; the server joins tokens that come close together, so a
//! fragment has one or more of them.

mod plan;
mod subscriber;
mod tally;
mod upstream;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::cli::Runs;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Complaints, Latencies};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::stage::{Stage, Status};

use plan::Plan;
use subscriber::Subscriber;
use tally::Tally;

/// What the measured interval brought.
struct Measured {
    latencies: Latencies,
    fragments: u64,
    tokens: u64,
    interval: Interval,
    /// Resident memory of the server before the first run and at the end of the last, in KiB.
    rss_kib: [Option<u64>; 2],
}

pub(super) async fn run(options: Runs, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    let subscribers = options.runs * options.subscribers;
    limits::make_room(subscribers + options.runs, &mut server)?;
    let listener = TcpListener::bind(options.upstream)
        .await
        .map_err(|error| Failure::Upstream { address: options.upstream, error })?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let plan = Arc::new(Plan::new(options.runs, options.subscribers, options.tokens_per_second));
    let upstream = upstream::Upstream { listener, plan: plan.clone() };
    let runtimes = (0..lanes.count()).map(|lane| lanes.runtime(lane).clone()).collect();
    let upstream = tokio::spawn(upstream.run(runtimes));
    for (index, socket) in open_all(&lanes, server, subscribers, &mut stage).await? {
        let subscriber = Subscriber::new(socket, lanes.shared(index).clone(), plan.clone(), index);
        lanes.runtime(index).spawn(subscriber.run());
    }
    let wanted = subscribers as u64;
    stage.run_until_over("subscribing", "subscriptions", || progress(&lanes, |tally| tally.subscribed, wanted)).await?;
    check(&lanes, "subscribe", |tally| tally.subscribed, wanted)?;
    let before = stage.rss_kib();
    plan.ask.add_permits(options.runs);
    let runs = options.runs as u64;
    stage.run_until_over("asking", "runs", || progress(&lanes, |tally| tally.asked, runs)).await?;
    check(&lanes, "ask_claude", |tally| tally.asked, runs)?;

    let measured = measure(&mut stage, &lanes, &plan, before).await?;
    plan.stop();
    stage.drain(|| wanted - lanes.sum(|tally| tally.finished).min(wanted)).await;
    upstream.abort();
    Ok(report(&options, &stage, &lanes, &plan, &measured))
}

fn progress(lanes: &Lanes<Tally>, count: impl Fn(&Tally) -> u64, wanted: u64) -> Status {
    let count = lanes.sum(count);
    Status { count, over: count >= wanted || lanes.sum(|tally| tally.errors.count + tally.ended.count) > 0 }
}

fn check(
    lanes: &Lanes<Tally>,
    action: &'static str,
    count: impl Fn(&Tally) -> u64,
    wanted: u64,
) -> Result<(), Failure> {
    let done = lanes.sum(count);
    if done >= wanted {
        return Ok(());
    }
    let mut complaints = Complaints::default();
    lanes.each(|tally| complaints.add(&tally.errors));
    lanes.each(|tally| complaints.add(&tally.ended));
    let why = complaints.first.unwrap_or_else(|| "no responses".to_owned());
    Err(Failure::Unfinished { action, done, wanted, why })
}

async fn measure(
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    plan: &Plan,
    before: Option<u64>,
) -> Result<Measured, Failure> {
    let mut written = 0;
    let begin = || {
        written = plan.written();
        lanes.each(Tally::begin);
    };
    let look = || Status { count: lanes.sum(|tally| tally.fragments), over: false };
    let interval = stage.measure("fragments", begin, look).await?;
    let (mut latencies, mut fragments) = (Latencies::new(), 0);
    lanes.each(|tally| {
        latencies.add(&tally.latencies);
        fragments += tally.fragments;
    });
    let rss_kib = [before, stage.rss_kib()];
    Ok(Measured { latencies, fragments, tokens: plan.written() - written, interval, rss_kib })
}

fn report(options: &Runs, stage: &Stage, lanes: &Lanes<Tally>, plan: &Plan, measured: &Measured) -> Report {
    let interval = &measured.interval;
    let mut report = Report::new("runs", &options.common.target.url);
    report.figure("runs", "runs", Value::Count(options.runs as u64));
    report.figure("subscribers", "subscribers of each", Value::Count(options.subscribers as u64));
    report.figure("rate_per_s", "tokens of each", Value::PerSecond(options.tokens_per_second));
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("tokens", measured.tokens, interval);
    report.rate("fragments", measured.fragments, interval);
    report.figure("latency_us", "byte to frame", Value::Latency(measured.latencies.quantiles()));
    report.cpu("fragment", measured.fragments, interval, lanes.count());
    for (key, label, rss) in [
        ("server_rss_kib_before", "server RSS, before the runs", measured.rss_kib[0]),
        ("server_rss_kib_streaming", "server RSS, streaming", measured.rss_kib[1]),
    ] {
        if let Some(rss) = rss {
            report.figure(key, label, Value::Kib(rss as f64));
        }
    }
    let mut complaints: [Complaints; 3] = Default::default();
    lanes.each(|tally| {
        let those = [&tally.errors, &tally.holes, &tally.ended];
        complaints.iter_mut().zip(those).for_each(|(all, one)| all.add(one));
    });
    for (complaints, kind) in complaints.iter().zip(["error answers", "streams with holes", "connections ended"]) {
        report.complaints(complaints, kind);
    }
    let (finished, wanted) = (lanes.sum(|tally| tally.finished), (options.runs * options.subscribers) as u64);
    if finished < wanted {
        report.problem(format!("{} of {wanted} subscribers have not seen the end of their run", wanted - finished));
    }
    let (read, due) = (lanes.sum(|tally| tally.tokens), plan.written() * options.subscribers as u64);
    if read != due {
        report.problem(format!("{read} tokens were delivered, and {due} are due"));
    }
    stage.finish(&mut report);
    report
}
