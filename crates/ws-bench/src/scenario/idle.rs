//! `idle`: connections that only answer Pings. Measures the cost of opening them, the memory of each before and after
//! one echo, and its CPU time while nothing happens.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::Semaphore;
use ws_proto::ServerMessage;

use crate::cli::Idle;
use crate::failure::Failure;
use crate::frame;
use crate::lanes::{Lanes, Shared};
use crate::limits;
use crate::measure::Complaints;
use crate::message::{self, PONG};
use crate::opening::{CONCURRENCY, open};
use crate::process::{Interval, Mark};
use crate::report::{Report, Value};
use crate::request::Template;
use crate::socket::{Ended, Socket};
use crate::stage::{Stage, Status};

/// The one request that each connection sends.
const MESSAGE: &str = "hello";
/// Longest time for all echoes together.
const ECHOES_TIME_MAX: Duration = Duration::from_secs(120);

/// What the connections of one lane count together.
#[derive(Debug, Default)]
struct Tally {
    open: u64,
    pings: u64,
    echoed: u64,
    ended: Complaints,
    errors: Complaints,
}

/// Resident memory of the server, in KiB, at three points of the run.
#[derive(Debug, Default)]
struct Memory {
    empty: Option<u64>,
    opened: Option<u64>,
    echoed: Option<u64>,
}

/// What the run measured.
struct Measured {
    opening: Interval,
    memory: Memory,
    idle: Interval,
}

pub(super) async fn run(options: Idle, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.connections, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::default)?;
    let mut memory = Memory { empty: stage.rss_kib(), ..Memory::default() };

    let turns = Arc::new(Semaphore::new(0));
    let from = Mark::now(stage.server.as_ref());
    let plan = (options.connections, options.concurrency);
    open(&lanes, server, plan, &mut stage, clients(&lanes, &turns)).await?;
    let opening = from.until(&Mark::now(stage.server.as_ref()));

    rest(&mut stage, &lanes, "resting").await?;
    memory.opened = stage.rss_kib();
    turns.add_permits(CONCURRENCY);
    echoes(&mut stage, &lanes).await?;
    rest(&mut stage, &lanes, "resting after an echo each").await?;
    memory.echoed = stage.rss_kib();
    let idle = idle(&mut stage, &lanes).await?;
    Ok(report(&options, &stage, &lanes, &Measured { opening, memory, idle }))
}

/// Starts the task of a new connection, on the thread of its lane.
fn clients(lanes: &Lanes<Tally>, turns: &Arc<Semaphore>) -> impl Fn(usize, Socket) + Send + Sync + 'static {
    let shared: Vec<_> = (0..lanes.count()).map(|lane| lanes.shared(lane).clone()).collect();
    let (turns, request) = (turns.clone(), Arc::new(Template::echo(MESSAGE)));
    move |index, socket| {
        let shared = shared[index % shared.len()].clone();
        shared.lock().state.open += 1;
        tokio::spawn(client(socket, shared, turns.clone(), request.clone()));
    }
}

fn look(lanes: &Lanes<Tally>, count: impl Fn(&Tally) -> u64) -> Status {
    Status { count: lanes.sum(count), over: lanes.sum(|tally| tally.open) == 0 }
}

async fn rest(stage: &mut Stage, lanes: &Lanes<Tally>, name: &str) -> Result<(), Failure> {
    let warmup = stage.warmup;
    Ok(stage.run_for(name, warmup, "pings", || look(lanes, |tally| tally.pings)).await?)
}

async fn echoes(stage: &mut Stage, lanes: &Lanes<Tally>) -> Result<(), Failure> {
    let look = || {
        let Status { count, over } = look(lanes, |tally| tally.echoed);
        Status { count, over: over || count >= lanes.sum(|tally| tally.open) }
    };
    Ok(stage.run_for("an echo each", ECHOES_TIME_MAX, "echoes", look).await?)
}

async fn idle(stage: &mut Stage, lanes: &Lanes<Tally>) -> Result<Interval, Failure> {
    let from = Mark::now(stage.server.as_ref());
    let duration = stage.duration;
    stage.run_for("idle", duration, "pings", || look(lanes, |tally| tally.pings)).await?;
    Ok(from.until(&Mark::now(stage.server.as_ref())))
}

