//! A socket whose client asks for much and reads nothing, over small buffers of the system, polled by hand.

mod closing;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery,
};
use ws_core::frame::{self, Opcode};
use ws_core::{
    Access, Actions, AddressShares, Auth, ChannelOptions, Heartbeat, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces, OnLag, Session, StreamOptions,
};
use ws_proto::action::Ack;

use super::*;
use crate::connection_log::{ConnectionLog, LogConnections};
use crate::endpoint::SessionEndpoint;
use crate::socket_slots::SocketSlots;

/// Bytes that may wait for a client.
const OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a page, nearly.
const PAGE_BYTES: usize = 50_000;

/// Requests that fit into one read.
const REQUESTS: usize = 500;

type Call = Box<dyn FnOnce(&MemoryEngine) + Send>;

/// A memory engine that answers when the test says so, where it is late.
#[derive(Clone)]
struct Late(Arc<(MemoryEngine, Mutex<VecDeque<Call>>, bool)>);

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Late")
    }
}

impl Late {
    fn new(is_late: bool) -> Self {
        let memory = MemoryEngine::new(MemoryLimits { history_bytes_max: 64 << 20, idle_channels_max: 100 });
        Late(Arc::new((memory, Mutex::default(), is_late)))
    }

    fn call(&self, call: impl FnOnce(&MemoryEngine) + Send + 'static) {
        if self.0.2 { self.0.1.lock().push_back(Box::new(call)) } else { call(&self.0.0) }
    }

    /// Answers everything that was asked.
    fn answer(&self) -> bool {
        let calls = std::mem::take(&mut *self.0.1.lock());
        let had_any = !calls.is_empty();
        calls.into_iter().for_each(|call| call(&self.0.0));
        had_any
    }
}

impl Engine for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn ack(&self) -> Ack {
        Ack::Durable
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.0.0.start(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let channel = append.channel.to_owned();
        let Append { retention, body, data, read_us, .. } = append;
        self.call(move |memory| {
            memory.append(Append { channel: &channel, retention, body, data, msg_id: None, age_ms: 0, read_us }, done);
        });
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        let (channel, HistoryQuery { retention, after, before, reverse, limit, bytes_max, .. }) =
            (query.channel.to_owned(), query);
        self.call(move |memory| {
            let query = HistoryQuery { channel: &channel, retention, after, before, reverse, limit, bytes_max };
            memory.history(query, done);
        });
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        let (channel, retention, msg_id) = (query.channel.to_owned(), query.retention, query.msg_id.to_owned());
        self.call(move |memory| memory.find(FindQuery { channel: &channel, retention, msg_id: &msg_id }, done));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.0.0.remove(channel, done);
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.0.0.interest(channel, interested);
    }

    fn stats(&self) -> EngineStats {
        self.0.0.stats()
    }

    fn close(&self, done: Done<()>) {
        self.0.0.close(done);
    }
}

fn start(engine: &Late) -> Hub {
    start_with(engine, Heartbeat { interval_ms: 0, timeout_ms: 0 })
}

fn start_with(engine: &Late, heartbeat: Heartbeat) -> Hub {
    let limits = Limits {
        connections_max: 0,
        connections_per_ip_max: 0,
        connections_per_user_max: 0,
        unauthenticated_max: 0,
        handshakes_per_second: 0,
        handshakes_per_ip_per_second: 0,
        requests_per_second: 0,
        requests_burst: 0,
        token_checks_per_second: 0,
        message_bytes_max: OUTBOX_BYTES_MAX,
        channels_per_connection_max: 8,
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        broadcast_log_bytes_max: 1 << 20,
        channel_log_bytes_max: 1 << 20,
        channel_logs_bytes_max: 8 << 20,
        errors_max: 0,
        errors_window: Duration::ZERO,
        write_timeout: Duration::ZERO,
    };
    let channel = ChannelOptions {
        history_size: 10,
        history_ttl: Duration::ZERO,
        presence: false,
        join_leave: false,
        join_leave_max: 0,
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
        heartbeat,
        namespaces: Namespaces { default: Arc::new(channel), named: HashMap::new() },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth: Auth::none(),
        shards: 1,
    };
    Hub::start(options, Arc::new(engine.clone()))
}

fn socket_options(hub: &Hub) -> SocketOptions {
    SocketOptions {
        message_bytes_max: OUTBOX_BYTES_MAX,
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        clock: hub.clock(),
        counters: hub.counters().clone(),
        slots: SocketSlots::default(),
        addresses: AddressShares::new(0),
        log: ConnectionLog::new(LogConnections::Off),
    }
}

