//! PROTOCOL, "Claude": runs over the fake of the provider's API, as clients see them.
//!
//! Not covered here: what the provider's bytes mean (`ws-claude`), and what a run does while its engine is away (there too,
//! in paused time).

mod asking;
mod context;
mod durable;
mod ends;
mod limits;
mod operator;
mod rights;
mod streaming;

use ws_claude::upstream::BaseUrl;
use ws_server::config::{Config, Secret};
use ws_tests::fake_claude::{FakeClaude, Gate, KEY, Script};
use ws_tests::prelude::*;
use ws_tests::token::accept;

/// The channel of most tests.
const ROOM: &str = "room";

/// Lets the server ask the fake.
fn ask_fake(config: &mut Config, claude: &FakeClaude) {
    config.claude.api_key = Some(Secret::new(KEY));
    config.claude.base_url = BaseUrl::parse(&claude.url()).expect("a URL");
    config.limits.errors_max = 0;
}

/// A fake, and a server that asks it.
async fn start() -> (FakeClaude, Server) {
    with(|_| {}).await
}

/// The same with some of the configuration changed.
async fn with(change: impl FnOnce(&mut Config)) -> (FakeClaude, Server) {
    let claude = FakeClaude::start().await;
    let server = Server::with(|config| {
        ask_fake(config, &claude);
        change(config);
    })
    .await;
    (claude, server)
}

/// A client that is subscribed to the room.
async fn member(server: &Server) -> Client {
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": ROOM})).await;
    client
}

async fn ask(client: &mut Client, prompt: &str) -> Value {
    client.ask("ask_claude", json!({"channel": ROOM, "prompt": prompt})).await
}

/// Subscribes to a run's stream, from its beginning.
async fn follow(client: &mut Client, run: &Value) -> Value {
    let since = json!({"epoch": run["stream_epoch"], "offset": 0});
    client.ask("subscribe", json!({"channel": run["stream"], "since": since})).await
}

/// The next publication in a channel, from Claude.
async fn next_in(client: &mut Client, channel: &str) -> Value {
    loop {
        let event = client.event("publication").await;
        if event["channel"] == channel {
            assert_eq!(event["from"]["service"], "claude", "{event}");
            return event;
        }
    }
}

/// The data of the `finished` in the room.
async fn finished(client: &mut Client) -> Value {
    loop {
        let event = next_in(client, ROOM).await;
        if event["data"]["claude"] == "finished" {
            return event["data"].clone();
        }
    }
}

/// What a stream says up to its end: the text, and the data of its `finished`. Its pieces are numbered without a hole.
async fn read_stream(client: &mut Client, stream: &str) -> (String, Value) {
    let (mut text, mut next) = (String::new(), None::<u64>);
    loop {
        let event = next_in(client, stream).await;
        let data = &event["data"];
        match data["claude"].as_str() {
            Some("text" | "thinking") => {
                let index = data["index"].as_u64().expect("a number");
                assert!(next.is_none_or(|next| next == index), "{data}");
                next = Some(index + 1);
                if data["claude"] == "text" {
                    text.push_str(data["text"].as_str().expect("text"));
                }
            }
            Some("retrying") => {}
            Some("finished") => return (text, data.clone()),
            _ => panic!("nothing of a run: {event}"),
        }
    }
}

/// All publications of a channel's history: their data.
async fn history(client: &mut Client, channel: &str) -> Vec<Value> {
    let page = client.ask("get_history", json!({"channel": channel, "limit": 1000})).await;
    assert_eq!(page["more"], false, "{page}");
    page["publications"].as_array().expect("a list").iter().map(|entry| entry["data"].clone()).collect()
}

fn stream_of(run: &Value) -> String {
    run["stream"].as_str().expect("a name").to_owned()
}
