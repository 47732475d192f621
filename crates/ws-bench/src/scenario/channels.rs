//! `channels`: many channels with a few subscribers each, and one connection that publishes to them in turn. Measures
//! deliveries per second, latency, and the memory of channels and subscriptions.
//!
//! The next publication is sent when an earlier one has reached all subscribers of its channel. Memory is read when the
//! connections are open, when they are subscribed, after the publications, and when they are unsubscribed.

use std::sync::Arc;

use tokio::time::sleep;

use crate::cli::Channels;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::Latencies;
use crate::opening::{CONCURRENCY, open};
use crate::process::{Interval, Mark};
use crate::report::{Report, Value};
use crate::stage::{DUPLICATES_WAIT, Stage, Status};

use super::pace::Pace;
use super::stream::{self, Layout, Plan, Tally};

/// Resident memory of the server, in KiB, at four points of the run.
#[derive(Debug, Default)]
struct Memory {
    connected: Option<u64>,
    subscribed: Option<u64>,
    published: Option<u64>,
    unsubscribed: Option<u64>,
}

/// What the publications brought.
struct Published {
    latencies: Latencies,
    publications: u64,
    interval: Interval,
}

#[derive(Default)]
struct Measured {
    memory: Memory,
    subscribing: Interval,
    published: Option<Published>,
    unsubscribing: Option<Interval>,
}

pub(super) async fn run(options: Channels, mut stage: Stage) -> Result<Report, Failure> {
    let layout = layout(&options)?;
    let mut server = options.common.target.look_up()?;
    let connections = layout.connections() + 1;
    limits::make_room(connections, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let plan = Plan::new(layout, options.namespace.as_deref(), options.payload, options.publications);
    let plan = Arc::new(plan);
    open(&lanes, server, (connections, CONCURRENCY), &mut stage, stream::clients(&lanes, &plan)).await?;

    let mut measured = Measured::default();
    measured.memory.connected = memory(&mut stage).await?;
    measured.subscribing = stream::subscribe(&mut stage, &lanes, &plan).await?;
    measured.memory.subscribed = memory(&mut stage).await?;
    if options.publications != Some(0) {
        measured.published = Some(publish(&options, &mut stage, &lanes, &plan).await?);
        measured.memory.published = memory(&mut stage).await?;
    }
    if !stage.interrupted && stream::is_healthy(&lanes) {
        measured.unsubscribing = Some(stream::unsubscribe(&mut stage, &lanes, &plan).await?);
        measured.memory.unsubscribed = memory(&mut stage).await?;
    }
    Ok(report(&options, &stage, &lanes, &plan, &measured))
}

fn layout(options: &Channels) -> Result<Layout, Failure> {
    let [channels, subscribers, per_connection] =
        [options.channels, options.subscribers, options.per_connection].map(|number| number as u64);
    if per_connection > channels {
        return Err(Failure::PerConnection { per_connection, channels });
    }
    Ok(Layout { channels, subscribers, per_connection })
}

/// Reads the memory of the server after a rest.
async fn memory(stage: &mut Stage) -> Result<Option<u64>, Failure> {
    if stage.server.is_some() {
        let rest = stage.warmup;
        stage.run_for("resting", rest, "deliveries", || Status { count: 0, over: false }).await?;
    }
    Ok(stage.rss_kib())
}

async fn publish(
    options: &Channels,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    plan: &Plan,
) -> Result<Published, Failure> {
    plan.begin_publishing(Pace::InFlight(options.window as u64));
    let look = || stream::look(lanes, plan);
    let mut before = 0;
    let interval = if options.publications.is_some() {
        let (from, start_ns) = (Mark::now(stage.server.as_ref()), plan.clock.now_ns());
        stage.run_until_over("publishing", "deliveries", look).await?;
        let seconds = stream::seconds_to_last_read(lanes, start_ns);
        Interval { seconds, ..from.until(&Mark::now(stage.server.as_ref())) }
    } else {
        let begin = || {
            before = plan.board.published();
            lanes.each(|tally| tally.latencies.reset());
        };
        stage.measure("deliveries", begin, look).await?
    };
    let mut latencies = Latencies::new();
    lanes.each(|tally| latencies.add(&tally.latencies));
    let publications = plan.board.published() - before;
    plan.board.stop();
    stage.drain(|| stream::missing(lanes, plan)).await;
    sleep(DUPLICATES_WAIT).await;
    Ok(Published { latencies, publications, interval })
}

fn report(options: &Channels, stage: &Stage, lanes: &Lanes<Tally>, plan: &Plan, measured: &Measured) -> Report {
    let (layout, subscriptions) = (&plan.layout, plan.layout.subscriptions());
    let mut report = Report::new("channels", &options.common.target.url);
    report.figure("channels", "channels", Value::Count(layout.channels));
    report.figure("subscribers", "subscribers of each", Value::Count(layout.subscribers));
    report.figure("connections", "connections", Value::Count(layout.connections() as u64));
    asked(&mut report, "subscribe", subscriptions, Some(&measured.subscribing));
    asked(&mut report, "unsubscribe", subscriptions, measured.unsubscribing.as_ref());
    memory_figures(&mut report, &measured.memory, layout);
    if let Some(Published { latencies, publications, interval }) = &measured.published {
        report.figure("window", "publications in flight", Value::Count(options.window as u64));
        report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
        report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
        report.rate("publications", *publications, interval);
        report.rate("deliveries", latencies.count(), interval);
        report.figure("latency_us", "latency", Value::Latency(latencies.quantiles()));
        report.cpu("delivery", latencies.count(), interval, lanes.count());
        if latencies.count() == 0 {
            report.problem("nothing was delivered");
        }
    }
    stream::judge(&mut report, lanes, plan);
    stage.finish(&mut report);
    report
}

/// What a request of every subscription took.
fn asked(report: &mut Report, action: &str, count: u64, interval: Option<&Interval>) {
    let Some(interval) = interval else { return };
    let per_second = count as f64 / interval.seconds.max(f64::MIN_POSITIVE);
    report.figure(format!("{action}_requests_per_s"), format!("{action} requests"), Value::PerSecond(per_second));
    if let Some(us) = interval.server_cpu_us {
        let value = Value::Micros(us / count as f64);
        report.figure(format!("server_cpu_us_per_{action}"), format!("server CPU per {action}"), value);
    }
}

fn memory_figures(report: &mut Report, memory: &Memory, layout: &Layout) {
    let Some(connected) = memory.connected else { return };
    let readings = [
        ("connected", "server RSS, connected", Some(connected)),
        ("subscribed", "server RSS, subscribed", memory.subscribed),
        ("published", "server RSS, after publishing", memory.published),
        ("unsubscribed", "server RSS, unsubscribed", memory.unsubscribed),
    ];
    for (key, label, rss) in readings {
        if let Some(rss) = rss {
            report.figure(format!("server_rss_kib_{key}"), label, Value::Kib(rss as f64));
        }
    }
    for (suffix, when, rss) in [("", "", memory.subscribed), ("_published", ", after publishing", memory.published)] {
        let Some(rss) = rss else { continue };
        let bytes = (rss as f64 - connected as f64) * 1024.0;
        for (unit, count) in [("channel", layout.channels), ("subscription", layout.subscriptions())] {
            let (key, label) = (format!("server_bytes_per_{unit}{suffix}"), format!("server RSS per {unit}{when}"));
            report.figure(key, label, Value::Bytes(bytes / count as f64));
        }
    }
}