/// Two ends of a connection for which the system keeps little.
async fn pair() -> (TcpStream, TcpStream) {
    let listening = TcpSocket::new_v4().expect("a socket");
    listening.set_send_buffer_size(4096).expect("a buffer size");
    listening.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("port 0");
    let listener = listening.listen(1).expect("it listens");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a buffer size");
    let connecting = socket.connect(listener.local_addr().expect("an address"));
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    (client.expect("connected"), accepted.expect("accepted").0)
}

/// A masked text frame; the mask is zero.
fn masked(text: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    frame::append(Opcode::Text, &mut plain, |out| out.extend_from_slice(text.as_bytes()));
    let header = plain.len() - text.len();
    plain[1] |= 0x80;
    plain.splice(header..header, [0; 4]);
    plain
}

struct World {
    engine: Late,
    connection: Arc<Connection>,
    socket: Socket<SessionEndpoint>,
    client: TcpStream,
    outbox_bytes_seen: usize,
}

impl World {
    async fn new(is_late: bool) -> Self {
        let engine = Late::new(is_late);
        let hub = start(&engine);
        let body: Arc<[u8]> = format!(r#""data":"{}","time":1}}"#, "x".repeat(PAGE_BYTES)).as_bytes().into();
        let retention = ws_core::engine::Retention::new(10, Duration::ZERO);
        let append =
            Append { channel: "a", retention, body, data: 7..9 + PAGE_BYTES, msg_id: None, age_ms: 0, read_us: None };
        engine.0.0.append(append, Box::new(|_| {}));
        let (client, accepted) = pair().await;
        let options = socket_options(&hub);
        let (read, connection) = open(Stream::Plain(accepted), HeartbeatMode::Ping, &options);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let permit = hub.admit(address, false).expect("room");
        let session = Session::new(permit.join(connection.clone()));
        let endpoint = SessionEndpoint(Some(session));
        let socket = Socket::new(read, connection.clone(), address, endpoint, &[], Arc::new(options));
        World { engine, connection, socket, client, outbox_bytes_seen: 0 }
    }

    /// Lets the system, the connection's task and the engine do what they can. Whether there was something.
    async fn go_on(&mut self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
            let poll = Pin::new(&mut self.socket).poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "nobody has closed it");
            let outbox_bytes = self.connection.outbox_bytes();
            self.outbox_bytes_seen = self.outbox_bytes_seen.max(outbox_bytes);
            self.engine.answer();
        }
    }

    /// Says all of it at once, and then reads until so many answers with these ids have come.
    async fn ask(&mut self, requests: &[String]) {
        let said: Vec<u8> = requests.iter().flat_map(|text| masked(text)).collect();
        let (mut at, mut arrived, mut answers) = (0, Vec::new(), 0);
        while at < said.len() {
            at += self.client.try_write(&said[at..]).unwrap_or_default();
            self.go_on().await;
        }
        for _ in 0..20 {
            self.go_on().await;
        }
        let mut buffer = vec![0; 1 << 20];
        while answers < requests.len() {
            self.go_on().await;
            tokio::select! {
                biased;
                read = self.client.read(&mut buffer) => arrived.extend_from_slice(&buffer[..read.expect("it is open")]),
                () = tokio::task::yield_now() => {}
            }
            while let Some((text, len)) = first(&arrived) {
                let expect = format!(r#""id":"{answers}""#);
                assert!(text.contains(&expect), "{expect} is not in {}", &text[..text.len().min(200)]);
                answers += 1;
                arrived.drain(..len);
            }
        }
    }
}

/// The first frame, if it is there as a whole, and its length with its header.
fn first(bytes: &[u8]) -> Option<(&str, usize)> {
    let (header, len) = match bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        len => (2, usize::from(*len)),
    };
    Some((str::from_utf8(bytes.get(header..header + len)?).ok()?, header + len))
}

