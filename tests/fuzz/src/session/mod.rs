//! Several clients of a hub, without a network and with a paused clock. Whatever they send, and in whatever order sockets,
//! engine and time advance, the rules of PROTOCOL hold (`view`), the counts are right, and nothing is left at the end.

mod client;
mod engine;
mod hub;
mod plan;
mod view;

use std::collections::HashMap;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use tokio::runtime::Builder;
use tokio::time::advance;
use ws_core::{Hub, Refusal};

use self::client::{Client, LOCAL};
use self::engine::Late;
use self::hub::start;
use self::plan::{Op, Plan, Token, channel};

/// The most clients at a time, and the most operations in a run.
const CLIENTS_MAX: usize = 6;
const OPS_MAX: usize = 64;

/// Rounds after which everything is answered, once the sockets have room and the engine answers at once.
const ROUNDS_MAX: usize = 64;

/// Runs the operations that the bytes encode.
pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (hub, engine) = start(plan.terms());
        World { hub, engine, clients: Vec::new(), said: 0, anonymous: plan.terms().anonymous }.play(&plan).await;
    });
}

struct World {
    hub: Hub,
    engine: Late,
    clients: Vec<Client>,
    /// Number of texts so far, which is the next id.
    said: usize,
    anonymous: bool,
}

impl World {
    async fn play(mut self, plan: &Plan<'_>) {
        for op in plan.ops.iter().take(OPS_MAX) {
            self.act(op).await;
            self.look();
        }
        self.finish().await;
        self.clients.clear();
        run_until_idle().await;
        self.look();
        assert_eq!((self.hub.channels(), self.hub.log_bytes()), (0, 0), "something is left");
    }

    async fn act(&mut self, op: &Op<'_>) {
        match op {
            Op::Connect { room, token, app } => self.connect((*room).into(), token.as_ref(), *app),
            Op::Say { who, text } => {
                let mut epochs: Vec<_> =
                    self.clients.iter().flat_map(|client| &client.view().epochs).cloned().collect();
                epochs.sort();
                epochs.dedup();
                self.said += 1;
                let text = text.written(self.said, &epochs);
                self.with(*who, |client| client.say(text));
            }
            Op::Room { who, bytes } => self.with(*who, |client| client.make_room((*bytes).into())),
            Op::RunUntilIdle => run_until_idle().await,
            Op::Pass { ms } => pass(Duration::from_millis((*ms).into())).await,
            Op::PassSeconds { s } => {
                for _ in 0..s / 8 {
                    pass(Duration::from_secs(8)).await;
                    self.clients.iter().for_each(Client::live);
                    self.look();
                }
            }
            Op::Drop { who } if !self.clients.is_empty() => {
                drop(self.clients.remove(usize::from(*who) % self.clients.len()));
            }
            Op::Drop { .. } => {}
            Op::Late { late } => self.engine.set_late(*late),
            Op::LetGo { calls } => (0..calls % 8).for_each(|_| _ = self.engine.let_go()),
            Op::Remove { channel: nth } => self.hub.engine().remove(channel(*nth), Box::new(drop)),
            Op::Drain => self.hub.drain(Duration::from_millis(500), Duration::from_secs(5)),
        }
    }

    fn with(&mut self, who: u8, f: impl FnOnce(&mut Client)) {
        let len = self.clients.len().max(1);
        if let Some(client) = self.clients.get_mut(usize::from(who) % len) {
            f(client);
        }
    }

    fn connect(&mut self, room: usize, token: Option<&Token<'_>>, app: bool) {
        if self.clients.len() == CLIENTS_MAX {
            return;
        }
        let token = token.map(Token::written);
        let limits = *self.hub.limits();
        // Unauthenticated connections with their own limit take no slots.
        let apart = limits.unauthenticated_max > 0;
        let slots = self.clients.len() - if apart { self.unauthenticated() } else { 0 };
        let needs_slot = self.anonymous || token.is_some() || !apart;
        match self.hub.admit(LOCAL, token.is_some()) {
            Ok(permit) => {
                assert!(!self.hub.is_draining());
                assert!(!needs_slot || limits.connections_max == 0 || slots < limits.connections_max);
                self.clients.extend(Client::open(&self.hub, permit, room, token.as_deref(), app));
            }
            Err(Refusal::Draining) => assert!(self.hub.is_draining()),
            Err(Refusal::Full) => assert!(needs_slot && slots == limits.connections_max),
            Err(Refusal::Unauthenticated) => {
                assert!(!self.anonymous && token.is_none());
                assert_eq!(self.unauthenticated(), limits.unauthenticated_max);
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn unauthenticated(&self) -> usize {
        self.clients.iter().filter(|client| client.is_unauthenticated()).count()
    }

    /// Runs every client, removes the closed ones, and compares the counts.
    fn look(&mut self) {
        self.clients.iter_mut().for_each(Client::wake);
        self.clients.retain(|client| !client.has_ended());
        let (open, unauthenticated) = (self.clients.len(), self.unauthenticated());
        assert!(!self.anonymous || unauthenticated == 0);
        let counts = (self.hub.admitted(), self.hub.connections(), self.hub.unauthenticated());
        assert_eq!(counts, (open, open - unauthenticated, unauthenticated), "admitted, connections, unauthenticated");
    }

    /// With room in every socket and an engine that answers at once, no request keeps waiting, and all are answered.
    async fn finish(&mut self) {
        self.engine.set_late(false);
        let mut before = None;
        for _ in 0..ROUNDS_MAX {
            self.clients.iter_mut().for_each(|client| client.make_room(1 << 20));
            run_until_idle().await;
            self.look();
            let now = (self.clients.len(), self.clients.iter().map(|client| client.view().seen).sum::<u64>());
            if before.replace(now) == Some(now) && self.clients.iter().all(Client::is_quiet) {
                break;
            }
        }
        assert!(self.clients.iter().all(Client::is_quiet), "an answer is owed: {:#?}", self.clients);
        let mut next = HashMap::new();
        for (channel, offset) in self.clients.iter().flat_map(|client| client.view().cursors()) {
            let first = *next.entry(channel).or_insert(offset);
            assert_eq!(first, offset, "readers of {channel} are at different cursors");
        }
    }
}

async fn pass(time: Duration) {
    advance(time).await;
    run_until_idle().await;
}

/// Lets the hub's tasks run until they are idle, without time passing.
async fn run_until_idle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
