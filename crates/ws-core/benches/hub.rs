//! The cost of the hub alone, without sockets: `cargo bench -p ws-core`.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use ws_core::{
    Access, Actions, Auth, ChannelOptions, Connection, Heartbeat, HeartbeatMode, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces, OnLag, Outlet, Session, StreamOptions,
};

/// A socket that accepts everything.
struct Sink;

impl Outlet for Sink {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }
}

fn start() -> Hub {
    let limits = Limits {
        broadcast_log_bytes_max: 16 << 20,
        channel_log_bytes_max: 4 << 20,
        channel_logs_bytes_max: 128 << 20,
        ..Limits::TEST
    };
    let options = HubOptions {
        limits,
        heartbeat: Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 },
        namespaces: Namespaces { default: Arc::new(channel_options()), named: HashMap::new() },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth: Auth::none(),
        shards: 1,
    };
    let engine = MemoryEngine::new(MemoryLimits { history_bytes_max: 512 << 20, idle_channels_max: 100_000 });
    Hub::start(options, Arc::new(engine))
}

fn channel_options() -> ChannelOptions {
    ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(300),
        presence: true,
        join_leave: false,
        join_leave_max: 100,
        on_lag: OnLag::Gap,
        subscribe: Access::ANYONE,
        publish: Access::ANYONE,
        read_history: Access::ANYONE,
        read_presence: Access::ANYONE,
        claude: true,
        hold: None,
    }
}

fn connect(hub: &Hub) -> (Arc<Connection>, Session) {
    let permit = hub.admit(std::net::IpAddr::from([127, 0, 0, 1]), false).expect("no limit");
    let connection = Connection::new(Box::new(Sink), HeartbeatMode::Ping, hub.counters().clone(), 0);
    (connection.clone(), Session::new(permit.join(connection)))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn request(action: &str, bytes: usize) -> String {
    let fill = "x".repeat(bytes);
    format!(r#"{{"id":"1","type":"request","action":"{action}","payload":{{"message":"{fill}"}}}}"#)
}

fn publish(channel: &str, bytes: usize) -> String {
    let fill = "x".repeat(bytes);
    format!(r#"{{"id":"1","type":"request","action":"publish","payload":{{"channel":"{channel}","data":"{fill}"}}}}"#)
}

fn subscribe(session: &mut Session, channel: &str) {
    let text = format!(r#"{{"id":"1","type":"request","action":"subscribe","payload":{{"channel":"{channel}"}}}}"#);
    session.text(&text, 0, &mut Vec::new());
}

fn requests(c: &mut Criterion) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let hub = start();
    let (_connection, mut session) = connect(&hub);
    let mut group = c.benchmark_group("session");
    group.throughput(Throughput::Elements(1));
    for (name, text) in [
        ("echo 128 B", request("echo", 128)),
        ("echo 16 KiB", request("echo", 16 * 1024)),
        ("malformed", "nonsense".to_owned()),
    ] {
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                session.text(black_box(&text), 0, &mut out)
            });
        });
    }
    group.finish();
}

fn fan_out(c: &mut Criterion) {
    let runtime = runtime();
    let hub = runtime.block_on(async { start() });
    let mut clients: Vec<_> = (0..1000).map(|_| connect(&hub)).collect();
    clients.iter_mut().for_each(|(connection, session)| {
        subscribe(session, "hot");
        connection.flush(0);
    });
    let mut group = c.benchmark_group("fan-out to 1,000");
    for (name, text) in [("broadcast", request("broadcast", 128)), ("channel", publish("hot", 128))] {
        for burst in [1u64, 16] {
            group.throughput(Throughput::Elements(1000 * burst));
            group.bench_function(format!("{name}, {burst} in flight"), |b| {
                b.iter(|| runtime.block_on(deliver(&hub, &mut clients[0].1, &text, burst, 1000 * burst)));
            });
        }
    }
    group.finish();
}

/// Sends `text` `times` times, and lets the fan-out run until everything is delivered.
async fn deliver(hub: &Hub, session: &mut Session, text: &str, times: u64, deliveries: u64) {
    let before = hub.counters().deliveries.get();
    let mut out = Vec::new();
    for _ in 0..times {
        session.text(text, 0, &mut out);
    }
    while hub.counters().deliveries.get() < before + deliveries {
        tokio::task::yield_now().await;
    }
}

/// A page of 100,000 connections, alone and while one connection joins and one leaves for each page.
fn listing(c: &mut Criterion) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let hub = start();
    let _staying: Vec<_> = (0..100_000).map(|_| connect(&hub)).collect();
    let mut passing: VecDeque<_> = (0..1_000).map(|_| connect(&hub)).collect();
    let mut group = c.benchmark_group("list 100,000 connections");
    for (name, is_moving) in [("a page of 100", false), ("a page of 100, others come and go", true)] {
        let mut after = None;
        group.throughput(Throughput::Elements(100));
        group.bench_function(name, |b| {
            b.iter(|| {
                if is_moving {
                    passing.pop_front();
                    passing.push_back(connect(&hub));
                }
                let page = hub.list_connections(None, Some(100), after.as_deref());
                let page = runtime.block_on(page).expect("a page");
                after = black_box(page).next;
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests, fan_out, listing);
criterion_main!(benches);
