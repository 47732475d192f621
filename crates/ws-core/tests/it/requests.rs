//! The session: frame in, frame out.

use serde_json::{Value, json};
use ws_core::{Clock, Flow, Limits};
use ws_proto::CloseCode;

use crate::client::{Client, hub, limits, settle};

const PLENTY: usize = 1 << 30;

#[tokio::test(start_paused = true)]
async fn the_greeting_says_who_what_and_how_much() {
    let hub = hub(limits());
    let mut client = Client::connect_greeted(&hub, PLENTY);
    client.make_room(0);
    let id = client.connection.id().to_string();
    let greeting = client.read();
    let time = greeting[0]["data"]["time"].as_u64().expect("ms since 1970");
    assert!(Clock::unix_ms().abs_diff(time) < 60_000, "{time}");
    let expect = json!({"type": "notification", "data": {
        "event": "connected", "connection_id": id, "protocol": 1, "server": "test", "time": time, "user": null,
        "heartbeat": {"interval_ms": 25000, "timeout_ms": 10000},
        "limits": {"message_bytes_max": 65536, "channels_max": 128},
    }});
    assert_eq!(greeting, [expect]);
}

#[tokio::test(start_paused = true)]
async fn each_frame_has_its_answer() {
    let hub = hub(limits());
    let mut client = Client::connect(&hub, PLENTY);
    let id = client.connection.id().to_string();
    let mut check = async |text: &str, expect: &[Value]| {
        assert_eq!(client.say(text), Flow::Continue, "{text}");
        settle().await;
        assert_eq!(client.read(), expect, "{text}");
    };
    check(
        r#"{"id":"1","type":"request","action":"echo","payload":{"message":{"a":[1,null]}}}"#,
        &[json!({"id": "1", "type": "response", "data": {"echo": {"a": [1, null]}}})],
    )
    .await;
    check(
        r#"{"id":"2","type":"request","action":"get_connections"}"#,
        &[json!({"id": "2", "type": "response", "data": {"count": 1}})],
    )
    .await;
    check(
        r#"{"id":"3","type":"request","action":"broadcast","payload":{"message":"m"}}"#,
        &[
            json!({"id": "3", "type": "response", "data": {"recipients": 1}}),
            json!({"type": "notification", "data":
                {"event": "broadcast", "message": "m", "from": {"connection_id": id, "user": null}}}),
        ],
    )
    .await;
    check(r#"{"type":"ping"}"#, &[json!({"type": "pong"})]).await;
    check(r#"{"type":"pong"}"#, &[]).await;
    check(
        r#"{"id":"4","type":"request","action":"echo","payload":{}}"#,
        &[json!({"id": "4", "type": "error", "error":
            {"code": "invalid_payload", "message": "`payload.message`: missing field `message`", "retryable": false}})],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_error_after_the_budget_closes() {
    let hub = hub(Limits { errors_max: 3, ..limits() });
    let mut client = Client::connect(&hub, PLENTY);
    for _ in 0..3 {
        assert_eq!(client.say("nonsense"), Flow::Continue);
        assert_eq!(client.say(r#"{"type":"ping"}"#), Flow::Continue);
    }
    client.read();
    assert_eq!(client.say("nonsense"), Flow::Close(CloseCode::TooManyErrors));
    assert_eq!(client.read()[0]["error"]["code"], "malformed", "the last one is answered, too");
}

#[tokio::test(start_paused = true)]
async fn errors_are_forgiven_with_time() {
    let hub = hub(Limits { errors_max: 1, ..limits() });
    let mut client = Client::connect(&hub, PLENTY);
    for _ in 0..5 {
        assert_eq!(client.say("nonsense"), Flow::Continue);
        tokio::time::sleep(limits().errors_window).await;
    }
}
