//! `slow`: subscribers that never read, beside others that do. There are four turns at the same fixed rate: without slow
//! ones, with them, and both again. The others must not be affected, and the memory of the server must not grow.
//!
//! The slow ones have a small receive buffer, so that they block after a few publications. They are not part of what is
//! measured and checked.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;
use ws_proto::ServerMessage;

use crate::cli::Slow;
use crate::failure::Failure;
use crate::lanes::{Lanes, Shared};
use crate::limits;
use crate::measure::Latencies;
use crate::message;
use crate::opening::{CONCURRENCY, open};
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::request::Template;
use crate::socket::{Ended, Socket};
use crate::stage::{DUPLICATES_WAIT, Stage};

use super::pace::{self, Pace};
use super::stream::{self, Layout, Plan, Tally};

const TURNS: usize = 4;
/// The kernel doubles it. A few publications fill it.
const RECEIVE_BYTES: u32 = 4096;
/// Largest send buffer of a socket by default on Linux (the last number of `net.ipv4.tcp_wmem`).
const SEND_BUFFER_BYTES: f64 = 4_194_304.0;
/// A server with default settings closes connections that take nothing for this long.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A part of the run with or without slow connections.
struct Turn {
    with_slow: bool,
    latencies: Latencies,
    interval: Interval,
    rss_max_kib: Option<u64>,
}

/// What the slow connections of one turn share.
#[derive(Debug)]
struct SlowOnes {
    request: Vec<u8>,
    subscribed: AtomicU64,
    /// Closed at the end of the turn.
    release: Semaphore,
}

