//! Namespaces: each has its own options and inherits the rest, and one that is not configured does not exist.

use ws_server::config::Access;
use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;
use crate::SERVER;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_has_its_own_options() {
    let server = Server::with(|config| {
        config.channels.history_size = 4;
        namespace(config, "short", |options| options.history_size = 1);
        namespace(config, "live", |options| options.history_size = 0);
        namespace(config, "told", |options| options.join_leave = true);
    })
    .await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    for (channel, retained) in [("a", 4), ("short:a", 1), ("short:a:live:b", 1), ("told:a", 6), ("Short", 4)] {
        subscribe(&mut client, channel).await;
        for n in 1..=6 {
            publish(&mut other, channel, n).await;
        }
        let page = history(&mut client, json!({"channel": channel})).await;
        assert_eq!(offsets(&page).len(), retained, "{channel}");
        for _ in 1..=6 {
            assert_eq!(client.event("publication").await["channel"], channel);
        }
        subscribe(&mut other, channel).await;
        if channel == "told:a" {
            assert_eq!(client.event("join").await["channel"], channel);
        }
        unsubscribe(&mut client, channel).await;
    }
    subscribe(&mut client, "live:a").await;
    assert_eq!(client.refusal("get_history", json!({"channel": "live:a"})).await, "not_available");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_not_configured_is_named_in_the_error() {
    let server = Server::with(|config| {
        config.limits.errors_max = 1;
        namespace(config, "chat", |_| {});
    })
    .await;
    let mut client = server.connect().await;
    for (channel, name) in [("news:a", "news"), ("Chat:a", "Chat"), ("chatter:a", "chatter"), ("pair#x:ann", "pair#x")]
    {
        for (action, payload) in [
            ("subscribe", json!({"channel": channel})),
            ("publish", json!({"channel": channel, "data": 1})),
            ("get_history", json!({"channel": channel})),
            ("get_presence", json!({"channel": channel})),
        ] {
            let answer = client.request("1", action, payload).await;
            assert_eq!(error_of(&answer).1, "unknown_namespace", "{action} {channel}");
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(name), "{action} {channel}: {message}");
        }
    }
    subscribe(&mut client, "chat").await;
    subscribe(&mut client, "chat:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_name_in_two_is_two_channels() {
    let server = Server::with(|config| {
        namespace(config, "a", |_| {});
        namespace(config, "b", |_| {});
    })
    .await;
    let mut client = server.connect().await;
    let names = ["room", "a:room", "b:room"];
    for name in names {
        subscribe(&mut client, name).await;
    }
    for name in names {
        publish(&mut client, name, name).await;
        let event = client.event("publication").await;
        assert_eq!((&event["channel"], &event["offset"], &event["data"]), (&json!(name), &json!(1), &json!(name)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_does_not_set_it_has_from_the_default() {
    let server = Process::start(
        SERVER,
        &[
            ("WS_SERVER__CHANNELS__HISTORY_SIZE", "2"),
            ("WS_SERVER__CHANNELS__READ_HISTORY", "anyone"),
            ("WS_SERVER__CHANNELS__PUBLISH", "nobody"),
            ("WS_SERVER__NAMESPACES__CHAT__PUBLISH", "anyone"),
            ("WS_SERVER__NAMESPACES__WIDE__HISTORY_SIZE", "3"),
            ("WS_SERVER__NAMESPACES__WIDE__PUBLISH", "anyone"),
        ],
    )
    .await;
    let mut client = Client::connect(server.addr(), "/ws").await;
    assert_eq!(client.refusal("publish", json!({"channel": "room", "data": 1})).await, "permission_denied");
    for (channel, retained) in [("chat:a", 2), ("wide:a", 3)] {
        publish_numbers(&mut client, channel, 5).await;
        assert_eq!(offsets(&history(&mut client, json!({"channel": channel})).await).len(), retained, "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_beyond_the_longest_namespace_is_unknown_and_quoted_short() {
    let server = Server::with(|config| config.channels.subscribe = Access::NOBODY).await;
    let mut client = server.connect().await;
    let channel = format!("{}:x", "n".repeat(250));
    let answer = client.request("1", "subscribe", json!({"channel": channel})).await;
    assert_eq!(error_of(&answer).1, "unknown_namespace");
    assert!(answer.to_string().len() < 400, "{answer}");
}
