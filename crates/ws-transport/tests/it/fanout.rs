//! A hub behind TLS: what the fan-out writes, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use ws_core::{
    Access, Actions, Auth, ChannelOptions, Count, Heartbeat, Hub, HubOptions, Limits, MemoryEngine, MemoryLimits,
    Namespaces, OnLag, StreamOptions,
};
use ws_transport::{DrainOptions, Drained, LogConnections, ProxyOptions, Transport, TransportOptions};

use crate::fixture::{Files, MIB, Socket, Trust, within};

static LINES_DROPPED: Count = Count::new();

fn hub(write_timeout: Duration) -> Hub {
    let limits = Limits { connections_max: 1000, broadcast_log_bytes_max: 16 * MIB, write_timeout, ..Limits::TEST };
    let channels = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(300),
        presence: true,
        join_leave: false,
        join_leave_max: 100,
        on_lag: OnLag::Gap,
        subscribe: Access::ANYONE,
        publish: Access::ANYONE,
        read_history: Access::SUBSCRIBER,
        read_presence: Access::SUBSCRIBER,
        claude: true,
        hold: None,
    };
    let options = HubOptions {
        limits,
        heartbeat: Heartbeat { interval_ms: 0, timeout_ms: 0 },
        namespaces: Namespaces { default: Arc::new(channels), named: Default::default() },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth: Auth::none(),
        shards: 2,
    };
    Hub::start(options, Arc::new(MemoryEngine::new(MemoryLimits { history_bytes_max: MIB, idle_channels_max: 10 })))
}

struct Server {
    addr: SocketAddr,
    trust: Trust,
    shutdown: oneshot::Sender<()>,
    drained: JoinHandle<Drained>,
}

fn serve(write_timeout: Duration) -> Server {
    let files = Files::new();
    let trust = Trust::in_certificate(&files.renew());
    let options = TransportOptions {
        allowed_origins: Vec::new(),
        handshake_timeout: Duration::from_secs(10),
        proxy: ProxyOptions::default(),
        metrics_addr: None,
        keep_alive: Duration::from_secs(75),
        sockets_per_ip_max: 0,
        tls: Some(files.load()),
        api_keys: Vec::new(),
        version: "0",
        log_connections: LogConnections::Off,
        log_lines_dropped: &LINES_DROPPED,
        drain: DrainOptions { grace: Duration::from_secs(20), reconnect_spread: Duration::from_secs(1) },
    };
    let transport = Transport::bind(&[SocketAddr::from(([127, 0, 0, 1], 0)).into()], hub(write_timeout), options);
    let transport = transport.expect("port 0");
    let addr = transport.local_addrs()[0];
    let (shutdown, asked) = oneshot::channel();
    let drained = tokio::spawn(transport.serve(async move { drop(asked.await) }));
    Server { addr, trust, shutdown, drained }
}

async fn json(socket: &mut Socket) -> Value {
    loop {
        match within("a frame", socket.next()).await.expect("the socket is open").expect("a frame") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

/// Broadcasts messages of 4 KiB with their numbers, and reads their answers.
async fn publish(server: &Server, messages: usize) -> Socket {
    let mut socket = server.trust.connect(server.addr).await;
    for n in 0..messages {
        let payload = json!({"message": [n, "x".repeat(4096)]});
        let request = json!({"id": "b", "type": "request", "action": "broadcast", "payload": payload});
        socket.send(Message::text(request.to_string())).await.expect("the server takes it");
        while json(&mut socket).await["id"] != "b" {}
    }
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_every_broadcast() {
    const MESSAGES: usize = 3000;
    let server = serve(Duration::from_secs(30));
    let mut slow = server.trust.with_receive_buffer(server.addr, 16 * 1024).await;
    let publisher = publish(&server, MESSAGES).await;
    let mut next = 0;
    while next < MESSAGES {
        let frame = json(&mut slow).await;
        if frame["data"]["event"] == "broadcast" {
            assert_eq!(frame["data"]["message"][0], next, "in order, without a hole");
            next += 1;
        }
    }
    drop(publisher);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_is_given_up() {
    let server = serve(Duration::from_millis(300));
    let mut slow = server.trust.with_receive_buffer(server.addr, 16 * 1024).await;
    let mut publisher = publish(&server, 3000).await;
    let request = json!({"id": "n", "type": "request", "action": "get_connections", "payload": {}}).to_string();
    let left = async {
        loop {
            publisher.send(Message::text(request.clone())).await.expect("the server takes it");
            let answer = loop {
                let frame = json(&mut publisher).await;
                if frame["id"] == "n" {
                    break frame;
                }
            };
            if answer["data"]["count"] == 1 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within("it to be given up", left).await;
    // What it finds when it reads at last is an end, wherever that cuts.
    let end = async { while let Some(Ok(_)) = slow.next().await {} };
    within("the end", end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_goodbye() {
    let server = serve(Duration::from_secs(30));
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = server.trust.connect(server.addr).await;
        assert_eq!(json(&mut socket).await["data"]["event"], "connected");
        sockets.push(socket);
    }
    server.shutdown.send(()).expect("the server runs");
    for mut socket in sockets {
        assert_eq!(json(&mut socket).await["data"]["event"], "draining");
        let close = within("a close frame", socket.next()).await;
        assert!(matches!(&close, Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) == 1001), "{close:?}");
        // Its answer goes out while it reads on.
        while let Some(Ok(_)) = within("the end", socket.next()).await {}
        let mut rest = Vec::new();
        within("the end", socket.into_inner().read_to_end(&mut rest)).await.expect("a goodbye");
    }
    let drained = within("the drain", server.drained).await.expect("it ends well");
    assert_eq!(drained, Drained { connections: 20, cut_off: 0 });
}
