//! PROTOCOL, "Publishing", exactly once: `msg_id`.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

async fn publish_as(client: &mut Client, channel: &str, msg_id: &str, data: Value) -> Value {
    client.ask("publish", json!({"channel": channel, "data": data, "msg_id": msg_id})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_again_publishes_nothing() {
    let server = Server::start().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    let epoch = subscribe(&mut client, ROOM).await["epoch"].clone();
    let longest = "é".repeat(64);
    for (n, msg_id) in ["m1", "", "\0", longest.as_str()].into_iter().enumerate() {
        let first = publish_as(&mut client, ROOM, msg_id, json!(msg_id)).await;
        assert_eq!((&first["offset"], &first["duplicate"]), (&json!(n + 1), &json!(false)));
        for client in [&mut client, &mut other] {
            let again = publish_as(client, ROOM, msg_id, json!(msg_id)).await;
            let expect =
                json!({"channel": ROOM, "epoch": epoch, "offset": n + 1, "ack": server.ack(), "duplicate": true});
            assert_eq!(again, expect, "{msg_id:?}");
        }
    }
    publish(&mut other, ROOM, "end").await;
    assert_eq!(only_publications_until(&mut client, ROOM, &json!("end")).await.len(), 5, "none came twice");
    let page = history(&mut client, json!({"channel": ROOM})).await;
    assert_eq!(offsets(&page), [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_counts_in_its_channel_alone() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for channel in ["a", "b"] {
        let answer = publish_as(&mut client, channel, "m", json!(channel)).await;
        assert_eq!((&answer["offset"], &answer["duplicate"]), (&json!(1), &json!(false)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_with_other_bytes_is_a_conflict() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    let request = |data: &str, rest: &str| {
        format!(
            r#"{{"id":"1","type":"request","action":"publish","payload":{{"channel":"room","msg_id":"m","data":{data}{rest}}}}}"#
        )
    };
    client.text(request(r#"{"n":1.0}"#, "")).await;
    assert_eq!(client.answer("1").await["data"]["duplicate"], false);
    for other in [r#"{"n":1.00}"#, r#"{"n":1}"#, r#"{"n": 1.0}"#, r#"{"\u006e":1.0}"#, "null"] {
        client.text(request(other, "")).await;
        assert_eq!(error_of(&client.answer("1").await).1, "conflict", "{other}");
    }
    for same in [request(r#"{"n":1.0}"#, r#","tags":{"k":"v"}"#), request(r#" {"n":1.0} "#, "")] {
        client.text(same.clone()).await;
        let answer = client.answer("1").await;
        assert_eq!((&answer["data"]["duplicate"], &answer["data"]["offset"]), (&json!(true), &json!(1)), "{same}");
    }
    publish(&mut client, ROOM, "end").await;
    assert_eq!(only_publications_until(&mut client, ROOM, &json!("end")).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_at_once_one_is_published() {
    const PUBLISHERS: usize = 20;
    let server = Server::start().await;
    let mut reader = server.connect().await;
    subscribe(&mut reader, ROOM).await;
    for round in 1..=10 {
        let start = Arc::new(Barrier::new(PUBLISHERS));
        let mut publishers = JoinSet::new();
        for mut client in server.connect_many(PUBLISHERS).await {
            let start = start.clone();
            publishers.spawn(async move {
                start.wait().await;
                publish_as(&mut client, ROOM, &round.to_string(), json!(round)).await
            });
        }
        let answers = within("all answers", publishers.join_all()).await;
        assert!(answers.iter().all(|answer| answer["offset"] == round), "{answers:?}");
        let firsts = answers.iter().filter(|answer| answer["duplicate"] == false).count();
        assert_eq!(firsts, 1, "{answers:?}");
        let event = reader.event("publication").await;
        assert_eq!((&event["offset"], &event["msg_id"]), (&json!(round), &json!(round.to_string())));
    }
    assert_eq!(server.metrics().await.get("ws_duplicates_total"), 190.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_forgotten_with_its_publication() {
    let server = Server::with(|config| config.channels.history_size = 2).await;
    let mut client = server.connect().await;
    publish_as(&mut client, ROOM, "m", json!(1)).await;
    publish(&mut client, ROOM, 2).await;
    assert_eq!(publish_as(&mut client, ROOM, "m", json!(1)).await["duplicate"], true, "still retained");
    publish(&mut client, ROOM, 3).await;
    let again = publish_as(&mut client, ROOM, "m", json!("other")).await;
    assert_eq!((&again["offset"], &again["duplicate"]), (&json!(4), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_history_ids_are_passed_on_and_not_remembered() {
    let server = without_history().await;
    let mut client = server.connect().await;
    subscribe(&mut client, "live:a").await;
    for data in [json!(1), json!(1), json!(2)] {
        let answer = publish_as(&mut client, "live:a", "m", data.clone()).await;
        assert_eq!(answer, json!({"channel": "live:a", "ack": "memory", "duplicate": false}));
        let event = client.event("publication").await;
        assert_eq!((&event["data"], &event["msg_id"]), (&data, &json!("m")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_exactly_once_or_unknown() {
    const LONG_AGO: u64 = 86_400_000;
    let server = Server::with(|config| {
        config.limits.errors_max = 0;
        config.channels.history_size = 2;
        namespace(config, "live", |options| options.history_size = 0);
    })
    .await;
    let mut client = server.connect().await;
    let repeat = |id: &str, age_ms: u64| json!({"channel": ROOM, "data": 1, "msg_id": id, "age_ms": age_ms});
    // The epoch is older than what is said to have been sent a second before it all began.
    subscribe(&mut client, ROOM).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let begun = Instant::now();
    let a_second_before = || begun.elapsed().as_millis() as u64 + 1000;
    client.ask("publish", repeat("x", 0)).await;
    assert_eq!(client.ask("publish", repeat("x", LONG_AGO)).await["duplicate"], true, "it is retained");
    assert_eq!(client.refusal("publish", repeat("y", LONG_AGO)).await, "unknown_outcome", "the epoch is younger");
    let answer = client.ask("publish", repeat("z", a_second_before())).await;
    assert_eq!((&answer["offset"], &answer["duplicate"]), (&json!(2), &json!(false)), "nothing was given up");
    publish(&mut client, ROOM, 3).await;
    let late = client.refusal("publish", repeat("x", a_second_before())).await;
    assert_eq!(late, "unknown_outcome", "it was given up");
    let answer = client.ask("publish", repeat("x", 0)).await;
    assert_eq!((&answer["offset"], &answer["duplicate"]), (&json!(4), &json!(false)), "0 is as if left out");

    let live = |age_ms: u64| json!({"channel": "live:a", "data": 1, "msg_id": "x", "age_ms": age_ms});
    assert_eq!(client.refusal("publish", live(1)).await, "unknown_outcome", "nothing is remembered");
    assert_eq!(client.ask("publish", live(0)).await["duplicate"], false);
    for channel in [ROOM, "live:a"] {
        let nameless = |age_ms: Value| json!({"channel": channel, "data": 1, "age_ms": age_ms});
        for age_ms in [json!(0), Value::Null] {
            client.ask("publish", nameless(age_ms)).await;
        }
        for age_ms in [json!(1), json!(-1), json!(0.5), json!("1")] {
            assert_eq!(client.refusal("publish", nameless(age_ms.clone())).await, "invalid_payload", "{age_ms}");
        }
    }
}
