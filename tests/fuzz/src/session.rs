//! Clients of a hub, driven by bytes: who connects with which token, what each says, when its socket takes something,
//! and when time passes.
//!
//! What holds: every request gets one answer, in its turn, or is held; frames are whole, and are JSON; nobody gets what
//! it is not subscribed to, and strangers get nothing; the books are balanced when all have gone.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};
use ws_core::{
    Access, Actions, Auth, Authenticator, ChannelOptions, Claims, Connection, Flow, Heartbeat, HeartbeatMode, Hub,
    HubOptions, Limits, MemoryEngine, MemoryLimits, Namespaces, OnLag, Outlet, Session, TokenError,
};

const CHANNELS: [&str; 8] = ["a", "b#ann", "granted:x", "users:x", "server:x", "plain:x", "nowhere:x", "bad name"];
const USERS: [&str; 3] = ["ann", "bob", ""];
const ACTIONS: [&str; 10] = [
    "echo",
    "broadcast",
    "get_connections",
    "subscribe",
    "unsubscribe",
    "publish",
    "get_history",
    "get_presence",
    "authenticate",
    "fly",
];

/// Bytes, one after the other; zeros behind the end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Believes a token of three letters: user, time, and what it is for.
#[derive(Debug)]
struct Believer;

impl Authenticator for Believer {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        let &[user, time, kind] = token.as_bytes() else { return Err(TokenError::Invalid("three letters".to_owned())) };
        let user = USERS[usize::from(user) % USERS.len()];
        if user.is_empty() {
            return Err(TokenError::Invalid("no user".to_owned()));
        }
        let listed = CHANNELS.iter().skip(usize::from(kind % 4)).step_by(3).map(|name| (*name).to_owned()).collect();
        let channel = (kind % 5 == 0).then(|| CHANNELS[usize::from(kind) % CHANNELS.len()].to_owned());
        let mut claims = Claims { user: user.to_owned(), channels: listed, channel, ..Claims::default() };
        claims.grants.subscribe = [if kind % 2 == 0 { "granted:*" } else { "users:*" }].into_iter().collect();
        claims.grants.publish = ["*"].into_iter().take(usize::from(kind % 3)).collect();
        match time % 4 {
            0 => Err(TokenError::Expired),
            1 => Ok(claims),
            n => Ok(Claims { expires_at_ms: Some(unix_ms + u64::from(n) * 7_000), ..claims }),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

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

struct Client {
    connection: Arc<Connection>,
    session: Option<Session>,
    pipe: Pipe,
    /// Answers that are due.
    due: u64,
    answered: u64,
    /// Channels whose publications may come: ever subscribed to, by whomever.
    channels: Vec<String>,
    is_stranger: bool,
}

impl Client {
    fn connect(hub: &Hub, room: usize, token: Option<&str>) -> Option<Self> {
        let permit = hub.admit(IpAddr::V4(Ipv4Addr::LOCALHOST), token.is_some()).ok()?;
        let pipe = Pipe::default();
        pipe.0.lock().expect("no panic while locked").0 = room;
        let outlet = Box::new(pipe.clone());
        let connection = Connection::new(outlet, HeartbeatMode::App, hub.counters().clone(), hub.clock().now_ms());
        let login = token.map(|token| at_once(hub.log_in(token)));
        let session = Session::open(permit, &connection, login, "fuzz", Vec::new()).ok()?;
        let is_stranger = session.is_stranger();
        let (due, answered, channels) = (0, 0, Vec::new());
        Some(Client { connection, session: Some(session), pipe, due, answered, channels, is_stranger })
    }

    fn say(&mut self, hub: &Hub, text: &str) {
        let Some(session) = &mut self.session else { return };
        let (mut out, now_ms) = (Vec::new(), hub.clock().now_ms());
        let is_heartbeat = matches!(
            ws_proto::ClientMessage::decode(text),
            Ok(ws_proto::ClientMessage::Ping | ws_proto::ClientMessage::Pong)
        );
        let flow = session.text(text, now_ms, &mut out);
        self.connection.send(&out, now_ms);
        match flow {
            Flow::Hold => {}
            Flow::Continue => self.due += u64::from(!is_heartbeat),
            Flow::Close(_) => {
                self.due += 1;
                self.session = None;
            }
        }
    }

    /// What the connection's task does when it is woken.
    fn wake(&mut self, hub: &Hub) {
        let (mut out, now_ms) = (Vec::new(), hub.clock().now_ms());
        if let Some(session) = self.session.as_mut().filter(|session| session.is_waiting()) {
            session.answers(now_ms, &mut out);
            self.connection.send(&out, now_ms);
        }
        if self.connection.flush(now_ms)
            && let Some(session) = &self.session
        {
            session.membership().resume();
        }
    }

    fn make_room(&mut self, hub: &Hub, room: usize) {
        {
            let mut pipe = self.pipe.0.lock().expect("no panic while locked");
            pipe.0 = pipe.0.saturating_add(room);
        }
        self.wake(hub);
    }

    /// Reads whole frames, and judges them.
    fn read(&mut self) {
        let mut pipe = self.pipe.0.lock().expect("no panic while locked");
        let (frames, taken) = frames(&pipe.1);
        pipe.1.drain(..taken);
        drop(pipe);
        for frame in frames {
            match (frame["type"].as_str(), &frame["data"]) {
                (Some("response"), data) => {
                    self.answered += 1;
                    self.is_stranger &= data.get("user").is_none();
                    if let Some(channel) = data["channel"].as_str() {
                        self.channels.push(channel.to_owned());
                    }
                }
                (Some("error"), _) => self.answered += 1,
                (Some("notification"), data) => self.notified(data),
                (Some("ping" | "pong"), _) => {}
                _ => panic!("{frame}"),
            }
        }
    }

    fn notified(&mut self, data: &Value) {
        let channel = data["channel"].as_str();
        match data["event"].as_str().expect("an event") {
            "subscribed" => self.channels.extend(channel.map(str::to_owned)),
            "publication" => {
                let channel = channel.expect("a channel");
                assert!(self.channels.iter().any(|known| known == channel), "{channel}: {:?}", self.channels);
                assert!(!self.is_stranger);
            }
            "broadcast" => assert!(!self.is_stranger, "a stranger gets nothing"),
            _ => {}
        }
    }
}

/// Whole frames, and how many bytes they are.
fn frames(bytes: &[u8]) -> (Vec<Value>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((header, len)) = header(&bytes[at..])
        && bytes.len() >= at + header + len
    {
        assert_eq!(bytes[at], 0x81, "frames are cut");
        frames.push(serde_json::from_slice(&bytes[at + header..at + header + len]).expect("JSON"));
        at += header + len;
    }
    (frames, at)
}

fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into())),
        127 => Some((10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?)),
        len => Some((2, usize::from(*len))),
    }
}

