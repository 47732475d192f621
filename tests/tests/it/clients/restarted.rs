//! A server that ends under a thousand clients, and comes back: so do they, each once. How they spread over time is
//! printed, and in BENCHMARKS: a machine that is busy would bunch them.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Instant;
use ws_tests::fault_proxy::{FaultProxy, curve};
use ws_tests::prelude::*;
use ws_tests::process::Signal;

use crate::SERVER;

const CLIENTS: usize = 1_000;

const TENTH: Duration = Duration::from_millis(100);

/// The example `crowd` of ws-client in a process of its own.
struct Crowd {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    fn start(url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ws-client-crowd"));
        command.args([url, &CLIENTS.to_string()]).stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Crowd { child, lines }
    }

    /// Waits until it says that so many of its clients are connected.
    async fn connected(&mut self, count: usize) {
        let line = format!("connected {count}");
        within(&line, async { while self.lines.next_line().await.expect("text").expect("it runs") != line {} }).await;
    }

    /// Its resident memory in KiB.
    fn resident(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id().expect("it runs"));
        let status = std::fs::read_to_string(status).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// A server with the crowd connected to it through a proxy, which tells when each connection was accepted.
async fn scene() -> (Process, FaultProxy, Crowd) {
    let server = Process::start(SERVER, &[("WS_SERVER__DRAIN__RECONNECT_SPREAD", "2s")]).await;
    let proxy = FaultProxy::start(server.addr()).await;
    let mut crowd = Crowd::start(&proxy.url());
    crowd.connected(CLIENTS).await;
    println!("{} KiB for {CLIENTS} idle clients", crowd.resident());
    (server, proxy, crowd)
}

/// When they came back, counted from `start`: how many in each tenth of a second.
fn came_back(proxy: &FaultProxy, start: Instant) -> Vec<usize> {
    let tenths = curve(&proxy.accepts(), start, TENTH);
    println!("back per 100 ms: {tenths:?}");
    tenths
}

/// Peak of accepts in a second, and how many a second there are on average until the last one.
fn peak_and_mean(tenths: &[usize]) -> (f64, f64) {
    let sum = |part: &[usize]| part.iter().sum::<usize>() as f64;
    let peak = tenths.chunks(10).map(sum).fold(0.0, f64::max);
    (peak, sum(tenths) / (TENTH * tenths.len() as u32).as_secs_f64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_come_back_to_a_killed_server() {
    let (server, proxy, mut crowd) = scene().await;
    // The port refuses for as long as there is no server behind it; to measure, also longer.
    proxy.refuse().await;
    server.kill().await;
    crowd.connected(0).await;
    let server = Process::start(SERVER, &[]).await;
    if let Ok(outage) = std::env::var("WS_TEST_OUTAGE_MS") {
        tokio::time::sleep(Duration::from_millis(outage.parse().expect("a number"))).await;
    }
    proxy.set_upstream(server.addr());
    let start = Instant::now();
    proxy.accept().await;
    crowd.connected(CLIENTS).await;

    let tenths = came_back(&proxy, start);
    let (peak, mean) = peak_and_mean(&tenths);
    println!("at most {peak} in a second, {mean:.0} on average");
    assert_eq!(tenths.iter().sum::<usize>(), CLIENTS, "each once");
}

/// The next server is there before the last one goes, killed or drained: everybody comes back once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_comes_over_to_the_next_server() {
    for is_drained in [false, true] {
        let (server, proxy, _crowd) = scene().await;
        let next = Process::start(SERVER, &[]).await;
        proxy.set_upstream(next.addr());
        let start = Instant::now();
        if is_drained {
            server.signal(Signal::Term).await;
        } else {
            server.kill().await;
        }
        proxy.until_accepted(2 * CLIENTS as u64).await;
        until("all at the next server", async || {
            (http::metrics(next.addr()).await.get("ws_connections") == CLIENTS as f64).then_some(())
        })
        .await;
        let tenths = came_back(&proxy, start);
        let (peak, mean) = peak_and_mean(&tenths);
        println!("drained: {is_drained}; at most {peak} in a second, {mean:.0} on average");
        assert_eq!(tenths.iter().sum::<usize>(), CLIENTS, "each once");
    }
}
