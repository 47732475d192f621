//! A client of a hub without a network: what the transport's task does, step by step.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use serde_json::Value;
use ws_core::{
    Access, Actions, Attention, Auth, ChannelOptions, Claims, Clock, Connection, Engine, Flow, Heartbeat,
    HeartbeatMode, Hub, HubOptions, Limits, MemoryEngine, MemoryLimits, Namespaces, OnLag, Outlet, Permit, Session,
    StreamOptions,
};
use ws_proto::{CloseCode, ErrorBody};

/// Where clients are.
pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A socket that accepts `room` bytes and keeps them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

impl Pipe {
    pub(crate) fn make_room(&self, room: usize) {
        let mut pipe = self.0.lock().expect("no panic while locked");
        pipe.0 = pipe.0.saturating_add(room);
    }
}

impl Outlet for Pipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.lock().expect("no panic while locked");
        let taken = bytes.len().min(pipe.0);
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.0 -= taken;
        pipe.1.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

pub(crate) fn limits() -> Limits {
    Limits { connections_max: 1000, ..Limits::TEST }
}

/// The default options of a channel: everything is on, for everybody.
pub(crate) fn options() -> ChannelOptions {
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

pub(crate) fn memory() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new(MemoryLimits { history_bytes_max: 64 << 20, idle_channels_max: 100 }))
}

pub(crate) fn hub(limits: Limits) -> Hub {
    hub_with(limits, &[], memory())
}

/// A hub with these namespaces; the one without a name is the default.
pub(crate) fn hub_with(limits: Limits, named: &[(&str, ChannelOptions)], engine: Arc<dyn Engine>) -> Hub {
    hub_at(Clock::start(), limits, named, engine, Auth::none())
}

/// The same with this clock and these authentication rules.
pub(crate) fn hub_at(
    clock: Clock,
    limits: Limits,
    named: &[(&str, ChannelOptions)],
    engine: Arc<dyn Engine>,
    auth: Auth,
) -> Hub {
    let mut named: HashMap<Box<str>, _> =
        named.iter().map(|(name, options)| ((*name).into(), Arc::new(options.clone()))).collect();
    let default = named.remove("").unwrap_or_else(|| Arc::new(self::options()));
    let options = HubOptions {
        limits,
        heartbeat: Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 },
        namespaces: Namespaces { default, named },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth,
        shards: 2,
    };
    Hub::start_at(clock, options, engine)
}

fn socket(hub: &Hub, room: usize, mode: HeartbeatMode) -> (Pipe, Arc<Connection>) {
    let pipe = Pipe::default();
    pipe.make_room(room);
    let connection = Connection::new(Box::new(pipe.clone()), mode, hub.counters().clone(), hub.clock().now_ms());
    (pipe, connection)
}

