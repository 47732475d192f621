//! `publish`: every publisher keeps a fixed number of publishes in flight, and sends the next one when a response
//! arrives. Measures how many are acknowledged per second, the latency and the level, and checks that the offsets of
//! every channel match the acknowledgements.
//!
//! This is a closed loop, like `echo`. If the server commits in groups, a group is at most all publishes in flight, so
//! the number of publishers changes the size of groups.
//!
//! Publisher `p` of `n` is in channel `p % channels`; its `k`-th publish has the number `k * n + p`. Each
//! row uses new channels.

use std::collections::BTreeMap;
use std::sync::Arc;

use ws_proto::action::Ack;

use crate::channel::Names;
use crate::cli::Publish;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Complaints, Latencies};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Column, Report, Value};
use crate::request::run_mark;
use crate::stage::{Stage, Status};

use offsets::Offsets;
use plan::Plan;
use publisher::Publisher;
use tally::Tally;

mod answer;
mod offsets;
mod plan;
mod publisher;
mod tally;

/// The columns of a sweep.
const COLUMNS: &[Column] = &[
    ("publishers", "publishers"),
    ("publishes_per_s", "publishes"),
    ("latency_us", ""),
    ("ack", "ack"),
    ("errors", "errors"),
    ("server_cpu_us_per_publish", "CPU/publish"),
    ("server_cpu_cores", "server CPU"),
    ("server_rss_kib_after", "RSS"),
];

/// What the measured interval brought.
struct Measured {
    latencies: Latencies,
    acks: [u64; Ack::ALL.len()],
    interval: Interval,
    rss_before_kib: Option<u64>,
    rss_after_kib: Option<u64>,
}

pub(super) async fn run(options: Publish, mut stage: Stage) -> Result<Report, Failure> {
    let names = Names::new(options.namespace.as_deref(), &run_mark());
    let mut report = match options.sweep.as_slice() {
        [] => row(&options, &mut stage, &names, 0, options.publishers).await?,
        counts => sweep(&options, &mut stage, &names, counts).await?,
    };
    stage.finish(&mut report);
    Ok(report)
}

/// One row for each number of publishers. If one fails, those before it still count.
async fn sweep(options: &Publish, stage: &mut Stage, names: &Names, counts: &[usize]) -> Result<Report, Failure> {
    let mut report = Report::new("publish", &options.common.target.url);
    settings(&mut report, options, options.channels as u64);
    let mut rows = Vec::new();
    for (number, count) in (0..).zip(counts) {
        let name = format!("{count} publishers");
        match row(options, stage, names, number, *count).await {
            Ok(row) => rows.push((name, row)),
            Err(failure) if rows.is_empty() => return Err(failure),
            Err(Failure::Interrupted) => {}
            Err(failure) => {
                report.problem(format!("{name}: {failure}"));
                break;
            }
        }
        if stage.interrupted {
            break;
        }
    }
    report.rows(COLUMNS, rows);
    Ok(report)
}

/// Connects, warms up, measures and closes the connections.
async fn row(
    options: &Publish,
    stage: &mut Stage,
    names: &Names,
    row: u64,
    publishers: usize,
) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(publishers, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let sockets = open_all(&lanes, server, publishers, stage).await?;

    let rss_before_kib = stage.rss_kib();
    let plan = Arc::new(Plan::new(options, names, row, publishers));
    for (index, socket) in sockets {
        let publisher = Publisher::new(socket, lanes.shared(index).clone(), plan.clone(), index as u64);
        lanes.runtime(index).spawn(publisher.run());
    }
    let look =
        || Status { count: lanes.sum(|tally| tally.latencies.count()), over: lanes.sum(|tally| tally.open) == 0 };
    let interval = stage.measure("publishes", || lanes.each(Tally::begin), look).await?;
    let (latencies, acks) = take(&lanes);
    stage.drain(|| lanes.sum(|tally| tally.unanswered)).await;
    let measured = Measured { latencies, acks, interval, rss_before_kib, rss_after_kib: stage.rss_kib() };
    Ok(report(options, &lanes, &plan, names, &measured))
}

/// Stops publishing, and returns what was measured so far.
fn take(lanes: &Lanes<Tally>) -> (Latencies, [u64; Ack::ALL.len()]) {
    let (mut latencies, mut acks) = (Latencies::new(), [0; Ack::ALL.len()]);
    lanes.each(|tally| {
        tally.stopping = true;
        latencies.add(&tally.latencies);
        acks.iter_mut().zip(tally.acks).for_each(|(all, these)| *all += these);
    });
    (latencies, acks)
}

fn settings(report: &mut Report, options: &Publish, channels: u64) {
    report.figure("in_flight", "in flight, each", Value::Count(options.in_flight as u64));
    report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
    report.figure("channels", "channels", Value::Count(channels));
    report.figure("msg_ids", "msg_ids", Value::Flag(options.msg_ids));
}

