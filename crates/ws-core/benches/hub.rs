//! What the hub itself costs, without sockets: `cargo bench -p ws-core`.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use ws_core::{Connection, Heartbeat, HeartbeatMode, Hub, Limits, Outlet, Session};

/// A socket that takes everything.
struct Sink;

impl Outlet for Sink {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }
}

fn start() -> Hub {
    let limits = Limits {
        connections_max: 0,
        message_bytes_max: 65_536,
        channels_per_connection_max: 128,
        outbox_bytes_max: 262_144,
        broadcast_log_bytes_max: 16 << 20,
        errors_max: 20,
        errors_window: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
    };
    Hub::start(limits, Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 }, 1)
}

fn connect(hub: &Hub) -> (Arc<Connection>, Session) {
    let permit = hub.admit().expect("no limit");
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
    let text = request("broadcast", 128);
    let mut group = c.benchmark_group("fan-out to 1,000");
    for burst in [1u64, 16] {
        group.throughput(Throughput::Elements(1000 * burst));
        group.bench_function(format!("{burst} in flight"), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = hub.counters().deliveries.get();
                    let mut out = Vec::new();
                    for _ in 0..burst {
                        clients[0].1.text(&text, 0, &mut out);
                    }
                    while hub.counters().deliveries.get() < before + 1000 * burst {
                        tokio::task::yield_now().await;
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests, fan_out);
criterion_main!(benches);
