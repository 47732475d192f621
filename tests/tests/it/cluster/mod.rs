//! Two servers on one Redis: what one is told, the other tells.

mod claude;
mod examples;
mod killed;
mod logs;
mod oracle;
mod outage;
mod shards;
mod suite;
mod together;
mod ways;

use ws_tests::prelude::*;
use ws_tests::redis::Redis;

/// Two servers that share a Redis.
async fn two(redis: &Redis) -> (Server, Server) {
    (server(redis).await, server(redis).await)
}

/// Channels in `cursor` have no history.
async fn server(redis: &Redis) -> Server {
    Server::with(|config| {
        redis.configure(config);
        ws_tests::api::with_key(config);
        let passing = ws_server::config::Channels { history_size: 0, ..config.channels.clone() };
        config.namespaces.insert("cursor".to_owned(), passing);
    })
    .await
}

/// The data of the next publication.
async fn next(client: &mut Client) -> Value {
    client.event("publication").await["data"].clone()
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_on_one_server_is_read_on_the_other() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let (mut publisher, mut reader) = (a.connect().await, b.connect().await);
    for channel in ["kept", "cursor:1"] {
        reader.ask("subscribe", json!({"channel": channel})).await;
        for n in 1..=20 {
            let answer = publisher.ask("publish", json!({"channel": channel, "data": n})).await;
            let ack = if channel == "kept" { "replicated" } else { "memory" };
            assert_eq!(answer["ack"], ack, "{answer}");
        }
        for n in 1..=20 {
            assert_eq!(next(&mut reader).await, n, "{channel}");
        }
    }
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_positions_and_ids_are_the_same_everywhere() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let (mut on_a, mut on_b) = (a.connect().await, b.connect().await);
    let first = on_a.ask("publish", json!({"channel": "c", "data": 1, "msg_id": "x"})).await;
    let again = on_b.ask("publish", json!({"channel": "c", "data": 1, "msg_id": "x"})).await;
    assert_eq!((&again["epoch"], &again["offset"]), (&first["epoch"], &first["offset"]));
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(on_b.refusal("publish", json!({"channel": "c", "data": 2, "msg_id": "x"})).await, "conflict");
    for n in 2..=5 {
        on_b.ask("publish", json!({"channel": "c", "data": n})).await;
    }
    for client in [&mut on_a, &mut on_b] {
        client.ask("subscribe", json!({"channel": "c"})).await;
        let history = client.ask("get_history", json!({"channel": "c"})).await;
        let publications = history["publications"].as_array().expect("a list").iter();
        let data: Vec<_> = publications.filter_map(|publication| publication["data"].as_u64()).collect();
        assert_eq!((data, &history["epoch"]), (vec![1, 2, 3, 4, 5], &first["epoch"]));
    }
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_recovers_on_another_server() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let (mut reader, mut publisher) = (a.connect().await, b.connect().await);
    let position = reader.ask("subscribe", json!({"channel": "c"})).await;
    for n in 1..=10 {
        publisher.ask("publish", json!({"channel": "c", "data": n})).await;
    }
    for n in 1..=4 {
        assert_eq!(next(&mut reader).await, n);
    }
    a.stop().await;
    let mut reader = b.connect().await;
    let since = json!({"epoch": position["epoch"], "offset": 4});
    let answer = reader.ask("subscribe", json!({"channel": "c", "since": since})).await;
    assert_eq!((&answer["recovered"], &answer["offset"]), (&json!(true), &json!(10)), "{answer}");
    publisher.ask("publish", json!({"channel": "c", "data": 11})).await;
    for n in 5..=11 {
        assert_eq!(next(&mut reader).await, n);
    }
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_is_told_on_every_server() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let mut reader = b.connect().await;
    reader.ask("subscribe", json!({"channel": "c"})).await;
    let mut api = ws_tests::api::Api::connect(a.addr()).await;
    api.ok("POST", "/channels/c/publications", json!({"data": 1})).await;
    assert_eq!(next(&mut reader).await, 1);
    let removed = api.ok("DELETE", "/channels/c/publications", Value::Null).await;
    let gap = reader.event("gap").await;
    assert_eq!((&gap["epoch"], &gap["after"]), (&removed["epoch"], &json!(0)), "{gap}");
    api.ok("POST", "/channels/c/publications", json!({"data": 2})).await;
    assert_eq!(next(&mut reader).await, 2);
}
