//! Short stories with a name, each one a test and a trace.

mod channels;
mod connection;
mod outbox;
mod pace;
mod store;
mod tokens;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use super::script::{Script, Trace};

/// Name, what it shows, options, the story.
type Scenario = (&'static str, &'static str, Value, Box<dyn Fn(&mut Script)>);

/// Tells every story.
pub(super) fn all() -> Vec<Trace> {
    let parts: [fn() -> Vec<Scenario>; 6] = [
        connection::scenarios,
        channels::scenarios,
        outbox::scenarios,
        pace::scenarios,
        store::scenarios,
        tokens::scenarios,
    ];
    let (mut traces, mut failed) = (Vec::new(), Vec::new());
    for (name, about, options, story) in parts.into_iter().flat_map(|part| part()) {
        let mut script = Script::new(name, about, options, 7);
        // So that one run shows all that fail.
        match catch_unwind(AssertUnwindSafe(|| story(&mut script))) {
            Ok(()) => traces.push(script.trace),
            Err(_) => failed.push(name),
        }
    }
    assert!(failed.is_empty(), "stories that go otherwise: {failed:?}");
    traces
}

/// One of them.
fn story(name: &'static str, about: &'static str, options: Value, story: impl Fn(&mut Script) + 'static) -> Scenario {
    (name, about, options, Box::new(story))
}

fn plain() -> Value {
    json!({"provider": false, "store": false})
}

fn with_provider() -> Value {
    json!({"provider": true, "store": false})
}

fn with_store() -> Value {
    json!({"provider": false, "store": true})
}

/// Connected as the anonymous user, by its first use.
fn connect(s: &mut Script) {
    s.put(json!({"wake": {}}));
    s.pass(5).greet(1);
    s.is("connected");
}

/// A channel with history, live at offset 4; its request had this id.
fn live(s: &mut Script, reader: u64, channel: &str, id: u64) {
    s.put(json!({"subscribe": {"reader": reader, "channel": channel}}));
    s.sends(&["subscribe"]);
    s.pass(3).respond(1, id, at(channel, 4, 4));
    assert_eq!(s.one("deliver")["event"]["type"], "live");
}

/// Data of a `subscribe` response, in the epoch `e`.
fn at(channel: &str, after: u64, top: u64) -> Value {
    json!({"channel": channel, "epoch": "e", "offset": top, "after": after})
}

fn publication(channel: &str, offset: u64) -> Value {
    json!({"event": "publication", "channel": channel, "offset": offset, "data": {"n": offset}, "time": 1_795_900_000_000_u64,
           "from": {"connection_id": "7f1c2d3e-0000-4000-8000-000000000002", "user": "bob"}})
}

fn publish(msg_id: &str, channel: &str) -> Value {
    json!({"publish": {"msg_id": msg_id, "channel": channel, "data": format!("\"{msg_id}\"")}})
}

/// Data of a `publish` response.
fn published(channel: &str, offset: u64) -> Value {
    json!({"channel": channel, "epoch": "e", "offset": offset, "ack": "memory", "duplicate": false})
}

fn error(code: &str, retryable: bool) -> Value {
    json!({"code": code, "message": "because", "retryable": retryable})
}

fn rate_limited(ms: u64) -> Value {
    json!({"code": "rate_limited", "message": "slower", "retryable": true, "retry_after_ms": ms})
}

fn ended(attempt: u64, code: u16) -> Value {
    json!({"ended": {"attempt": attempt, "code": code}})
}
