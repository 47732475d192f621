//! Against a server of the test's own, which says what a real one does.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::machine::Gap;
use crate::timers::Timers;

const STREAM: &str = "claude:room/r1";

struct Server(WebSocketStream<TcpStream>);

impl Server {
    async fn accept(listener: &TcpListener) -> Self {
        Server::accept_as(listener, Value::Null).await
    }

    async fn accept_as(listener: &TcpListener, user: Value) -> Self {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut server = Server(accept_async(stream).await.expect("a WebSocket"));
        server
            .say(json!({"type": "notification", "data": {
                "event": "connected", "connection_id": "7f1c2d3e-0000-4000-8000-000000000001", "protocol": 1,
                "server": "test", "time": 1, "user": user, "heartbeat": {"interval_ms": 25_000, "timeout_ms": 10_000},
                "limits": {"message_bytes_max": 65_536, "channels_max": 128}}}))
            .await;
        server
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.expect("it is open");
    }

    /// The next request: its id, action and payload.
    async fn request(&mut self) -> (Value, String, Value) {
        loop {
            if let Message::Text(text) = self.0.next().await.expect("it is open").expect("a frame") {
                let mut frame: Value = serde_json::from_str(&text).expect("JSON");
                let action = frame["action"].as_str().expect("a request").to_owned();
                return (frame["id"].take(), action, frame["payload"].take());
            }
        }
    }

    async fn respond(&mut self, id: Value, data: Value) {
        self.say(json!({"id": id, "type": "response", "data": data})).await;
    }

    async fn publish(&mut self, offset: u64, data: Value) {
        self.say(json!({"type": "notification", "data": {
            "event": "publication", "channel": STREAM, "offset": offset, "data": data, "time": 1}}))
            .await;
    }

    /// The subscription of the stream, which must begin here.
    async fn subscribed(&mut self, since: u64, top: u64) {
        let (id, action, payload) = self.request().await;
        assert_eq!(action, "subscribe");
        assert_eq!(payload, json!({"channel": STREAM, "since": {"epoch": "s", "offset": since}}));
        let data = json!({"channel": STREAM, "epoch": "s", "offset": top, "after": since, "recovered": true});
        self.respond(id, data).await;
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

fn claude(addr: SocketAddr) -> Claude {
    Client::builder(format!("ws://{addr}/ws")).start().expect("it starts").channel::<Value>("room").claude()
}

fn run() -> Run {
    Run { run_id: "r1".to_owned(), stream: STREAM.to_owned(), stream_epoch: "s".to_owned() }
}

fn text(text: &str) -> RunEvent {
    RunEvent::Text { text: text.to_owned() }
}

#[tokio::test]
async fn a_question_is_asked_again_when_the_connection_is_lost() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let (_, action, asked) = Server::accept(&listener).await.request().await;
        assert_eq!((&*action, &asked["channel"], &asked["prompt"]), ("ask_claude", &json!("room"), &json!("Why?")));
        let mut second = Server::accept(&listener).await;
        let (id, _, again) = second.request().await;
        assert_eq!(asked, again, "the id too: it is one run");
        second
            .respond(id, json!({"run_id": again["run_id"], "channel": "room", "stream": STREAM, "stream_epoch": "s"}))
            .await;
        let (id, action, cancel) = second.request().await;
        assert_eq!((&*action, &cancel["run_id"]), ("cancel_claude", &again["run_id"]));
        second.respond(id, json!({"run_id": again["run_id"], "status": "cancelling"})).await;
        second
    });
    let claude = claude(addr);
    let run = claude.ask(Ask::prompt("Why?").context(2)).await.expect("a run");
    assert_eq!((&*run.stream, &*run.stream_epoch), (STREAM, "s"));
    assert_eq!(claude.cancel(&run).await.expect("an answer"), RunStatus::Cancelling);
    drop(server.await.expect("the server saw what it should"));
}

#[tokio::test]
async fn a_question_that_costs_every_connection_is_given_up() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        for _ in 0..ASKED_MAX {
            let (_, action, _) = Server::accept(&listener).await.request().await;
            assert_eq!(action, "ask_claude");
        }
    });
    let (backoff_min, backoff_max) = (Duration::from_millis(1), Duration::from_millis(2));
    let timers = Timers { backoff_min, backoff_max, ..Timers::default() };
    let client = Client::builder(format!("ws://{addr}/ws")).timers(timers).start().expect("it starts");
    let claude = client.channel::<Value>("room").claude();
    let error = claude.ask(Ask::prompt("Why?")).await.expect_err("no answer");
    assert_eq!(error.kind, Kind::Lost);
    server.await.expect("the server was asked so often");
}

#[tokio::test]
async fn what_another_user_missed_is_asked_for() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let mut first = Server::accept(&listener).await;
        first.subscribed(0, 1).await;
        first.publish(1, json!({"claude": "text", "index": 0, "text": "Because"})).await;
        first.0.close(None).await.expect("it is open");
        // As if nobody knew any more where the reader was.
        let mut second = Server::accept_as(&listener, json!("bob")).await;
        let (id, ..) = second.request().await;
        second.respond(id, json!({"channel": STREAM, "epoch": "s", "offset": 3, "after": 3})).await;
        let (id, action, _) = second.request().await;
        assert_eq!(action, "unsubscribe");
        second.respond(id, json!({"channel": STREAM})).await;
        second.subscribed(1, 3).await;
        second.publish(2, json!({"claude": "text", "index": 1, "text": " of air"})).await;
        second.publish(3, json!({"claude": "finished", "run_id": "r1", "status": "complete"})).await;
        second
    });
    let events: Vec<_> = claude(addr).follow(&run()).map(|event| event.expect("no error")).collect().await;
    assert_eq!(events[..2], [text("Because"), text(" of air")]);
    assert!(matches!(events[2], RunEvent::Finished(_)));
    drop(server.await.expect("the server saw what it should"));
}

