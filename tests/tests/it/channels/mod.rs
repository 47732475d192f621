//! PROTOCOL, "Actions" and "Channels": the actions and events of channels, as clients see them.
//!
//! Not covered here: recovery and slow readers.

mod bounds;
mod checks;
mod data;
mod duplicates;
mod history;
mod join_leave;
mod metrics;
mod namespaces;
mod paging;
mod permissions;
mod presence;
mod publish;
mod subscribe;
mod unsubscribe;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use ws_server::config::{Channels, Config};
use ws_tests::prelude::*;

/// The channel of most tests.
const ROOM: &str = "room";

/// Adds a namespace with the default options and `change`.
fn namespace(config: &mut Config, name: &str, change: impl FnOnce(&mut Channels)) {
    let mut options = Channels::default();
    change(&mut options);
    config.namespaces.insert(name.to_owned(), options);
}

/// A server with the namespace `live`, which keeps no history, and without an error budget.
async fn without_history() -> Server {
    Server::with(|config| {
        config.limits.errors_max = 0;
        namespace(config, "live", |options| options.history_size = 0);
    })
    .await
}

async fn subscribe(client: &mut Client, channel: &str) -> Value {
    client.ask("subscribe", json!({"channel": channel})).await
}

async fn unsubscribe(client: &mut Client, channel: &str) {
    assert_eq!(client.ask("unsubscribe", json!({"channel": channel})).await, json!({"channel": channel}));
}

async fn publish(client: &mut Client, channel: &str, data: impl Into<Value>) -> Value {
    client.ask("publish", json!({"channel": channel, "data": data.into()})).await
}

/// Publishes the numbers from 1 to `count`, all requests together.
async fn publish_numbers(client: &mut Client, channel: &str, count: usize) {
    let request =
        |n| json!({"id": "p", "type": "request", "action": "publish", "payload": {"channel": channel, "data": n}});
    client.texts((1..=count).map(|n| request(n).to_string())).await;
    for _ in 0..count {
        let answer = client.answer("p").await;
        assert_eq!(answer["type"], "response", "{answer}");
    }
}

async fn history(client: &mut Client, payload: Value) -> Value {
    client.ask("get_history", payload).await
}

async fn presence(client: &mut Client, channel: &str) -> Value {
    client.ask("get_presence", json!({"channel": channel})).await
}

/// The connection ids of a presence page.
fn ids(presence: &Value) -> Vec<&str> {
    let clients = presence["clients"].as_array().expect("a list");
    clients.iter().map(|client| client["connection_id"].as_str().expect("an id")).collect()
}

/// The offsets of publications, or of a page of them.
fn offsets(publications: &Value) -> Vec<u64> {
    let list = publications["publications"].as_array().expect("a list");
    list.iter().map(|entry| entry["offset"].as_u64().expect("an offset")).collect()
}

/// Reads publications of this channel until one with this data has come; nothing else may come before it.
async fn only_publications_until(client: &mut Client, channel: &str, data: &Value) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let event = client.event("publication").await;
        assert_eq!(event["channel"], channel, "{event}");
        let is_last = event["data"] == *data;
        seen.push(event);
        if is_last {
            return seen;
        }
    }
}

/// A publisher that publishes in a channel all the time.
struct Storm {
    end: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Storm {
    async fn begin(server: &Server, channel: &'static str) -> Self {
        let (end, mut client) = (Arc::new(AtomicBool::new(false)), server.connect().await);
        let ended = end.clone();
        let task = tokio::spawn(async move {
            let mut published = 0;
            while !ended.load(Ordering::Relaxed) {
                publish_numbers(&mut client, channel, 4).await;
                published += 4;
            }
            published
        });
        Storm { end, task }
    }

    /// Stops it, and returns how much was published.
    async fn end(self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        within("the publisher to end", self.task).await.expect("the publisher ends well")
    }
}
