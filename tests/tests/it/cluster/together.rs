//! What servers on one Redis know of each other: who is there, how many, and what an operator asks.

use std::time::Duration;

use ws_server::config::Channels;
use ws_tests::api::Api;
use ws_tests::token;

use super::*;

/// A server with presence, joins and leaves, tokens, and at most two connections a user. A short lease.
async fn known(redis: &Redis) -> Server {
    Server::with(|config| {
        redis.configure(config);
        ws_tests::api::with_key(config);
        token::accept(config);
        config.engine.redis.lease = Duration::from_secs(3);
        config.limits.connections_per_user_max = 2;
        let shown = Channels { join_leave: true, ..config.channels.clone() };
        config.namespaces.insert("room".to_owned(), shown);
    })
    .await
}

/// Waits until a count of the presence is this.
async fn until_present(client: &mut Client, channel: &str, connections: u64) -> Value {
    let mut last = Value::Null;
    for _ in 0..500 {
        last = client.ask("get_presence", json!({"channel": channel})).await;
        if last["connections"] == connections {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {connections} connections in {channel}: {last}");
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_joins_and_leaves_are_those_of_all_servers() {
    let redis = Redis::start().await;
    let (a, b) = (known(&redis).await, known(&redis).await);
    let mut ann = Client::with_token(a.addr(), &token::of("ann", &json!({}))).await;
    let mut bob = Client::with_token(b.addr(), &token::of("bob", &json!({}))).await;
    ann.ask("subscribe", json!({"channel": "room:1"})).await;
    until_present(&mut ann, "room:1", 1).await;
    bob.ask("subscribe", json!({"channel": "room:1"})).await;
    assert_eq!(ann.event("join").await["client"]["user"], "bob", "and not one's own");
    let presence = until_present(&mut bob, "room:1", 2).await;
    let mut users: Vec<_> = presence["clients"].as_array().expect("a list").iter().map(|one| &one["user"]).collect();
    users.sort_by_key(|user| user.to_string());
    assert_eq!((users, &presence["users"]), (vec![&json!("ann"), &json!("bob")], &json!(2)));
    let page = ann.ask("get_presence", json!({"channel": "room:1", "limit": 1})).await;
    let rest = ann.ask("get_presence", json!({"channel": "room:1", "after": page["next"]})).await;
    assert_ne!(page["clients"], rest["clients"]);
    assert!(rest["next"].is_null(), "{rest}");
    for cursor in ["7", "zz!", &"f".repeat(63)] {
        let page = json!({"channel": "room:1", "after": cursor});
        assert_eq!(ann.refusal("get_presence", page).await, "invalid_payload", "{cursor}");
    }

    bob.close().await;
    assert_eq!(ann.event("leave").await["client"]["user"], "bob");
    until_present(&mut ann, "room:1", 1).await;
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_and_counts_reach_all_servers() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let (mut on_a, mut on_b) = (a.connect().await, b.connect().await);
    until("the count of both", async || (on_a.count().await == 2).then_some(())).await;
    for n in 0..20 {
        let from = if n % 2 == 0 { &mut on_a } else { &mut on_b };
        assert_eq!(from.ask("broadcast", json!({"message": n})).await["recipients"], 2);
    }
    for client in [&mut on_a, &mut on_b] {
        for n in 0..20 {
            assert_eq!(client.event("broadcast").await["message"], n);
        }
    }
    let mut api = Api::connect(b.addr()).await;
    assert_eq!(api.ok("POST", "/broadcast", json!({"message": "all"})).await["recipients"], 2);
    assert_eq!(on_a.event("broadcast").await["message"], "all");
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_so_many_connections_on_all_servers() {
    let redis = Redis::start().await;
    let (a, b) = (known(&redis).await, known(&redis).await);
    let ann = token::of("ann", &json!({}));
    let one = Client::with_token(a.addr(), &ann).await;
    let _two = Client::with_token(b.addr(), &ann).await;
    let mut third = a.connect().await;
    assert_eq!(third.refusal("authenticate", json!({"token": ann})).await, "limit_exceeded");
    one.close().await;
    until("a place", async || {
        let mut client = b.connect().await;
        let answer = client.request("1", "authenticate", json!({"token": ann})).await;
        (answer["type"] == "response").then_some(())
    })
    .await;
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_of_one_server_knows_the_connections_of_all() {
    let redis = Redis::start().await;
    let (a, b) = (known(&redis).await, known(&redis).await);
    let mut ann = Client::with_token(a.addr(), &token::of("ann", &json!({}))).await;
    let mut bob = Client::with_token(b.addr(), &token::of("bob", &json!({}))).await;
    ann.ask("subscribe", json!({"channel": "c1"})).await;
    bob.ask("subscribe", json!({"channel": "c1"})).await;
    let mut api = Api::connect(b.addr()).await;
    let all = api.ok("GET", "/connections", Value::Null).await;
    assert_eq!(all["connections"].as_array().map(Vec::len), Some(2), "{all}");
    let channels = api.ok("GET", "/channels", Value::Null).await;
    assert_eq!(
        (&channels["channels"][0]["channel"], &channels["channels"][0]["subscribers"]),
        (&json!("c1"), &json!(2))
    );
    let connection = format!("/connections/{}", ann.id());
    assert_eq!(api.ok("GET", &connection, Value::Null).await["subscriptions"][0]["channel"], "c1");
    api.ok("PUT", &format!("{connection}/subscriptions/c2"), Value::Null).await;
    assert_eq!(ann.event("subscribed").await["channel"], "c2");
    api.ok("DELETE", "/users/ann/subscriptions/c2", Value::Null).await;
    assert_eq!(ann.event("unsubscribed").await["channel"], "c2");
    api.ok("DELETE", &connection, Value::Null).await;
    assert_eq!(ann.closed().await.0, 4503);
    assert_eq!(api.refusal("GET", &connection, Value::Null).await, (404, "not_found".to_owned()));
}