fn hub(anonymous: bool) -> Hub {
    let options = |subscribe, publish, history_size| {
        Arc::new(ChannelOptions {
            history_size,
            history_ttl: Duration::from_secs(20),
            presence: true,
            join_leave: true,
            join_leave_max: 2,
            on_lag: OnLag::Gap,
            subscribe,
            publish,
            read_history: Access::Subscriber,
            read_presence: Access::Anyone,
        })
    };
    let named: HashMap<Box<str>, _> = [
        ("granted".into(), options(Access::Granted, Access::Granted, 3)),
        ("users".into(), options(Access::Authenticated, Access::Subscriber, 3)),
        ("server".into(), options(Access::Nobody, Access::Anyone, 3)),
        ("plain".into(), options(Access::Anyone, Access::Anyone, 0)),
    ]
    .into();
    let limits = Limits {
        connections_max: 6,
        connections_per_ip_max: 5,
        connections_per_user_max: 3,
        unauthenticated_max: 3,
        handshakes_per_second: 0,
        requests_per_second: 50,
        requests_burst: 100,
        message_bytes_max: 4096,
        channels_per_connection_max: 3,
        outbox_bytes_max: 4096,
        broadcast_log_bytes_max: 4096,
        channel_log_bytes_max: 4096,
        channel_logs_bytes_max: 16 << 10,
        errors_max: 10,
        errors_window: Duration::from_secs(10),
        write_timeout: Duration::from_secs(5),
    };
    let auth = Auth {
        authenticator: Some(Arc::new(Believer)),
        anonymous,
        authenticate_within: Duration::from_secs(3),
        expiry_notice: Duration::from_secs(5),
        expiry_grace: Duration::from_secs(2),
    };
    let options = HubOptions {
        limits,
        heartbeat: Heartbeat { interval_ms: 10_000, timeout_ms: 5_000 },
        namespaces: Namespaces { default: options(Access::Anyone, Access::Anyone, 5), named },
        actions: Actions { broadcast: Access::Anyone, get_connections: Access::Granted },
        auth,
        shards: 2,
    };
    Hub::start(options, Arc::new(MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 16, idle_channels_max: 4 })))
}

