//! The whole client against a model of the server, over streams in memory, in paused time: the handle, the task, the
//! machine, the handshake and the frames are the real ones; the network and the chances come from a seed.
//!
//! A failing seed is printed; `WS_SEED=n` runs it alone, `WS_SEEDS=n` runs so many.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::connector::Connect;
use crate::dial::{DialError, Dialer, Socket, SocketLimits, Target};
use crate::machine::{Fault, Random, Server};
use crate::{Client, Event, Gap, PublishError, Subscription};

const URL: &str = "ws://model/ws";
const WALL: u64 = 1_795_900_000_000;
const HEARTBEAT: Duration = Duration::from_secs(20);
const CHANNELS: [&str; 2] = ["a", "b"];

/// Numbers from a seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// What the model, the network and the test share.
struct World {
    began: Instant,
    state: Mutex<State>,
    /// The model has frames to send, or a connection is to end.
    changed: Notify,
}

struct State {
    server: Server,
    dice: Dice,
    attempt: u64,
    /// The current connection ends now.
    cut: bool,
    /// Per cent.
    trouble: u64,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn wall(&self) -> u64 {
        WALL + u64::try_from(self.began.elapsed().as_millis()).expect("small")
    }

    fn append(&self, channel: &str, data: Value) {
        let now = self.wall();
        self.lock().server.append(channel, None, data, now);
        self.changed.notify_waiters();
    }
}

#[derive(Clone)]
struct Network(Arc<World>);

impl Connect for Network {
    fn connect(&self, within: Duration) -> BoxFuture<'static, Result<Socket, DialError>> {
        let world = self.0.clone();
        let dialer = Dialer::new(Target::parse(URL).expect("a URL"), None, SocketLimits::default());
        async move {
            let refused = {
                let mut state = world.lock();
                let trouble = state.trouble;
                state.dice.below(100) < trouble
            };
            let (near, far) = tokio::io::duplex(4 * 1024);
            if refused {
                drop(far);
            } else {
                tokio::spawn(serve(world, far));
            }
            dialer.over(Box::new(near), within).await
        }
        .boxed()
    }
}