#[tokio::test]
async fn a_run_is_followed_over_a_lost_connection_to_its_end() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let mut first = Server::accept(&listener).await;
        first.subscribed(0, 1).await;
        first.publish(1, json!({"claude": "thinking", "index": 0, "text": ""})).await;
        first.publish(2, json!({"claude": "text", "index": 1, "text": "Because"})).await;
        let error =
            json!({"code": "overloaded", "message": "busy", "details": {"type": "overloaded_error", "status": 529}});
        first.publish(3, json!({"claude": "retrying", "after_ms": 500, "error": error})).await;
        first.0.close(None).await.expect("it is open");
        let mut second = Server::accept(&listener).await;
        second.subscribed(3, 3).await;
        second.publish(4, json!({"claude": "text", "index": 2, "text": " of air"})).await;
        second.publish(5, json!({"claude": "news", "of": "tomorrow"})).await;
        let finished = json!({"claude": "finished", "run_id": "r1", "status": "complete", "stop_reason": "end_turn",
                              "usage": {"input_tokens": 3, "output_tokens": 4}});
        second.publish(6, finished).await;
        second
    });
    let events: Vec<_> = claude(addr).follow(&run()).map(|event| event.expect("no error")).collect().await;
    assert_eq!(events[..2], [RunEvent::Thinking { text: String::new() }, text("Because")]);
    assert!(
        matches!(&events[2], RunEvent::Retrying { after_ms: 500, error } if error.code == RunErrorCode::Overloaded)
    );
    assert_eq!(events[3], text(" of air"));
    assert!(matches!(&events[4], RunEvent::Other(data) if data["of"] == "tomorrow"));
    let RunEvent::Finished(finished) = &events[5] else { panic!("{events:?}") };
    assert_eq!((finished.status, finished.usage.and_then(|usage| usage.output_tokens)), (RunStatus::Complete, Some(4)));
    assert_eq!(events.len(), 6);
    drop(server.await.expect("the server saw what it should"));
}

#[tokio::test]
async fn what_is_gone_is_told() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let mut server = Server::accept(&listener).await;
        let (id, ..) = server.request().await;
        let data = json!({"channel": STREAM, "epoch": "s", "offset": 9, "after": 4, "recovered": false,
                          "gap": {"from": 1, "to": 4}});
        server.respond(id, data).await;
        server.publish(5, json!({"claude": "text", "index": 4, "text": "the rest"})).await;
        server.say(json!({"type": "notification", "data": {"event": "gap", "channel": STREAM, "epoch": "other", "after": 3}})).await;
        server.publish(4, json!({"claude": "finished", "run_id": "r1", "status": "complete"})).await;
        server
    });
    let events: Vec<_> = claude(addr).follow(&run()).collect().await;
    let [Ok(gap), Ok(rest), Ok(epoch), Ok(RunEvent::Finished(_))] = &events[..] else { panic!("{events:?}") };
    assert_eq!((gap, rest), (&RunEvent::Gap(Gap::Offsets { from: 1, to: 4 }), &text("the rest")));
    assert_eq!(epoch, &RunEvent::Gap(Gap::Epoch { epoch: "other".to_owned(), after: 3 }), "what is left goes on");
    drop(server.await.expect("the server saw what it should"));
}

/// What a subscription of a stream is answered whose run is long over, as it is told.
async fn over(data: Value) -> Vec<Result<RunEvent, Problem>> {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let mut server = Server::accept(&listener).await;
        let (id, ..) = server.request().await;
        server.respond(id, data).await;
        server
    });
    let events = claude(addr).follow(&run()).collect().await;
    drop(server.await.expect("the server saw what it should"));
    events
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_kept_is_over() {
    let expired = json!({"channel": STREAM, "epoch": "s", "offset": 9, "after": 9, "recovered": false,
                         "gap": {"from": 1, "to": 9}});
    let forgotten = json!({"channel": STREAM, "epoch": "other", "offset": 0, "after": 0, "recovered": false});
    for data in [expired, forgotten] {
        let events = over(data).await;
        let [Ok(RunEvent::Gap(_)), Err(end)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(end.kind, Kind::Gap);
    }
}

#[test]
fn questions_have_what_was_set_and_nothing_else() {
    let ask =
        Ask::messages([(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c")]).thinking(Thinking::Summarized);
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let turns = [turn("user", "a"), turn("assistant", "b"), turn("user", "c")];
    assert_eq!(Value::Object(ask.payload), json!({"messages": turns, "thinking": "summarized"}));
    let started: Run = serde_json::from_value(json!({"claude": "started", "run_id": "r1", "stream": STREAM,
                                                     "stream_epoch": "s", "model": "m", "prompt": "?"}))
    .expect("a `started` is a run");
    assert_eq!(started, run());
}
