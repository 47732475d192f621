//! `attack`: well-behaved clients, in turns alone and together with attackers. Their latency must not grow much, and no
//! response may be lost.
//!
//! The attackers have their own thread in this process. If the server shares the cores with this process, the CPU time of
//! the attackers is missing elsewhere: that of both sides is reported.

mod attackers;
mod good;
mod newcomers;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use self::attackers::{Attack, Kind};
use self::good::{Plan, Tally};
use self::newcomers::Newcomers;
use crate::cli;
use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::request::Template;
use crate::stage::{Stage, Status};
use crate::target::{Server, Target};

/// Number of turns of each kind, alternating.
const PAIRS: usize = 3;
/// Addresses of loopback: 127.0.0.x. Where limits count per address, nobody shares one with the attackers.
const ATTACKERS: (u8, u8) = (1, 8);
const ONE_HOST: (u8, u8) = (9, 9);
const GOOD: (u8, u8) = (101, 200);
/// Good clients start spread over this time.
const BEGIN_WITHIN: Duration = Duration::from_millis(20);

/// A part of the run with or without attackers.
struct Turn {
    attack: Option<Arc<Attack>>,
    newcomers: Option<Arc<Newcomers>>,
    latencies: Latencies,
    interval: Interval,
    rss_max_kib: Option<u64>,
}

pub(super) async fn run(options: cli::Attack, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    let attackers = options.half_open + options.slow_drip + options.malformed;
    // A socket that was closed holds its number for a moment.
    // A server that gives each address a share leaves the one host few at once, so its sockets are not counted here.
    limits::make_room(options.clients + options.newcomers + attackers + attackers / 4, &mut server)?;
    server.spread_over(GOOD.0, GOOD.1);
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let others = Lanes::start(Some(1), || ())?;
    let sockets = open_all(&lanes, server, options.clients, &mut stage).await?;

    let every_ns = (options.clients as f64 / options.rate * 1e9) as u64;
    let request = Template::echo(&"x".repeat(options.payload));
    let plan = Arc::new(Plan { clock: Clock::start(), request, every_ns });
    let start_ns = plan.clock.now_ns() + BEGIN_WITHIN.as_nanos() as u64;
    for (index, socket) in sockets {
        let shared = lanes.shared(index).clone();
        shared.lock().state.open += 1;
        let due_ns = start_ns + every_ns * index as u64 / options.clients as u64;
        lanes.runtime(index).spawn(good::run(socket, shared, plan.clone(), due_ns));
    }
    let start_kib = stage.rss_kib();
    let turns = turns(&options, &mut stage, &lanes, &others).await?;
    lanes.each(|tally| tally.stopping = true);
    stage.drain(|| lanes.sum(|tally| tally.unanswered)).await;
    Ok(report(&options, &stage, &lanes, &turns, start_kib))
}

async fn turns(
    options: &cli::Attack,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
    others: &Lanes<()>,
) -> Result<Vec<Turn>, Failure> {
    let mut turns = Vec::new();
    while turns.len() < 2 * PAIRS && !stage.interrupted {
        let attack = match turns.len() % 2 {
            0 => None,
            _ => Some(begin(options, others)?),
        };
        let newcomers = match &attack {
            None => None,
            Some(_) => Some(newcomers::begin(from(&options.common.target, GOOD)?, options.newcomers, others)),
        };
        let turn = turn(attack.clone(), newcomers.clone(), stage, lanes).await;
        attack.iter().for_each(|attack| attack.over.close());
        newcomers.iter().for_each(|newcomers| newcomers.over.close());
        turns.push(turn?);
    }
    Ok(turns)
}

/// The target, to be reached from these addresses.
fn from(target: &Target, (first, last): (u8, u8)) -> Result<Server, Failure> {
    let mut server = target.look_up()?;
    server.spread_over(first, last);
    Ok(server)
}

fn begin(options: &cli::Attack, others: &Lanes<()>) -> Result<Arc<Attack>, Failure> {
    let (pause, host_pause) = (options.malformed_pause, options.one_host_pause);
    let target = options.attack_url.as_ref().unwrap_or(&options.common.target);
    let attack = Arc::new(Attack::new(from(target, ATTACKERS)?, from(target, ONE_HOST)?, pause, host_pause));
    let kinds = [
        (Kind::HalfOpen, options.half_open),
        (Kind::SlowDrip, options.slow_drip),
        (Kind::Malformed, options.malformed),
        (Kind::OneHost, options.one_host),
    ];
    for (kind, count) in kinds {
        for index in 0..count {
            others.runtime(index).spawn(attack.clone().run(kind, index, others.shared(index).clone()));
        }
    }
    Ok(attack)
}

async fn turn(
    attack: Option<Arc<Attack>>,
    newcomers: Option<Arc<Newcomers>>,
    stage: &mut Stage,
    lanes: &Lanes<Tally>,
) -> Result<Turn, Failure> {
    let (mut latencies, mut rss_max_kib) = (Latencies::new(), None);
    let server = stage.server.clone();
    let look = || {
        rss_max_kib = rss_max_kib.max(server.as_ref().and_then(|server| server.rss_kib().ok()));
        Status { count: lanes.sum(|tally| tally.latencies.count()), over: lanes.sum(|tally| tally.open) == 0 }
    };
    let begin = || lanes.each(|tally| tally.latencies.reset());
    // Whatever comes before it, no turn counts what was another's.
    begin();
    let interval = stage.measure("requests", begin, look).await?;
    lanes.each(|tally| latencies.add(&tally.latencies));
    Ok(Turn { attack, newcomers, latencies, interval, rss_max_kib })
}