/// The output of a future that does not wait.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    hub: Hub,
    pub(crate) connection: Arc<Connection>,
    pub(crate) session: Session,
    pub(crate) pipe: Pipe,
    /// The last text is held.
    holds: bool,
    woken: Arc<Woken>,
    /// Bytes of a frame that has not arrived whole.
    partial: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(hub: &Hub, room: usize) -> Self {
        Self::connect_in(hub, room, HeartbeatMode::Ping)
    }

    pub(crate) fn connect_in(hub: &Hub, room: usize, mode: HeartbeatMode) -> Self {
        let permit = hub.admit(LOCAL, false).expect("room for one more");
        let (pipe, connection) = socket(hub, room, mode);
        let session = Session::new(permit.join(connection.clone()));
        Client { hub: hub.clone(), connection, session, pipe, holds: false, woken: Arc::default(), partial: Vec::new() }
    }

    /// A client whose greeting is still in its outbox when it joins, as the transport does it.
    pub(crate) fn connect_greeted(hub: &Hub, room: usize) -> Self {
        Self::connect_with(hub, room, None).map_err(|(code, _)| code).expect("it is let in")
    }

    /// The same with a token in its handshake. If that fails: its close code, and the error that it gets.
    pub(crate) fn connect_with(hub: &Hub, room: usize, token: Option<&str>) -> Result<Self, (CloseCode, Value)> {
        let mut permit = hub.admit(LOCAL, token.is_some()).expect("room for one more");
        let login = token.map(|token| at_once(hub.log_in(&mut permit, token)).expect("it has its place"));
        Self::open(hub, room, permit, login)
    }

    /// The same when the token has been checked.
    pub(crate) fn open(
        hub: &Hub,
        room: usize,
        permit: Permit,
        login: Option<Result<Claims, ErrorBody>>,
    ) -> Result<Self, (CloseCode, Value)> {
        let (pipe, connection) = socket(hub, room, HeartbeatMode::Ping);
        let opened = Session::open(permit, &connection, login, "test", Vec::new());
        let opened = opened.map(|session| Client {
            hub: hub.clone(),
            connection: connection.clone(),
            session,
            pipe: pipe.clone(),
            holds: false,
            woken: Arc::default(),
            partial: Vec::new(),
        });
        opened.map_err(|code| {
            connection.flush(hub.clock().now_ms());
            let bytes = pipe.0.lock().expect("no panic while locked").1.clone();
            (code, frames(&bytes).0.pop().expect("an error"))
        })
    }

    /// A text arrives. While it is held, call this again with the same text to retry it.
    pub(crate) fn say(&mut self, text: &str) -> Flow {
        let (mut out, now_ms) = (Vec::new(), self.hub.clock().now_ms());
        self.session.begin_batch(self.hub.clock().now_us(), !self.holds);
        let mut flow = self.session.go_on(now_ms, &mut out);
        if flow == Flow::Continue && !self.holds {
            self.connection.heard(now_ms, text.len());
            flow = self.session.text(text, now_ms, &mut out);
        }
        self.holds = flow == Flow::Hold;
        self.session.end_batch();
        self.connection.send(&out, now_ms);
        flow
    }

    /// What the connection's task does when it is woken.
    pub(crate) fn go_on(&mut self) -> Flow {
        let mut out = Vec::new();
        let now_ms = self.hub.clock().now_ms();
        self.session.begin_batch(self.hub.clock().now_us(), false);
        let flow = self.session.go_on(now_ms, &mut out);
        self.session.end_batch();
        self.connection.send(&out, now_ms);
        flow
    }

    /// The same; if it answers a text that was held, the next one may come.
    pub(crate) fn go_on_to_next(&mut self) {
        self.holds = self.go_on() == Flow::Hold;
    }

    pub(crate) fn broadcast(&mut self, message: impl std::fmt::Display) -> Flow {
        self.say(&format!(r#"{{"id":"b","type":"request","action":"broadcast","payload":{{"message":{message}}}}}"#))
    }

    /// Whether the connection's task has been woken since the last call of this.
    pub(crate) fn is_woken(&self) -> bool {
        let was_woken = self.woken.0.swap(false, Ordering::Relaxed);
        self.connection.attention(&self.woken.clone().into());
        was_woken
    }

    pub(crate) fn attention(&self) -> Attention {
        self.connection.attention(Waker::noop())
    }

    /// The socket accepts `room` more bytes, and the connection's task flushes.
    pub(crate) fn make_room(&self, room: usize) {
        self.pipe.make_room(room);
        if self.attention().blocked && self.connection.flush(self.hub.clock().now_ms()) {
            self.session.membership().resume();
        }
    }

    /// What has arrived in whole frames, as JSON; a Ping frame is the string "Ping".
    pub(crate) fn read(&mut self) -> Vec<Value> {
        let arrived = std::mem::take(&mut self.pipe.0.lock().expect("no panic while locked").1);
        self.partial.extend(arrived);
        let (frames, taken) = frames(&self.partial);
        self.partial.drain(..taken);
        frames
    }

    /// The messages of broadcasts that have arrived, and a negative number for each gap.
    pub(crate) fn read_broadcasts(&mut self) -> Vec<i64> {
        self.read().iter().filter_map(broadcast_or_gap).collect()
    }
}

fn broadcast_or_gap(frame: &Value) -> Option<i64> {
    let data = &frame["data"];
    match data["event"].as_str() {
        Some("broadcast") => data["message"].as_i64().or_else(|| data["message"]["n"].as_i64()),
        Some("gap") => data["missed"].as_i64().map(|missed| -missed),
        _ => None,
    }
}

/// Whole frames at the beginning of `bytes`, and how many bytes they are.
fn frames(bytes: &[u8]) -> (Vec<Value>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((header, len)) = header(&bytes[at..])
        && bytes.len() >= at + header + len
    {
        let payload = &bytes[at + header..at + header + len];
        frames.push(match bytes[at] {
            0x81 => serde_json::from_slice(payload).expect("JSON"),
            0x89 => Value::from("Ping"),
            other => panic!("first byte {other:#x}: frames are cut"),
        });
        at += header + len;
    }
    (frames, at)
}

fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into())),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        len => Some((2, usize::from(*len))),
    }
}

/// The output of an operation, while these clients' tasks do what is due.
pub(crate) async fn run<T>(clients: &mut [&mut Client], operation: impl Future<Output = T>) -> T {
    let mut operation = pin!(operation);
    for _ in 0..200 {
        if let Poll::Ready(output) = look(operation.as_mut()).await {
            return output;
        }
        clients.iter_mut().filter(|client| client.session.is_waiting()).for_each(|client| _ = client.go_on());
        tokio::task::yield_now().await;
    }
    panic!("the operation does not end")
}

/// Polls once.
pub(crate) async fn look<T>(mut operation: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    std::future::poll_fn(|cx| Poll::Ready(operation.as_mut().poll(cx))).await
}

/// Lets the hub's tasks do everything that is due, without time passing.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