/// One connection of the model.
async fn serve(world: Arc<World>, stream: DuplexStream) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    let attempt = {
        let mut state = world.lock();
        state.attempt += 1;
        let (attempt, now) = (state.attempt, world.wall());
        state.cut = false;
        state.server.accept(attempt, now);
        attempt
    };
    loop {
        let changed = world.changed.notified();
        if !send_all(&world, attempt, &mut socket).await {
            return;
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => receive(&world, attempt, &text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
            () = changed => {}
            () = sleep(HEARTBEAT) => {
                let is_dead = world.lock().server.connection.as_ref().is_none_or(|connection| connection.is_dead);
                if !is_dead && socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn receive(world: &World, attempt: u64, text: &str) {
    let now = world.wall();
    let mut state = world.lock();
    if state.attempt != attempt {
        return;
    }
    let (trouble, roll, kind) = (state.trouble, state.dice.below(100), state.dice.below(4));
    let fault = match kind {
        _ if roll >= trouble => Fault::None,
        0 => Fault::RateLimited,
        1 => Fault::Overloaded,
        nth => Fault::Unavailable { published: nth == 2 },
    };
    state.server.receive(text, now, fault);
}

/// Whether the connection goes on.
async fn send_all(world: &World, attempt: u64, socket: &mut WebSocketStream<DuplexStream>) -> bool {
    loop {
        let (frame, pause) = {
            let mut state = world.lock();
            if state.attempt != attempt || state.cut {
                return false;
            }
            let pause = state.dice.below(20);
            let Some(connection) = &mut state.server.connection else { return false };
            let Some(frame) = connection.frames.pop_front() else { return true };
            if let Some(id) = frame["id"].as_str() {
                connection.unanswered.remove(id);
            }
            (frame, pause)
        };
        sleep(Duration::from_millis(pause)).await;
        if world.lock().cut || socket.send(Message::text(frame.to_string())).await.is_err() {
            return false;
        }
    }
}

fn world(seed: u64) -> Arc<World> {
    let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let state = State { server: Server::default(), dice, attempt: 0, cut: false, trouble: 3 + seed % 15 };
    Arc::new(World { began: Instant::now(), state: Mutex::new(state), changed: Notify::new() })
}

fn start(world: &Arc<World>, seed: u64) -> Client {
    let clock = world.clone();
    let mut dice = Dice(seed.wrapping_add(77).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let random =
        Random::new(move || f64::from(u32::try_from(dice.below(1 << 20)).expect("small")) / f64::from(1 << 20));
    let wall = Box::new(move || clock.wall());
    Client::builder(URL).start_with(URL.to_owned(), Box::new(Network(world.clone())), wall, random).expect("it starts")
}

/// Reads a channel until its top, slowly, and checks that nothing is missing, twice or out of order.
async fn read(world: Arc<World>, channel: &'static str, mut events: Subscription<Value>, done: Arc<Notify>) {
    let (mut at, mut ends) = (None::<u64>, false);
    let waits = done.notified();
    tokio::pin!(waits);
    loop {
        let top = world.lock().server.streams.get(channel).map(|stream| stream.top);
        if ends && at == top {
            return;
        }
        let event = tokio::select! {
            event = events.next() => event.expect("the client runs"),
            () = &mut waits, if !ends => {
                ends = true;
                continue;
            }
        };
        match event {
            Event::Publication(publication) => {
                let offset = publication.position.expect("a channel with history").offset;
                assert!(at.is_none_or(|at| offset == at + 1), "{channel}: {offset} after {at:?}");
                let state = world.lock();
                let published = state.server.streams[channel].log.iter().find(|one| one.offset == offset);
                assert_eq!(published.map(|one| &one.data), Some(&publication.data));
                at = Some(offset);
            }
            Event::Gap(Gap::Offsets { from, to }) => {
                assert_eq!(Some(from), at.map(|at| at + 1), "{channel}");
                assert!(to < world.lock().server.streams[channel].first, "{channel}: {to} is still there");
                at = Some(to);
            }
            Event::Live { position, .. } => at = position.map(|position| position.offset),
            other => panic!("{other:?}"),
        }
        let pause = world.lock().dice.below(30);
        sleep(Duration::from_millis(pause)).await;
    }
}

async fn run(seed: u64) {
    let world = world(seed);
    let client = start(&world, seed);
    let done = Arc::new(Notify::new());
    let mut readers = Vec::new();
    for channel in CHANNELS {
        for rewind in [0, 3] {
            let events = client.channel::<Value>(channel).subscribe().rewind(rewind).start();
            readers.push(tokio::spawn(read(world.clone(), channel, events, done.clone())));
        }
    }
    let mut published = Vec::new();
    for n in 0..60_u64 {
        let (pause, roll, nth) = {
            let mut state = world.lock();
            (state.dice.below(400), state.dice.below(100), state.dice.below(2))
        };
        sleep(Duration::from_millis(pause)).await;
        let channel = CHANNELS[usize::from(nth == 1)];
        match roll {
            0..=69 => {
                let end = client.channel::<Value>(channel).publish(&json!({"mine": n}));
                published.push((channel, n, tokio::spawn(end)));
            }
            70..=84 => world.append(channel, json!({"other": n})),
            85..=92 => {
                world.lock().cut = true;
                world.changed.notify_waiters();
            }
            93..=95 => {
                if let Some(connection) = &mut world.lock().server.connection {
                    connection.is_dead = true;
                }
            }
            _ => client.wake(),
        }
    }
    world.lock().trouble = 0;
    let mut outcomes = Vec::new();
    for (channel, n, end) in published {
        outcomes.push((channel, n, end.await.expect("no panic")));
    }
    sleep(Duration::from_secs(100)).await;
    CHANNELS.iter().for_each(|channel| world.append(channel, json!("the end")));
    done.notify_waiters();
    for reader in readers {
        reader.await.expect("what was read is right");
    }
    judge(&world, &outcomes);
    client.close(Duration::ZERO).await.expect("nothing is left");
}

fn judge(world: &World, outcomes: &[(&str, u64, Result<crate::Ack, PublishError>)]) {
    let state = world.lock();
    for (channel, n, outcome) in outcomes {
        let mine = |data: &Value| data["mine"] == *n;
        let log = state.server.streams.get(*channel).map(|stream| stream.log.as_slice()).unwrap_or_default();
        let times = log.iter().filter(|one| mine(&one.data)).count();
        match outcome {
            Ok(ack) => {
                assert_eq!(times, 1, "{n} was acknowledged");
                let offset = ack.position.as_ref().map(|position| position.offset);
                assert_eq!(log.iter().find(|one| mine(&one.data)).map(|one| one.offset), offset);
            }
            Err(PublishError::Unknown) => assert!(times <= 1, "{n}: {times} times"),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    for (channel, stream) in &state.server.streams {
        let numbers: Vec<_> = stream.log.iter().filter_map(|one| one.data["mine"].as_u64()).collect();
        assert!(numbers.is_sorted(), "out of order in {channel}: {numbers:?}");
    }
}

#[test]
fn whatever_happens_to_the_whole_client() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match number("WS_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("WS_SEEDS").unwrap_or(1_000),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let hour = Duration::from_secs(3_600);
            runtime.expect("a runtime").block_on(async { timeout(hour, run(seed)).await.expect("it comes to an end") });
        });
        assert!(
            run.is_ok(),
            "seed {seed}: WS_SEED={seed} cargo test -p ws-client whatever_happens_to_the_whole_client"
        );
    }
}