fn report(
    options: &cli::Attack,
    stage: &Stage,
    lanes: &Lanes<Tally>,
    turns: &[Turn],
    start_kib: Option<u64>,
) -> Report {
    let mut report = Report::new("attack", &options.common.target.url);
    for (key, label, count) in [
        ("clients", "good clients", options.clients),
        ("half_open", "sockets that say nothing", options.half_open),
        ("slow_drip", "handshakes byte by byte", options.slow_drip),
        ("malformed", "flooders", options.malformed),
        ("one_host", "sockets that one host wants", options.one_host),
        ("newcomers", "newcomers per second", options.newcomers),
    ] {
        report.figure(key, label, Value::Count(count as u64));
    }
    report.figure("rate_per_s", "requests of the good ones, due", Value::PerSecond(options.rate));
    latencies(&mut report, turns);
    attacks(&mut report, turns);
    resources(&mut report, turns, start_kib);
    newcomers::report(&mut report, turns.iter().filter_map(|turn| turn.newcomers.as_deref()));
    judge(&mut report, lanes);
    stage.finish(&mut report);
    report
}

fn latencies(report: &mut Report, turns: &[Turn]) {
    let mut p99 = [0.0; 2];
    for (attacked, key, name) in [(false, "calm", "calm"), (true, "attacked", "under attack")] {
        let mut all = Latencies::new();
        turns.iter().filter(|turn| turn.attack.is_some() == attacked).for_each(|turn| all.add(&turn.latencies));
        report.figure(format!("requests_{key}"), format!("requests, {name}"), Value::Count(all.count()));
        report.figure(format!("latency_us_{key}"), format!("latency, {name}"), Value::Latency(all.quantiles()));
        p99[usize::from(attacked)] = all.quantiles().p99;
    }
    for (turn, number) in turns.iter().zip(1..) {
        let kind = if turn.attack.is_some() { "attacked" } else { "calm" };
        let value = Value::Latency(turn.latencies.quantiles());
        report.figure(format!("latency_us_turn_{number}_{kind}"), format!("  turn {number}, {kind}"), value);
    }
    if p99[0] > 0.0 {
        report.figure("p99_ratio", "p99 under attack to p99 calm", Value::Ratio(p99[1] / p99[0]));
    }
}

/// What the attackers achieved per second of the turns with attackers, including the warm-up.
fn attacks(report: &mut Report, turns: &[Turn]) {
    let attacks: Vec<_> = turns.iter().filter_map(|turn| turn.attack.as_ref()).collect();
    let sum = |count: fn(&Attack) -> u64| Value::Count(attacks.iter().map(|attack| count(attack)).sum());
    report.figure("half_open_sockets", "sockets that said nothing", sum(|attack| attack.half_open.load(Relaxed)));
    report.figure("slow_handshakes", "handshakes begun byte by byte", sum(|attack| attack.drips.load(Relaxed)));
    report.figure("floods", "floods", sum(|attack| attack.floods.load(Relaxed)));
    report.figure("flood_frames", "frames in them", sum(|attack| attack.frames.load(Relaxed)));
    report.figure("floods_closed", "floods ended with a close code", sum(|attack| attack.closed.load(Relaxed)));
    report.figure("floods_refused", "flooders not let in", sum(|attack| attack.refused.load(Relaxed)));
    report.figure("host_sockets", "sockets of the one host", sum(|attack| attack.host_sockets.load(Relaxed)));
    let most = attacks.iter().map(|attack| attack.host_open_max.load(Relaxed)).max().unwrap_or_default();
    report.figure("host_open_max", "  of them at once, at most", Value::Count(most));
}

fn resources(report: &mut Report, turns: &[Turn], start_kib: Option<u64>) {
    for (attacked, key, name) in [(false, "calm", "calm"), (true, "attacked", "under attack")] {
        let those = || turns.iter().filter(|turn| turn.attack.is_some() == attacked);
        let seconds: f64 = those().map(|turn| turn.interval.seconds).sum();
        let cores = |us: Option<f64>| us.map(|us| Value::Cores(us / seconds.max(f64::MIN_POSITIVE) / 1e6));
        if let Some(server) = cores(those().map(|turn| turn.interval.server_cpu_us).sum()) {
            report.figure(format!("server_cpu_cores_{key}"), format!("server CPU, {name}"), server);
        }
        if let Some(client) = cores(those().map(|turn| turn.interval.client_cpu_us).sum()) {
            report.figure(format!("client_cpu_cores_{key}"), format!("client CPU, {name}"), client);
        }
        if let Some(kib) = those().filter_map(|turn| turn.rss_max_kib).max() {
            report.figure(format!("server_rss_kib_{key}"), format!("server RSS, {name}"), Value::Kib(kib as f64));
        }
    }
    if let Some(kib) = start_kib {
        report.figure("server_rss_kib_start", "server RSS at the start", Value::Kib(kib as f64));
    }
}

fn judge(report: &mut Report, lanes: &Lanes<Tally>) {
    let (mut ended, mut errors) = (Complaints::default(), Complaints::default());
    lanes.each(|tally| {
        ended.add(&tally.ended);
        errors.add(&tally.errors);
    });
    report.complaints(&ended, "good connections ended");
    report.complaints(&errors, "error answers to good clients");
    let unanswered = lanes.sum(|tally| tally.unanswered);
    if unanswered > 0 {
        report.problem(format!("{unanswered} requests of good clients were never answered"));
    }
}