fn report(options: &Idle, stage: &Stage, lanes: &Lanes<Tally>, measured: &Measured) -> Report {
    let count = options.connections as u64;
    let mut report = Report::new("idle", &options.common.target.url);
    report.figure("connections", "connections", Value::Count(count));
    report.figure("opening_seconds", "opened in", Value::Seconds(measured.opening.seconds));
    report.rate("handshakes", count, &measured.opening);
    if let Some(us) = measured.opening.server_cpu_us {
        let value = Value::Micros(us / count as f64);
        report.figure("server_cpu_us_per_handshake", "server CPU per handshake", value);
    }
    memory(&mut report, &measured.memory, count);
    report.figure("seconds", "idle for", Value::Seconds(measured.idle.seconds));
    if let Some(us) = measured.idle.server_cpu_us {
        let each = us / count as f64 / measured.idle.seconds;
        report.figure(
            "server_idle_cpu_us_per_s_per_connection",
            "server CPU per connection and second",
            Value::Micros(each),
        );
    }
    report.figure("pings", "pings answered", Value::Count(lanes.sum(|tally| tally.pings)));
    report.cpu("idle", 0, &measured.idle, lanes.count());
    let (mut ended, mut errors) = (Complaints::default(), Complaints::default());
    lanes.each(|tally| {
        ended.add(&tally.ended);
        errors.add(&tally.errors);
    });
    report.complaints(&errors, "error answers");
    report.complaints(&ended, "connections ended");
    let silent = count - lanes.sum(|tally| tally.echoed).min(count);
    if silent > 0 && !stage.interrupted {
        report.problem(format!("{silent} connections got no answer to their echo"));
    }
    stage.finish(&mut report);
    report
}

fn memory(report: &mut Report, memory: &Memory, count: u64) {
    let Some(empty) = memory.empty else { return };
    report.figure("server_rss_kib", "server RSS before", Value::Kib(empty as f64));
    let readings = [
        ("server_rss_kib_per_connection", "server RSS per connection", memory.opened),
        ("server_rss_kib_per_connection_after_echo", "server RSS per connection after an echo", memory.echoed),
    ];
    for (key, label, rss) in readings {
        if let Some(rss) = rss {
            let each = (rss as f64 - empty as f64) / count as f64;
            report.figure(key, label, Value::Kib(each));
        }
    }
}

/// One connection. It sends an echo when it is its turn, and otherwise only listens.
async fn client(mut socket: Socket, shared: Shared<Tally>, turns: Arc<Semaphore>, request: Arc<Template>) {
    let ended = match alive(&mut socket, &shared, &turns, &request).await {
        Err(ended) => ended,
        Ok(never) => match never {},
    };
    let tally = &mut shared.lock().state;
    tally.open -= 1;
    tally.ended.note(ended);
}

async fn alive(
    socket: &mut Socket,
    shared: &Shared<Tally>,
    turns: &Semaphore,
    request: &Template,
) -> Result<std::convert::Infallible, Ended> {
    let turn = loop {
        tokio::select! {
            biased;
            read = poll_fn(|cx| poll_texts(socket, shared, cx)) => drop(read?),
            turn = turns.acquire() => break turn,
        }
    };
    let mut bytes = Vec::new();
    request.write(&mut bytes, 0);
    socket.send(&bytes)?;
    drop(bytes);
    while !poll_fn(|cx| poll_texts(socket, shared, cx)).await? {}
    drop(turn);
    loop {
        poll_fn(|cx| poll_texts(socket, shared, cx)).await?;
    }
}

/// Handles what one read brings. Returns whether there was a response in it.
fn poll_texts(socket: &mut Socket, shared: &Shared<Tally>, cx: &mut Context<'_>) -> Poll<Result<bool, Ended>> {
    let shared = &mut *shared.lock();
    let bytes = ready!(socket.poll_read(cx, &mut shared.buffer))?;
    let (tally, out, mut answered) = (&mut shared.state, &mut shared.out, false);
    out.clear();
    let pings = socket.texts(&shared.buffer[..bytes], |text| match message::decode(text) {
        Some(ServerMessage::Response { .. }) => answered = true,
        Some(ServerMessage::Error { error, .. }) => {
            tally.errors.note(error);
            answered = true;
        }
        Some(ServerMessage::Ping) => {
            tally.pings += 1;
            frame::text(out, PONG);
        }
        _ => {}
    })?;
    tally.pings += pings;
    tally.echoed += u64::from(answered);
    socket.send(out)?;
    Poll::Ready(Ok(answered))
}