async fn check(is_late: bool, action: &str, payload: &str, reply_bytes_max: usize) {
    let mut world = World::new(is_late).await;
    let request = |id| format!(r#"{{"id":"{id}","type":"request","action":"{action}","payload":{payload}}}"#);
    let requests: Vec<_> = (0..REQUESTS).map(request).collect();
    world.ask(&requests).await;
    let seen = world.outbox_bytes_seen;
    assert!(seen >= OUTBOX_BYTES_MAX, "it was never full: the test shows nothing");
    assert!(seen < OUTBOX_BYTES_MAX + reply_bytes_max, "{seen} bytes waited for the client");
}

#[tokio::test]
async fn pages_never_go_over_the_outbox_by_more_than_one_whenever_the_engine_answers() {
    for is_late in [false, true] {
        check(is_late, "get_history", r#"{"channel":"a"}"#, PAGE_BYTES + 1024).await;
    }
}

#[tokio::test]
async fn answers_to_publications_neither() {
    let channel = "c".repeat(200);
    let payload = format!(r#"{{"channel":"{channel}","data":1}}"#);
    for is_late in [false, true] {
        check(is_late, "publish", &payload, 1024).await;
    }
}

#[tokio::test]
async fn nor_do_other_answers() {
    let payload = format!(r#"{{"message":"{}"}}"#, "x".repeat(1000));
    check(false, "echo", &payload, 2048).await;
}

/// Owes an answer until it closes.
struct Owing {
    closes: bool,
}

impl Endpoint for Owing {
    fn text(&mut self, _: &str, _: u64, _: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }

    fn binary(&mut self, _: &[u8], _: u64, _: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }

    fn is_waiting(&self) -> bool {
        true
    }

    fn owes_answers(&self) -> bool {
        true
    }

    fn go_on(&mut self, _: u64, _: &mut Vec<u8>) -> Flow {
        if self.closes { Flow::Close(CloseCode::TooManyErrors) } else { Flow::Continue }
    }
}

#[tokio::test]
async fn the_end_of_a_half_closed_connection_is_counted_once() {
    let hub = start(&Late::new(false));
    let options = Arc::new(socket_options(&hub));
    let (mut client, accepted) = pair().await;
    let (read, connection) = open(Stream::Plain(accepted), HeartbeatMode::Ping, &options);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut socket = Socket::new(read, connection, address, Owing { closes: false }, &[], options);
    let poll = |socket: &mut Socket<Owing>| Pin::new(socket).poll(&mut Context::from_waker(Waker::noop()));
    tokio::io::AsyncWriteExt::shutdown(&mut client).await.expect("half closed");
    while !matches!(socket.phase, Phase::HalfClosed(_)) {
        assert!(poll(&mut socket).is_pending());
        tokio::task::yield_now().await;
    }
    socket.endpoint.as_mut().expect("it owes answers").closes = true;
    assert!(poll(&mut socket).is_ready(), "the close frame is out, and none can come back");
    let counters = hub.counters();
    assert_eq!((counters.connections_lost.get(), counters.closed(CloseCode::TooManyErrors).get()), (1, 0));
}

/// Lets a socket and the system do what they can. Whether the socket has ended.
async fn turns<E: Endpoint + Unpin>(socket: &mut Socket<E>, count: usize) -> bool {
    for _ in 0..count {
        tokio::task::yield_now().await;
        if Pin::new(&mut *socket).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
    }
    false
}

/// A Pong is something sent: a client that sends Pings is not pinged as well (PROTOCOL section 2).
#[tokio::test(start_paused = true)]
async fn a_pong_counts_as_sent() {
    let engine = Late::new(false);
    let hub = start_with(&engine, Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 });
    let (client, accepted) = pair().await;
    let options = socket_options(&hub);
    let (read, connection) = open(Stream::Plain(accepted), HeartbeatMode::Ping, &options);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let session = Session::new(hub.admit(address, false).expect("room").join(connection.clone()));
    let mut socket = Socket::new(read, connection, address, SessionEndpoint(Some(session)), &[], Arc::new(options));
    let (mut read, mut buffer) = (Vec::new(), vec![0; 4096]);
    for second in 0..300 {
        if second % 20 == 0 {
            // A Ping with one byte.
            assert_eq!(client.try_write(&[0x89, 0x81, 0, 0, 0, 0, 7]).expect("room"), 7);
        }
        assert!(!turns(&mut socket, 20).await);
        tokio::time::advance(Duration::from_secs(1)).await;
        let bytes = client.try_read(&mut buffer).unwrap_or_default();
        read.extend_from_slice(&buffer[..bytes]);
    }
    assert_eq!(read, [0x8a, 1, 7].repeat(15), "15 Pongs and no Ping");
    assert_eq!(hub.counters().pings.get(), 0);
}
