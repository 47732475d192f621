//! `publish`: its answer, and the event that it makes.

use std::time::{SystemTime, UNIX_EPOCH};

use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_and_the_event_name_the_same_publication() {
    let server = Server::start().await;
    let (mut publisher, mut reader) = (server.connect().await, server.connect().await);
    let position = subscribe(&mut reader, ROOM).await;
    let epoch = &position["epoch"];
    for offset in 1..=3 {
        let before = unix_ms();
        let answer = publish(&mut publisher, ROOM, json!({"n": offset})).await;
        let expect =
            json!({"channel": ROOM, "epoch": epoch, "offset": offset, "ack": server.ack(), "duplicate": false});
        assert_eq!(answer, expect);
        let mut event = reader.event("publication").await;
        let time = event["time"].take().as_u64().expect("a time");
        assert!((before..=unix_ms()).contains(&time), "{before} {time}");
        let from = event["from"].take();
        assert_eq!((&from["connection_id"], &from["user"]), (&json!(publisher.id()), &Value::Null));
        let expect = json!({"event": "publication", "channel": ROOM, "offset": offset, "data": {"n": offset}, "time": null, "from": null});
        assert_eq!(event, expect, "and nothing that was not given");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_publisher_gets_its_own_when_it_is_subscribed_and_only_then() {
    let server = Server::start().await;
    let (mut outsider, mut member) = (server.connect().await, server.connect().await);
    assert_eq!(publish(&mut outsider, ROOM, "nobody listens").await["offset"], 1);
    subscribe(&mut member, ROOM).await;
    publish(&mut outsider, ROOM, "from outside").await;
    publish(&mut member, ROOM, "own").await;
    assert_eq!(member.event("publication").await["data"], "from outside");
    let own = member.event("publication").await;
    assert_eq!((&own["data"], &own["from"]["connection_id"]), (&json!("own"), &json!(member.id())));
    subscribe(&mut outsider, "other").await;
    publish(&mut outsider, "other", 1).await;
    assert_eq!(outsider.event("publication").await["channel"], "other", "none of the others came before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_history_neither_answer_nor_event_has_a_position() {
    let server = without_history().await;
    let mut client = server.connect().await;
    subscribe(&mut client, "live:a").await;
    for n in 0..3 {
        let answer = publish(&mut client, "live:a", n).await;
        assert_eq!(answer, json!({"channel": "live:a", "ack": "memory", "duplicate": false}));
        let event = client.event("publication").await;
        assert_eq!(event["data"], n);
        assert!(event.get("offset").is_none() && event.get("epoch").is_none(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_tags_are_passed_on() {
    let server = without_history().await;
    let mut client = server.connect().await;
    let longest = "é".repeat(64);
    let (many, large): (Value, _) =
        ((0..500).map(|n| (format!("k{n}"), json!(n.to_string()))).collect(), "x".repeat(30_000));
    for channel in [ROOM, "live:room"] {
        subscribe(&mut client, channel).await;
        for (msg_id, tags) in [
            (json!("m1"), json!({"kind": "note", "": "", "a b": "\u{0}\n\"é😀"})),
            (json!(longest), json!({})),
            (Value::Null, json!({large.as_str(): large.as_str()})),
            (Value::Null, many.clone()),
        ] {
            let mut payload = json!({"channel": channel, "data": 1, "tags": tags});
            if !msg_id.is_null() {
                payload["msg_id"] = msg_id.clone();
            }
            client.ask("publish", payload).await;
            let event = client.event("publication").await;
            assert_eq!(event.get("msg_id").cloned().unwrap_or_default(), msg_id);
            assert_eq!(event["tags"], tags);
        }
        client.ask("publish", json!({"channel": channel, "data": 1, "msg_id": null, "tags": null})).await;
        let event = client.event("publication").await;
        assert!(event.get("msg_id").is_none() && event.get("tags").is_none(), "null counts as absent: {event}");
        let twice = r#"{"id":"1","type":"request","action":"publish","payload":{"channel":"CHANNEL","data":1,"tags":{"k":"a","k":"b"}}}"#;
        client.text(twice.replace("CHANNEL", channel)).await;
        assert_eq!(client.answer("1").await["type"], "response");
        assert_eq!(
            client.event("publication").await["tags"],
            json!({"k": "b"}),
            "of a key that is there twice the last"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_payloads() {
    let server = Server::with(|config| config.limits.errors_max = 0).await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    let (too_long, in_bytes) = ("x".repeat(129), "é".repeat(65));
    for (payload, field) in [
        (json!({"data": 1}), "channel"),
        (json!({"channel": null, "data": 1}), "channel"),
        (json!({"channel": 1, "data": 1}), "channel"),
        (json!({"channel": ROOM}), "data"),
        (json!({"channel": ROOM, "data": 1, "msg_id": 7}), "msg_id"),
        (json!({"channel": ROOM, "data": 1, "msg_id": ["a"]}), "msg_id"),
        (json!({"channel": ROOM, "data": 1, "msg_id": too_long}), "msg_id"),
        (json!({"channel": ROOM, "data": 1, "msg_id": in_bytes}), "msg_id"),
        (json!({"channel": ROOM, "data": 1, "tags": []}), "tags"),
        (json!({"channel": ROOM, "data": 1, "tags": "x"}), "tags"),
        (json!({"channel": ROOM, "data": 1, "tags": {"k": 1}}), "tags"),
        (json!({"channel": ROOM, "data": 1, "tags": {"k": null}}), "tags"),
        (json!({"channel": ROOM, "data": 1, "tags": {"k": {"l": "m"}}}), "tags"),
    ] {
        let answer = client.request("1", "publish", payload.clone()).await;
        assert_eq!(error_of(&answer).1, "invalid_payload", "{payload}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{payload}: {message}");
    }
    assert_eq!(publish(&mut client, ROOM, "end").await["offset"], 1, "nothing of that was published");
    assert_eq!(client.event("publication").await["data"], "end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_field_twice_is_refused() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for payload in [
        r#"{"channel":"a","channel":"b","data":1}"#,
        r#"{"channel":"a","data":1,"data":1}"#,
        r#"{"channel":"a","data":1,"msg_id":"m","msg_id":"n"}"#,
    ] {
        client.text(format!(r#"{{"id":"1","type":"request","action":"publish","payload":{payload}}}"#)).await;
        assert_eq!(error_of(&client.answer("1").await).1, "invalid_payload", "{payload}");
    }
}
