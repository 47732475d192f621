//! Any bytes at the beginning of a connection to a listening server: it answers in HTTP, or not at all, and serves
//! the next connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use ws_core::{
    Access, Actions, Auth, ChannelOptions, Count, Counters, Heartbeat, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces, OnLag, StreamOptions,
};
use ws_transport::{DrainOptions, LogConnections, ProxyOptions, Transport, TransportOptions, TrustedNetwork};

/// Number of connections between two health checks.
const LOOK_EVERY: u32 = 64;

static LINES_DROPPED: Count = Count::new();

/// The server, on its own thread until the process ends.
static SERVER: LazyLock<(SocketAddr, Arc<Counters>)> = LazyLock::new(|| serve(ProxyOptions::default()));

/// The same server, which expects a PROXY header.
static BEHIND_A_PROXY: LazyLock<(SocketAddr, Arc<Counters>)> = LazyLock::new(|| {
    let trusted = vec![TrustedNetwork::Loopback];
    serve(ProxyOptions { trusted, protocol: true, ..ProxyOptions::default() })
});

fn serve(proxy: ProxyOptions) -> (SocketAddr, Arc<Counters>) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let hub = hub();
            let options = TransportOptions {
                allowed_origins: Vec::new(),
                handshake_timeout: Duration::from_millis(500),
                keep_alive: Duration::from_secs(75),
                sockets_per_ip_max: 0,
                tls: None,
                api_keys: Vec::new(),
                proxy,
                metrics_addr: None,
                version: "0",
                log_connections: LogConnections::Off,
                log_lines_dropped: &LINES_DROPPED,
                drain: DrainOptions { grace: Duration::from_secs(1), reconnect_spread: Duration::ZERO },
            };
            let counters = hub.counters().clone();
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let transport = Transport::bind(&[any.into()], hub, options).expect("port 0");
            sender.send((transport.local_addrs()[0], counters)).expect("somebody waits");
            transport.serve(std::future::pending()).await;
        });
    });
    receiver.recv().expect("a server")
}

fn hub() -> Hub {
    let limits = Limits {
        message_bytes_max: 1024,
        channels_per_connection_max: 4,
        outbox_bytes_max: 4096,
        broadcast_log_bytes_max: 64 << 10,
        channel_log_bytes_max: 64 << 10,
        channel_logs_bytes_max: 1 << 20,
        errors_max: 3,
        write_timeout: Duration::from_secs(1),
        ..Limits::TEST
    };
    let channels = ChannelOptions {
        history_size: 10,
        history_ttl: Duration::from_secs(1),
        presence: true,
        join_leave: true,
        join_leave_max: 2,
        on_lag: OnLag::Gap,
        subscribe: Access::ANYONE,
        publish: Access::ANYONE,
        read_history: Access::ANYONE,
        read_presence: Access::ANYONE,
        claude: true,
        hold: None,
    };
    let options = HubOptions {
        limits,
        heartbeat: Heartbeat { interval_ms: 1000, timeout_ms: 1000 },
        namespaces: Namespaces { default: Arc::new(channels), named: Default::default() },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth: Auth::none(),
        shards: 1,
    };
    Hub::start(options, Arc::new(MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 20, idle_channels_max: 10 })))
}

/// One connection: sends these bytes, and then nothing more. If the first byte is even, a valid handshake is sent before
/// the others.
pub fn run(data: &[u8]) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let Some((kind, rest)) = data.split_first() else { return };
    let mut first = Vec::new();
    if kind % 2 == 0 {
        first.extend_from_slice(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
    }
    first.extend_from_slice(rest);
    let answer = ask(SERVER.0, &first);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    if answer.starts_with(b"HTTP/1.1 101") {
        let sent = String::from_utf8_lossy(&first).to_ascii_lowercase();
        assert!(sent.contains("sec-websocket-key") && sent.contains("websocket"), "{sent:?}");
    }
    assert_eq!(SERVER.1.panics.get(), 0);
    if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EVERY) {
        let health = ask(SERVER.0, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(health.starts_with(b"HTTP/1.1 200 OK"), "{:?}", String::from_utf8_lossy(&health));
    }
}

/// What comes back for these bytes from a server that expects a PROXY header.
pub(crate) fn behind_a_proxy(bytes: &[u8]) -> Vec<u8> {
    let answer = ask(BEHIND_A_PROXY.0, bytes);
    assert_eq!(BEHIND_A_PROXY.1.panics.get(), 0);
    answer
}

/// Reads everything that comes back.
fn ask(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    // The server may have refused before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection does not end: {error}"),
    }
    answer
}