/// One life of a hub.
pub fn run(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(live(Input(data)));
}

async fn live(mut input: Input<'_>) {
    let hub = hub(input.byte().is_multiple_of(2));
    let mut clients: Vec<Client> = Vec::new();
    while !input.is_over() {
        let kind = input.byte() % 10;
        if kind == 0 || clients.is_empty() {
            let room = usize::from(input.byte()) * 64;
            let token = input.byte().is_multiple_of(2).then(|| token(&mut input));
            clients.extend(Client::connect(&hub, room, token.as_deref()));
            continue;
        }
        let who = usize::from(input.byte()) % clients.len();
        match kind {
            1..=4 => {
                let text = request(&mut input);
                clients[who].say(&hub, &text);
            }
            5 => {
                let bytes: Vec<u8> = (0..input.byte() % 64).map(|_| input.byte()).collect();
                clients[who].say(&hub, &String::from_utf8_lossy(&bytes));
            }
            6 => clients[who].make_room(&hub, usize::from(input.byte()) * 64),
            7 => tokio::time::advance(Duration::from_millis(u64::from(input.byte()) * 50)).await,
            8 => settle().await,
            _ => drop(clients.swap_remove(who)),
        }
        clients.iter_mut().for_each(Client::read);
    }
    end(&hub, clients).await;
}

/// Everybody reads all there is; then everybody goes.
async fn end(hub: &Hub, mut clients: Vec<Client>) {
    for client in &mut clients {
        client.make_room(hub, 1 << 30);
    }
    settle().await;
    for client in &mut clients {
        client.wake(hub);
        client.read();
        assert_eq!(client.answered, client.due, "every request has one answer");
    }
    let open = clients.iter().filter(|client| client.session.is_some()).count();
    let strangers = clients.iter().filter(|client| client.session.as_ref().is_some_and(Session::is_stranger)).count();
    assert_eq!((hub.admitted(), hub.strangers(), hub.connections()), (open, strangers, open - strangers));
    clients.clear();
    settle().await;
    assert_eq!((hub.admitted(), hub.strangers(), hub.connections(), hub.channels()), (0, 0, 0, 0));
}

fn token(input: &mut Input<'_>) -> String {
    (0..3).map(|_| char::from(b'a' + input.byte() % 26)).collect()
}

/// A request that is nearly always in order.
fn request(input: &mut Input<'_>) -> String {
    let action = input.pick(&ACTIONS);
    let mut payload = json!({"channel": input.pick(&CHANNELS), "message": "m", "data": input.byte()});
    let more = input.byte();
    if more & 1 > 0 {
        payload["token"] = token(input).into();
    }
    if more & 2 > 0 {
        payload["msg_id"] = input.byte().to_string().into();
        payload["limit"] = (input.byte() % 4).into();
    }
    if more & 4 > 0 {
        payload["rewind"] = (input.byte() % 8).into();
    }
    if more & 8 > 0 {
        payload["message"] = "x".repeat(usize::from(input.byte()) * 8).into();
    }
    json!({"id": "1", "type": "request", "action": action, "payload": payload}).to_string()
}

async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

/// What a future gives that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