fn report(options: &Publish, lanes: &Lanes<Tally>, plan: &Plan, names: &Names, measured: &Measured) -> Report {
    let (interval, publishes) = (&measured.interval, measured.latencies.count());
    let mut report = Report::new("publish", &options.common.target.url);
    report.figure("publishers", "publishers", Value::Count(plan.publishers));
    settings(&mut report, options, plan.channels);
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("publishes", publishes, interval);
    report.figure("latency_us", "latency", Value::Latency(measured.latencies.quantiles()));
    acks(&mut report, &measured.acks);
    report.cpu("publish", publishes, interval, lanes.count());
    for (key, label, kib) in [
        ("server_rss_kib_before", "server RSS before publishing", measured.rss_before_kib),
        ("server_rss_kib_after", "server RSS after publishing", measured.rss_after_kib),
    ] {
        if let Some(kib) = kib {
            report.figure(key, label, Value::Kib(kib as f64));
        }
    }
    judge(&mut report, lanes, names);
    if publishes == 0 {
        report.problem("nothing was measured");
    }
    report
}

/// The level of all acknowledgements; if they differ, how many had which.
fn acks(report: &mut Report, acks: &[u64; Ack::ALL.len()]) {
    let given = || Ack::ALL.into_iter().zip(acks).filter(|(_, count)| **count > 0);
    let mut levels = given().map(|(ack, _)| ack.as_str());
    match (levels.next(), levels.next()) {
        (None, _) => {}
        (Some(level), None) => report.figure("ack", "ack", Value::Word(level)),
        (Some(_), Some(_)) => {
            report.figure("ack", "ack", Value::Word("mixed"));
            for (ack, count) in given() {
                let name = ack.as_str();
                report.figure(format!("acks_{name}"), format!("  {name}"), Value::Count(*count));
            }
        }
    }
}

/// Errors, wrong answers and offsets, over the whole row, warm-up included.
fn judge(report: &mut Report, lanes: &Lanes<Tally>, names: &Names) {
    let mut complaints: [Complaints; 3] = Default::default();
    lanes.each(|tally| {
        let those = [&tally.errors, &tally.wrong, &tally.ended];
        complaints.iter_mut().zip(those).for_each(|(all, one)| all.add(one));
    });
    report.figure("errors", "error answers", Value::Count(complaints[0].count));
    for (complaints, kind) in complaints.iter().zip(["error answers", "wrong answers", "connections ended"]) {
        report.complaints(complaints, kind);
    }
    let unanswered = lanes.sum(|tally| tally.unanswered);
    if unanswered > 0 {
        report.problem(format!("{unanswered} publishes were never answered"));
    }
    // What was not acknowledged may have taken an offset or not: then nothing follows.
    if report.ok() {
        judge_offsets(report, lanes, names);
    }
}

/// Checks that the offsets of each channel are those that were acknowledged, and no others.
fn judge_offsets(report: &mut Report, lanes: &Lanes<Tally>, names: &Names) {
    let (mut channels, mut without_offset) = (BTreeMap::<u64, Offsets>::new(), 0);
    lanes.each(|tally| {
        for track in &tally.tracks {
            channels.entry(track.channel).or_default().merge(&track.offsets);
            without_offset += track.without_offset;
        }
    });
    let mut faults = Complaints::default();
    for (channel, offsets) in &channels {
        offsets.fault().into_iter().for_each(|fault| faults.note(format!("{}: {fault}", names.name(*channel))));
    }
    report.complaints(&faults, "channels with wrong offsets");
    match (without_offset, channels.values().all(Offsets::is_empty)) {
        (0, _) => {}
        (_, true) => report.note("the namespace has no history: there were no offsets to check"),
        (count, false) => report.problem(format!("{count} acknowledgements have no offset, and others have one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Scenario};
    use clap::Parser;

    #[track_caller]
    fn check(counts: [u64; 3], expect: &str) {
        let mut report = Report::new("publish", "u");
        acks(&mut report, &counts);
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        let mut figures = json.as_object().expect("object").clone();
        figures.retain(|key, _| key.starts_with("ack"));
        assert_eq!(serde_json::Value::Object(figures).to_string(), expect);
    }

    #[test]
    fn levels_are_counted_where_they_differ() {
        check([0, 0, 0], "{}");
        check([0, 7, 0], r#"{"ack":"durable"}"#);
        check([2, 0, 7], r#"{"ack":"mixed","acks_memory":2,"acks_replicated":7}"#);
    }

    #[test]
    fn publishers_are_dealt_to_channels_and_no_number_comes_twice() {
        let options = |line: &str| match Cli::try_parse_from(line.split(' ')).expect("options").scenario {
            Scenario::Publish(publish) => publish,
            other => panic!("{other:?}"),
        };
        let (options, names) = (options("ws-bench publish --channels 3 --in-flight 2"), Names::new(None, "cafe0000"));
        let plan = Plan::new(&options, &names, 2, 4);
        assert_eq!([0, 1, 2, 3].map(|publisher| plan.channel(publisher)), [6, 7, 8, 6]);
        let numbers = (0..5).flat_map(|nth| [0, 1, 2, 3].map(|publisher| plan.number(publisher, nth)));
        assert!(numbers.eq(0..20));
        assert_eq!((Plan::new(&options, &names, 0, 2).channels, plan.channels), (2, 3));
    }
}
