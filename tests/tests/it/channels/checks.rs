//! The order of checks (docs/PROTOCOL.md, Who may do what): payload, name, namespace, permission, feature, state.
//! Each request has an error of one kind and errors of all later kinds, as far as they can be combined.

use ws_server::config::Access;
use ws_tests::prelude::*;

use super::*;

/// `shut`: nobody has rights, and all features are off; `bare`: everybody has rights, and all features are off. Channels
/// without a namespace have everything, and the client is subscribed to one.
async fn room() -> (Server, Client) {
    let server = Server::with(|config| {
        config.limits.errors_max = 0;
        config.limits.channels_per_connection_max = 1;
        for (name, access) in [("shut", Access::NOBODY), ("bare", Access::ANYONE)] {
            namespace(config, name, |options| {
                (options.history_size, options.presence) = (0, false);
                (options.subscribe, options.publish) = (access, access);
                (options.read_history, options.read_presence) = (access, access);
            });
        }
    })
    .await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    client.ask("publish", json!({"channel": ROOM, "data": 1, "msg_id": "m"})).await;
    client.event("publication").await;
    (server, client)
}

async fn check(cases: &[(&str, Value, &str)]) {
    let (_server, mut client) = room().await;
    let mut wrong = Vec::new();
    for (action, payload, code) in cases {
        let found = client.refusal(action, payload.clone()).await;
        if found != *code {
            wrong.push(format!("{action} {payload}: {found}, not {code}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn stale() -> Value {
    json!({"epoch": "nonsense", "offset": 1})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_come_before_everything() {
    check(&[
        ("subscribe", json!({"channel": "", "rewind": "x"}), "invalid_payload"),
        ("publish", json!({"channel": "shut:a"}), "invalid_payload"),
        ("publish", json!({"channel": "nope:a", "data": 1, "tags": 1}), "invalid_payload"),
        ("get_history", json!({"channel": "", "limit": -1}), "invalid_payload"),
        ("get_presence", json!({"channel": "", "after": 1}), "invalid_payload"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_before_names() {
    let (since, long) = (stale(), "x".repeat(129));
    check(&[
        ("subscribe", json!({"channel": "", "since": since, "rewind": 1}), "invalid_payload"),
        ("publish", json!({"channel": "", "data": 1, "msg_id": long}), "invalid_payload"),
        ("get_history", json!({"channel": "", "limit": 0}), "invalid_payload"),
        ("get_presence", json!({"channel": "", "limit": 0}), "invalid_payload"),
        ("get_presence", json!({"channel": "", "after": "nonsense"}), "invalid_payload"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_before_namespaces_permissions_and_features() {
    let (since, long) = (stale(), "x".repeat(129));
    let mut cases = Vec::new();
    for channel in ["nope:a", "shut:a", "bare:a"] {
        cases.extend([
            ("subscribe", json!({"channel": channel, "since": since, "rewind": 1}), "invalid_payload"),
            ("publish", json!({"channel": channel, "data": 1, "msg_id": long}), "invalid_payload"),
            ("get_history", json!({"channel": channel, "limit": 0}), "invalid_payload"),
            ("get_presence", json!({"channel": channel, "limit": 0}), "invalid_payload"),
            ("get_presence", json!({"channel": channel, "after": "nonsense"}), "invalid_payload"),
        ]);
    }
    check(&cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_come_before_namespaces_and_namespaces_before_permissions() {
    check(&[
        ("subscribe", json!({"channel": "nope:"}), "invalid_channel"),
        ("publish", json!({"channel": "nope:x#", "data": 1}), "invalid_channel"),
        ("get_history", json!({"channel": "nope:a b"}), "invalid_channel"),
        ("get_presence", json!({"channel": "shut:*"}), "invalid_channel"),
        ("subscribe", json!({"channel": "nope:x#ann", "rewind": 1}), "unknown_namespace"),
        ("publish", json!({"channel": "nope:x#ann", "data": 1}), "unknown_namespace"),
        ("get_history", json!({"channel": "nope:x#ann"}), "unknown_namespace"),
        ("get_presence", json!({"channel": "nope:x#ann"}), "unknown_namespace"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsubscribing_looks_at_the_namespace_before_the_state() {
    check(&[
        ("unsubscribe", json!({"channel": "nope:"}), "invalid_channel"),
        ("unsubscribe", json!({"channel": "nope:a"}), "unknown_namespace"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_come_before_features_and_features_before_the_state() {
    let since = stale();
    check(&[
        ("subscribe", json!({"channel": "shut:a", "rewind": 1}), "permission_denied"),
        ("subscribe", json!({"channel": "x#ann", "since": since}), "unauthenticated"),
        ("get_history", json!({"channel": "shut:a", "since": since}), "permission_denied"),
        ("get_presence", json!({"channel": "shut:a"}), "permission_denied"),
        ("subscribe", json!({"channel": "bare:a", "since": since}), "not_available"),
        ("subscribe", json!({"channel": "bare:a", "rewind": 1}), "not_available"),
        ("subscribe", json!({"channel": "bare:a", "rewind": 0}), "not_available"),
        ("get_history", json!({"channel": "bare:a", "since": since}), "not_available"),
        ("get_presence", json!({"channel": "bare:a"}), "not_available"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_comes_last() {
    check(&[
        ("subscribe", json!({"channel": ROOM}), "already_subscribed"),
        ("subscribe", json!({"channel": "another"}), "limit_exceeded"),
        ("unsubscribe", json!({"channel": "another"}), "not_subscribed"),
        ("get_history", json!({"channel": ROOM, "since": stale()}), "stale_position"),
        ("publish", json!({"channel": ROOM, "data": 2, "msg_id": "m"}), "conflict"),
    ])
    .await;
}
