//! Several hubs over one store, in one process: what each knows of the others.

mod api;
mod broadcasts;
mod connections;
mod node;
mod outages;
mod presence;
mod random;
mod store;
mod users;

use std::sync::Arc;

use serde_json::{Value, json};
use ws_core::engine::Publication;
use ws_core::{ChannelOptions, Clock, Flow, Hub, Limits};

pub(crate) use self::node::Node;
pub(crate) use self::store::Store;
use crate::client::{Client, hub_at, limits, options, settle};
use crate::tokens::terms;

const PLENTY: usize = 1 << 30;

/// Some hubs over one store. Anonymous connections are let in; tokens are taken as the tests of tokens do.
pub(crate) struct Servers {
    pub(crate) store: Arc<Store>,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) hubs: Vec<Hub>,
}

impl Servers {
    /// So many, with these limits and namespaces.
    pub(crate) fn start(count: usize, limits: Limits, named: &[(&str, ChannelOptions)]) -> Self {
        let store = Store::new();
        let nodes: Vec<_> = (0..count).map(|_| store.node()).collect();
        let hub = |node: &Arc<Node>| hub_at(Clock::start(), limits, named, node.clone(), terms(true));
        let hubs = nodes.iter().map(hub).collect();
        Servers { store, nodes, hubs }
    }

    /// An anonymous client of a server.
    fn connect(&self, server: usize) -> Client {
        Client::connect(&self.hubs[server], PLENTY)
    }

    /// A client of a server that is subscribed to a channel.
    async fn subscriber(&self, server: usize, channel: &str) -> Client {
        let mut client = self.connect(server);
        ask(&mut client, "subscribe", &json!({"channel": channel})).await.expect("it is subscribed");
        client
    }

    /// The store is back at a server, if it was away.
    fn come_back(&self, server: usize) {
        if self.nodes[server].is_away() {
            self.set_away(server, false);
        }
    }

    /// The store is away from a server, or back.
    fn set_away(&self, server: usize, is_away: bool) {
        self.store.set_away(&self.nodes[server], is_away);
    }
}

/// Says something, without waiting.
fn say(client: &mut Client, action: &str, payload: &Value) -> Flow {
    client.say(&json!({"id": action, "type": "request", "action": action, "payload": payload}).to_string())
}

/// What the client has got, without greetings.
async fn seen(client: &mut Client) -> Vec<Value> {
    for _ in 0..4 {
        settle().await;
        client.go_on_to_next();
    }
    client.read().into_iter().filter(|frame| frame["data"]["event"] != "connected").collect()
}

/// The answer among these frames: the data of a response, or the code of an error.
fn answer_of(frames: &[Value], action: &str) -> Option<Result<Value, String>> {
    let answer = frames.iter().find(|frame| frame["id"] == action)?;
    Some(match answer["error"]["code"].as_str() {
        None => Ok(answer["data"].clone()),
        Some(code) => Err(code.to_owned()),
    })
}

/// The answer to a request. Everything else that has come is dropped.
async fn ask(client: &mut Client, action: &str, payload: &Value) -> Result<Value, String> {
    say(client, action, payload);
    answer_of(&seen(client).await, action).expect("an answer")
}

/// The events that a client has got, without those of publications.
async fn events(client: &mut Client) -> Vec<Value> {
    let frames = seen(client).await.into_iter().map(|frame| frame["data"].clone());
    frames.filter(|data| data["event"].is_string() && data["event"] != "publication").collect()
}

/// A namespace with joins and leaves, told one by one up to so many.
fn joining(max: usize) -> ChannelOptions {
    ChannelOptions { join_leave: true, join_leave_max: max, ..options() }
}

#[tokio::test(start_paused = true)]
async fn what_one_publishes_all_get_and_who_was_away_catches_up() {
    let servers = Servers::start(3, limits(), &[]);
    let mut clients = Vec::new();
    for server in 0..3 {
        clients.push(servers.subscriber(server, "a").await);
    }
    let publish = |n: u64| json!({"channel": "a", "data": n});
    assert!(ask(&mut clients[0], "publish", &publish(1)).await.is_ok());
    servers.set_away(2, true);
    say(&mut clients[1], "publish", &publish(2));
    assert_eq!(ask(&mut clients[2], "publish", &publish(3)).await, Err("engine_unavailable".to_owned()));
    servers.set_away(2, false);
    servers.store.hold();
    say(&mut clients[1], "publish", &publish(3));
    assert!(servers.store.let_go() && !servers.store.let_go(), "the answer has waited");
    servers.store.release();
    for (client, expect) in clients.iter_mut().zip([&[2, 3][..], &[1, 2, 3], &[2, 3]]) {
        let frames = seen(client).await;
        let data: Vec<_> = frames.iter().filter_map(|frame| frame["data"]["data"].as_u64()).collect();
        assert_eq!(data, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_without_history_publishes_is_told_and_counts_for_nothing() {
    let servers = Servers::start(1, limits(), &[]);
    let mut client = servers.subscriber(0, "a").await;
    let mut publisher = servers.connect(0);
    let publish = |n: u64| json!({"channel": "a", "data": n});
    ask(&mut publisher, "publish", &publish(1)).await.expect("it is published");
    let body = br#""data":2,"time":1700000000000}"#[..].into();
    servers.nodes[0].sink().deliver("a", &Publication { offset: None, body }, None);
    ask(&mut publisher, "publish", &publish(3)).await.expect("it is published");
    let frames = seen(&mut client).await;
    let told: Vec<_> =
        frames.iter().map(|frame| (frame["data"]["data"].as_u64(), frame["data"]["offset"].as_u64())).collect();
    assert_eq!(told, [(Some(1), Some(1)), (Some(2), None), (Some(3), Some(2))], "{frames:?}");
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_count_before_the_position_is_known() {
    let servers = Servers::start(1, limits(), &[]);
    let mut client = servers.connect(0);
    servers.store.hold();
    say(&mut client, "subscribe", &json!({"channel": "a"}));
    settle().await;
    let body = br#""data":1,"time":1700000000000}"#[..].into();
    servers.nodes[0].sink().deliver("a", &Publication { offset: None, body }, None);
    servers.store.release();
    let frames = seen(&mut client).await;
    let answer = answer_of(&frames, "subscribe").expect("an answer").expect("it is subscribed");
    assert_eq!(answer["offset"], 0, "{answer}");
}
