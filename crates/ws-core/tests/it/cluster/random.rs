//! Random clients, servers that are cut off or die, and answers that come late: in the end everybody has counted right,
//! and has heard the same.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::advance;

use super::{Client, Servers, answer_of, joining, limits, say, seen};

const SERVERS: usize = 3;

#[derive(Debug, Clone)]
enum Op {
    Connect {
        server: usize,
    },
    Disconnect {
        who: usize,
    },
    /// Subscribes, or unsubscribes.
    Toggle {
        who: usize,
    },
    Broadcast {
        who: usize,
    },
    Away {
        server: usize,
    },
    Kill {
        server: usize,
    },
    Back {
        server: usize,
    },
    Hold,
    LetGo,
    Settle,
    /// All is back, and everything arrives.
    Quiet,
}

fn op() -> impl Strategy<Value = Op> {
    let (who, server) = (any::<usize>(), 0..SERVERS);
    prop_oneof![
        3 => server.clone().prop_map(|server| Op::Connect { server }),
        1 => who.prop_map(|who| Op::Disconnect { who }),
        8 => who.prop_map(|who| Op::Toggle { who }),
        4 => who.prop_map(|who| Op::Broadcast { who }),
        1 => server.clone().prop_map(|server| Op::Away { server }),
        1 => server.clone().prop_map(|server| Op::Kill { server }),
        2 => server.prop_map(|server| Op::Back { server }),
        1 => Just(Op::Hold),
        6 => Just(Op::LetGo),
        4 => Just(Op::Settle),
        1 => Just(Op::Quiet),
    ]
}

/// A client that counts who is in the channel from what it is told.
struct Watcher {
    client: Client,
    is_subscribed: bool,
    /// How many it thinks are there; `None`: it was never told.
    count: Option<i64>,
    heard: Vec<u64>,
}

impl Watcher {
    fn connect(servers: &Servers, server: usize) -> Self {
        Watcher { client: servers.connect(server), is_subscribed: false, count: None, heard: Vec::new() }
    }

    fn say(&mut self, action: &str, payload: &Value) {
        if !self.client.session.is_holding() {
            say(&mut self.client, action, payload);
        }
    }

    async fn look(&mut self) -> Vec<Value> {
        let own = self.client.connection.id().to_string();
        let frames = seen(&mut self.client).await;
        for frame in &frames {
            let data = &frame["data"];
            match (frame["id"].as_str(), data["event"].as_str()) {
                (Some("subscribe"), _) => self.is_subscribed |= data["channel"].is_string(),
                (Some("unsubscribe"), _) => (self.is_subscribed, self.count) = (false, None),
                (_, Some("join" | "leave")) => {
                    assert!(data["client"]["connection_id"] != own.as_str(), "its own: {frame}");
                    let change = if data["event"] == "join" { 1 } else { -1 };
                    self.count = self.count.map(|count| count + change);
                }
                (_, Some("presence")) => self.count = data["connections"].as_i64(),
                (_, Some("broadcast")) => self.heard.push(data["message"].as_u64().expect("a number")),
                (_, Some("gap")) => panic!("nothing is gone: {frame}"),
                _ => {}
            }
        }
        frames
    }
}

struct World {
    servers: Servers,
    watchers: Vec<Watcher>,
    sent: u64,
}

impl World {
    async fn apply(&mut self, op: Op) {
        let (len, store) = (self.watchers.len(), self.servers.store.clone());
        match op {
            Op::Connect { server } if len < 12 => self.watchers.push(Watcher::connect(&self.servers, server)),
            // The first ones stay throughout.
            Op::Disconnect { who } if len > SERVERS => {
                drop(self.watchers.swap_remove(SERVERS + who % (len - SERVERS)));
            }
            Op::Toggle { who } => {
                let watcher = &mut self.watchers[who % len];
                let action = if watcher.is_subscribed { "unsubscribe" } else { "subscribe" };
                watcher.say(action, &json!({"channel": "a"}));
            }
            Op::Broadcast { who } => {
                self.sent += 1;
                self.watchers[who % len].say("broadcast", &json!({"message": self.sent}));
            }
            Op::Away { server } => self.servers.set_away(server, true),
            Op::Kill { server } => store.kill(&self.servers.nodes[server]),
            Op::Back { server } => self.servers.come_back(server),
            Op::Hold => store.hold(),
            Op::LetGo => drop(store.let_go()),
            Op::Settle => self.look().await,
            Op::Quiet => self.quiet().await,
            Op::Connect { .. } | Op::Disconnect { .. } => {}
        }
    }

    async fn look(&mut self) {
        for watcher in &mut self.watchers {
            watcher.look().await;
        }
    }

    async fn quiet(&mut self) {
        self.servers.store.release();
        (0..SERVERS).for_each(|server| self.servers.come_back(server));
        for _ in 0..3 {
            self.look().await;
            advance(Duration::from_secs(2)).await;
        }
        let expect = self.watchers.iter().filter(|watcher| watcher.is_subscribed).count() as i64;
        let all = self.watchers[0].heard.clone();
        for watcher in &mut self.watchers {
            assert!(all.ends_with(&watcher.heard), "{:?} is no end of {all:?}", watcher.heard);
            if !watcher.is_subscribed {
                continue;
            }
            assert_eq!(watcher.count.unwrap_or(expect), expect, "from what it was told");
            watcher.say("get_presence", &json!({"channel": "a"}));
            let page = answer_of(&watcher.look().await, "get_presence").expect("an answer").expect("a page");
            assert_eq!(
                (page["connections"].as_i64(), page["clients"].as_array().map(Vec::len)),
                (Some(expect), Some(expect as usize))
            );
            watcher.count = Some(expect);
        }
        assert!(self.watchers[..SERVERS].iter().all(|watcher| watcher.heard == all), "who was there has heard all");
    }
}

async fn play(ops: Vec<Op>, join_leave_max: usize) {
    let servers = Servers::start(SERVERS, limits(), &[("", joining(join_leave_max))]);
    let watchers = (0..SERVERS).map(|server| Watcher::connect(&servers, server)).collect();
    let mut world = World { servers, watchers, sent: 0 };
    for op in ops {
        world.apply(op).await;
    }
    world.quiet().await;
    world.watchers.clear();
    crate::client::settle().await;
    assert!(world.servers.hubs.iter().all(|hub| hub.channels() == 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_all_have_counted_right_and_heard_the_same(
        ops in proptest::collection::vec(op(), 1..120),
        join_leave_max in prop_oneof![Just(3usize), Just(100)],
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(play(ops, join_leave_max));
    }
}