pub(super) async fn run(options: Slow, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    let connections = options.subscribers + 1;
    limits::make_room(connections + options.slow, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let layout = Layout { channels: 1, subscribers: options.subscribers as u64, per_connection: 1 };
    let plan = Arc::new(Plan::new(layout, options.namespace.as_deref(), options.bytes, None));
    open(&lanes, server, (connections, CONCURRENCY), &mut stage, stream::clients(&lanes, &plan)).await?;
    stream::subscribe(&mut stage, &lanes, &plan).await?;

    let start_kib = stage.rss_kib();
    let (ns, start_ns) = (1e9 / options.rate, plan.clock.now_ns() + 10_000_000);
    plan.begin_publishing(Pace::Every { ns, start_ns });
    let pacemaker = pace::pacemaker(plan.board.clone(), plan.clock, ns, start_ns)?;
    let turns = turns(&options, &mut stage, &lanes, &plan).await;
    plan.board.stop();
    let _ = pacemaker.join();
    let turns = turns?;
    stage.drain(|| stream::missing(&lanes, &plan)).await;
    sleep(DUPLICATES_WAIT).await;
    Ok(report(&options, &stage, &lanes, &plan, &turns, start_kib))
}

async fn turns(
    options: &Slow,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    plan: &Arc<Plan>,
) -> Result<Vec<Turn>, Failure> {
    let mut turns = Vec::new();
    while turns.len() < TURNS && !stage.interrupted && !plan.board.is_stopping() {
        let with_slow = turns.len() % 2 == 1;
        let slow_ones = if with_slow { Some(join(options, stage, lanes, plan).await?) } else { None };
        let turn = turn(with_slow, stage, lanes, plan).await;
        if let Some(slow_ones) = slow_ones {
            slow_ones.release.close();
            let (subscribed, wanted) = (slow_ones.subscribed.load(Relaxed), options.slow as u64);
            if subscribed < wanted && turn.is_ok() {
                let why = "the other slow connections got no answer".to_owned();
                return Err(Failure::Unfinished { action: "subscribe", done: subscribed, wanted, why });
            }
        }
        turns.push(turn?);
    }
    Ok(turns)
}

async fn turn(with_slow: bool, stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Turn, Failure> {
    let (mut latencies, mut rss_max_kib) = (Latencies::new(), None);
    let server = stage.server.clone();
    let look = || {
        rss_max_kib = rss_max_kib.max(server.as_ref().and_then(|server| server.rss_kib().ok()));
        stream::look(lanes, plan)
    };
    let begin = || lanes.each(|tally| tally.latencies.reset());
    // Whatever comes before it, no turn counts what was another's.
    begin();
    let interval = stage.measure("deliveries", begin, look).await?;
    lanes.each(|tally| latencies.add(&tally.latencies));
    Ok(Turn { with_slow, latencies, interval, rss_max_kib })
}

/// Opens the slow connections of a turn.
async fn join(options: &Slow, stage: &mut Stage, lanes: &Lanes<Tally>, plan: &Plan) -> Result<Arc<SlowOnes>, Failure> {
    let mut server = options.common.target.look_up()?;
    server.receive_bytes = Some(RECEIVE_BYTES);
    let mut request = Vec::new();
    Template::subscribe(&plan.names).write_to(&mut request, 0, 0);
    let slow_ones = Arc::new(SlowOnes { request, subscribed: AtomicU64::new(0), release: Semaphore::new(0) });
    let shared: Vec<_> = (0..lanes.count()).map(|lane| lanes.shared(lane).clone()).collect();
    let all = slow_ones.clone();
    let accept = move |index: usize, socket| {
        let (shared, slow_ones) = (shared[index % shared.len()].clone(), all.clone());
        tokio::spawn(async move { drop(stay(socket, shared, &slow_ones).await) });
    };
    open(lanes, server, (options.slow, CONCURRENCY), stage, accept).await?;
    Ok(slow_ones)
}

/// Subscribes, and then reads nothing until the end of the turn.
async fn stay(mut socket: Socket, shared: Shared<Tally>, slow_ones: &SlowOnes) -> Result<(), Ended> {
    socket.send(&slow_ones.request)?;
    let mut subscribed = false;
    while !subscribed {
        subscribed = poll_fn(|cx| {
            let shared = &mut *shared.lock();
            let bytes = std::task::ready!(socket.poll_read(cx, &mut shared.buffer))?;
            let mut answered = false;
            socket.texts(&shared.buffer[..bytes], |text| {
                answered |= matches!(message::decode(text), Some(ServerMessage::Response { .. }));
            })?;
            std::task::Poll::Ready(Ok::<_, Ended>(answered))
        })
        .await?;
    }
    slow_ones.subscribed.fetch_add(1, Relaxed);
    let _ = slow_ones.release.acquire().await;
    Ok(())
}

fn report(
    options: &Slow,
    stage: &Stage,
    lanes: &Lanes<Tally>,
    plan: &Plan,
    turns: &[Turn],
    start_kib: Option<u64>,
) -> Report {
    let mut report = Report::new("slow", &options.common.target.url);
    report.figure("subscribers", "subscribers that read", Value::Count(options.subscribers as u64));
    report.figure("slow", "subscribers that never read", Value::Count(options.slow as u64));
    report.figure("payload_bytes", "payload bytes", Value::Count(options.bytes as u64));
    report.figure("rate_per_s", "publications due", Value::PerSecond(options.rate));
    latencies(&mut report, turns);
    memory(&mut report, turns, start_kib);
    cpu(&mut report, turns, lanes.count());
    let faults = stream::judge(&mut report, lanes, plan);
    if faults.gaps > 0 {
        report.problem(format!("subscribers that read received {} gap events", faults.gaps));
    }
    if turns.iter().all(|turn| turn.latencies.count() == 0) {
        report.problem("nothing was delivered");
    }
    note_length(&mut report, options, stage.warmup + stage.duration);
    stage.finish(&mut report);
    report
}

/// Adds a note if a turn is too short or too long to be meaningful.
fn note_length(report: &mut Report, options: &Slow, turn: Duration) {
    let filling = SEND_BUFFER_BYTES / (options.bytes as f64 * options.rate);
    if filling > turn.as_secs_f64() / 2.0 {
        report.note(format!(
            "a slow connection has no effect until the send buffer of the system is full, here for up to {filling:.1} s of \
             each turn: use a longer --duration, a higher --rate or more --bytes"
        ));
    }
    if turn >= WRITE_TIMEOUT {
        report.note(
            "by default the server closes a connection that takes nothing for 30 s: longer turns \
             end without slow ones (limits.write_timeout)",
        );
    }
}

const KINDS: [(bool, &str, &str); 2] = [(false, "without", "without slow ones"), (true, "with", "with slow ones")];

/// Adds CPU time over all turns, and of the server by kind of turn.
fn cpu(report: &mut Report, turns: &[Turn], threads: usize) {
    let sum = |turns: &[&Turn]| Interval {
        seconds: turns.iter().map(|turn| turn.interval.seconds).sum(),
        server_cpu_us: turns.iter().map(|turn| turn.interval.server_cpu_us).sum(),
        client_cpu_us: turns.iter().map(|turn| turn.interval.client_cpu_us).sum(),
    };
    let all = sum(&turns.iter().collect::<Vec<_>>());
    report.cpu("delivery", turns.iter().map(|turn| turn.latencies.count()).sum(), &all, threads);
    for (with_slow, key, name) in KINDS {
        let those = sum(&turns.iter().filter(|turn| turn.with_slow == with_slow).collect::<Vec<_>>());
        if let (Some(us), true) = (those.server_cpu_us, those.seconds > 0.0) {
            let cores = Value::Cores(us / those.seconds / 1e6);
            report.figure(format!("server_cpu_cores_{key}_slow"), format!("server CPU {name}"), cores);
        }
    }
}

fn latencies(report: &mut Report, turns: &[Turn]) {
    for (with_slow, key, name) in KINDS {
        let mut both = Latencies::new();
        turns.iter().filter(|turn| turn.with_slow == with_slow).for_each(|turn| both.add(&turn.latencies));
        report.figure(format!("deliveries_{key}_slow"), format!("deliveries {name}"), Value::Count(both.count()));
        report.figure(format!("latency_us_{key}_slow"), format!("latency {name}"), Value::Latency(both.quantiles()));
    }
    for (turn, number) in turns.iter().zip(1..) {
        let kind = if turn.with_slow { "with" } else { "without" };
        let value = Value::Latency(turn.latencies.quantiles());
        report.figure(format!("latency_us_turn_{number}_{kind}_slow"), format!("  turn {number}, {kind}"), value);
    }
}

fn memory(report: &mut Report, turns: &[Turn], start_kib: Option<u64>) {
    let Some(start_kib) = start_kib else { return };
    report.figure("server_rss_kib_start", "server RSS before publishing", Value::Kib(start_kib as f64));
    let max = turns.iter().filter_map(|turn| turn.rss_max_kib).max().unwrap_or(start_kib);
    let growth = Value::Kib(max as f64 - start_kib as f64);
    report.figure("server_rss_kib_growth", "server RSS, highest above that", growth);
    for (turn, number) in turns.iter().zip(1..) {
        if let Some(kib) = turn.rss_max_kib {
            let kind = if turn.with_slow { "with" } else { "without" };
            let key = format!("server_rss_kib_growth_turn_{number}_{kind}_slow");
            report.figure(key, format!("  turn {number}, {kind}"), Value::Kib(kib as f64 - start_kib as f64));
        }
    }
}
