//! `connect`: opens connections, waits for the greeting and closes them, one after the other.
//!
//! The latency is measured from the first SYN to `connected`, without closing. Rate and CPU time of the server include
//! closing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::cli::Connect;
use crate::failure::Failure;
use crate::lanes::{Lanes, Shared};
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::socket::Socket;
use crate::stage::{Stage, Status};
use crate::target::Server;

/// Wait after a failed handshake, so that a server that refuses is not flooded.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// Enough for what a server sends before it ends the connection.
const CLOSING_BUFFER_BYTES: usize = 1024;

/// What the connections of one lane count together.
#[derive(Debug)]
struct Tally {
    latencies: Latencies,
    stopping: bool,
    failed: Complaints,
    /// Connections that the server did not end in time after our Close.
    lingering: u64,
}

impl Tally {
    fn new() -> Tally {
        Tally { latencies: Latencies::new(), stopping: false, failed: Complaints::default(), lingering: 0 }
    }
}

pub(super) async fn run(options: Connect, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.concurrency, &mut server)?;
    let server = Arc::new(server);
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    // What is wrong with the address shows here, before any load.
    stage.unless_interrupted(Socket::connect(&server, 0)).await?.ok_or(Failure::Interrupted)??;
    for index in 0..options.concurrency {
        let shared = lanes.shared(index).clone();
        lanes.runtime(index).spawn(open_and_close(server.clone(), shared, Clock::start(), index));
    }
    let look = || Status { count: lanes.sum(|tally| tally.latencies.count()), over: false };
    let begin = || lanes.each(|tally| tally.latencies.reset());
    let interval = stage.measure("handshakes", begin, look).await?;
    lanes.each(|tally| tally.stopping = true);
    Ok(report(&options, &stage, &lanes, &interval))
}

async fn open_and_close(server: Arc<Server>, shared: Shared<Tally>, clock: Clock, index: usize) {
    let mut buffer = vec![0; CLOSING_BUFFER_BYTES];
    while !shared.lock().state.stopping {
        let start = clock.now_ns();
        match Socket::connect(&server, index).await {
            Ok(socket) => {
                let latency = clock.now_ns() - start;
                count(&shared, |tally| tally.latencies.record(latency));
                if !socket.close(&mut buffer).await {
                    count(&shared, |tally| tally.lingering += 1);
                }
            }
            Err(error) => {
                count(&shared, |tally| tally.failed.note(error));
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

fn count(shared: &Shared<Tally>, count: impl FnOnce(&mut Tally)) {
    let tally = &mut shared.lock().state;
    if !tally.stopping {
        count(tally);
    }
}

fn report(options: &Connect, stage: &Stage, lanes: &Lanes<Tally>, interval: &Interval) -> Report {
    let (mut latencies, mut failed) = (Latencies::new(), Complaints::default());
    lanes.each(|tally| {
        latencies.add(&tally.latencies);
        failed.add(&tally.failed);
    });
    let mut report = Report::new("connect", &options.common.target.url);
    report.figure("concurrency", "at a time", Value::Count(options.concurrency as u64));
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("handshakes", latencies.count(), interval);
    report.figure("latency_us", "latency", Value::Latency(latencies.quantiles()));
    report.cpu("handshake", latencies.count(), interval, lanes.count());
    report.complaints(&failed, "handshakes failed");
    let lingering = lanes.sum(|tally| tally.lingering);
    if lingering > 0 {
        report.note(format!("{lingering} connections were not ended by the server within 1 s of our Close"));
    }
    if latencies.count() == 0 {
        report.problem("nothing was measured");
    }
    stage.finish(&mut report);
    report
}
