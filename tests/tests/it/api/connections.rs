//! Connections: listed, looked at, subscribed, closed.

use super::*;

/// A server with an API and a user, and a connection to it.
async fn user_server() -> (Server, Api, Client) {
    let server = Server::with(|config| {
        with_key(config);
        token::accept(config);
    })
    .await;
    let api = Api::connect(server.addr()).await;
    let token = token::of("ann b", &json!({}));
    let client = Client::with_token(server.addr(), &token).await;
    (server, api, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_listed_and_described() {
    let (server, mut api, mut ann) = user_server().await;
    let anonymous = server.connect().await;
    let page = api.ok("GET", "/connections", Value::Null).await;
    assert_eq!(page["connections"].as_array().map(Vec::len), Some(2));
    let mine = api.ok("GET", "/connections?user=ann%20b", Value::Null).await;
    let [one] = &mine["connections"].as_array().expect("a list")[..] else { panic!("one: {mine}") };
    assert_eq!(
        (&one["connection_id"], &one["user"], &one["remote_addr"], &one["channels"]),
        (&json!(ann.id()), &json!("ann b"), &json!("127.0.0.1"), &json!(0))
    );
    assert!(one["connected_at"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{one}");
    ann.ask("subscribe", json!({"channel": "news"})).await;
    api.ok("POST", "/channels/news/publications", json!({"data": 1})).await;
    ann.event("publication").await;
    let one = api.ok("GET", &format!("/connections/{}", ann.id()), Value::Null).await;
    let subscription = &one["subscriptions"][0];
    assert_eq!(
        (&one["channels"], &subscription["channel"], &subscription["offset"], &subscription["lag"]),
        (&json!(1), &json!("news"), &json!(1), &json!(0)),
        "{one}"
    );
    let other = api.ok("GET", &format!("/connections/{}", anonymous.id()), Value::Null).await;
    assert_eq!((&other["user"], &other["subscriptions"]), (&Value::Null, &json!([])));
    let id = ann.id();
    let spellings =
        [id.replace('-', ""), format!("urn:uuid:{id}"), format!("%7B{id}%7D")].map(|id| format!("/connections/{id}"));
    let unknown = ["/connections/x", "/connections/00000000-0000-4000-8000-000000000000"];
    for unknown in unknown.into_iter().chain(spellings.iter().map(String::as_str)) {
        assert_eq!(api.refusal("GET", unknown, Value::Null).await, (404, "not_found".to_owned()));
    }
    for bad in ["?limit=0", "?limit=1001", "?after=x", "?user=%ff", "?user=%"] {
        let refused = api.refusal("GET", &format!("/connections{bad}"), Value::Null).await;
        assert_eq!(refused, (400, "invalid_payload".to_owned()), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_through_all_of_them() {
    let (server, mut api) = api_server().await;
    let clients = server.connect_many(7).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.ok("GET", &format!("/connections?limit=3{after}"), Value::Null).await;
        let connections = page["connections"].as_array().expect("a list");
        seen.extend(connections.iter().map(|one| one["connection_id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{next}");
        after = format!("&after={next}");
    }
    let mut ids: Vec<_> = clients.iter().map(|client| client.id().to_owned()).collect();
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_subscribed_and_unsubscribed() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    let path = format!("/connections/{}/subscriptions/news", client.id());
    assert_eq!(api.ok("PUT", &path, Value::Null).await, json!({}));
    let event = client.event("subscribed").await;
    assert_eq!((&event["channel"], &event["offset"], event["epoch"].is_string()), (&json!("news"), &json!(0), true));
    api.ok("POST", "/channels/news/publications", json!({"data": 1})).await;
    client.event("publication").await;
    assert_eq!(api.refusal("PUT", &path, Value::Null).await, (409, "already_subscribed".to_owned()));
    assert_eq!(api.ok("DELETE", &path, Value::Null).await, json!({}));
    let event = client.event("unsubscribed").await;
    assert_eq!(
        (&event["channel"], &event["code"], &event["retryable"]),
        (&json!("news"), &json!("unsubscribed"), &json!(false))
    );
    assert!(event["reason"].is_string());
    assert_eq!(api.refusal("DELETE", &path, Value::Null).await, (409, "not_subscribed".to_owned()));
    let unknown = format!("/connections/{}/subscriptions/nope:x", client.id());
    assert_eq!(api.refusal("PUT", &unknown, Value::Null).await, (404, "unknown_namespace".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_of_a_user() {
    let (server, mut api, mut first) = user_server().await;
    let mut second = Client::with_token(server.addr(), &token::of("ann b", &json!({}))).await;
    let mut other = server.connect().await;
    let subscription = "/users/ann%20b/subscriptions/news";
    assert_eq!(api.ok("PUT", subscription, Value::Null).await, json!({"connections": 2}));
    for client in [&mut first, &mut second] {
        assert_eq!(client.event("subscribed").await["channel"], "news");
    }
    assert_eq!(api.ok("DELETE", subscription, Value::Null).await, json!({"connections": 2}));
    let close = json!({"code": 4321, "reason": "bye"});
    assert_eq!(api.ok("DELETE", "/users/ann%20b/connections", close).await, json!({"connections": 2}));
    for client in [&mut first, &mut second] {
        assert_eq!(client.closed().await.0, 4321);
    }
    assert_eq!(api.ok("DELETE", "/users/nobody/connections", Value::Null).await, json!({"connections": 0}));
    other.ask("echo", json!({"message": 1})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_one_connection() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    let path = format!("/connections/{}", client.id());
    let long = "x".repeat(124);
    for bad in [json!({"code": 3999}), json!({"code": 5000}), json!({"code": "x"}), json!({ "reason": long })] {
        assert_eq!(api.refusal("DELETE", &path, bad).await, (400, "invalid_payload".to_owned()));
    }
    assert_eq!(api.ok("DELETE", &path, Value::Null).await, json!({}));
    // At once, although the client has not answered the close frame.
    for method in ["GET", "DELETE"] {
        assert_eq!(api.refusal(method, &path, Value::Null).await, (404, "not_found".to_owned()));
    }
    assert_eq!(api.ok("GET", "/connections", Value::Null).await, json!({"connections": []}));
    assert_eq!(client.closed().await.0, 4503);
    server.wait_for_metric("ws_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_are_listed_and_described() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    for channel in ["a1", "a2", "b1"] {
        client.ask("subscribe", json!({ "channel": channel })).await;
    }
    let page = api.ok("GET", "/channels?prefix=a", Value::Null).await;
    let mut names: Vec<_> = page["channels"].as_array().expect("a list").iter().map(|one| &one["channel"]).collect();
    names.sort_by_key(|name| name.to_string());
    assert_eq!((names, page.get("next")), (vec![&json!("a1"), &json!("a2")], None));
    let first = api.ok("GET", "/channels?limit=2", Value::Null).await;
    let second =
        api.ok("GET", &format!("/channels?limit=2&after={}", first["next"].as_str().expect("more")), Value::Null).await;
    assert_eq!((second["channels"].as_array().map(Vec::len), second.get("next")), (Some(1), None));
    let one = api.ok("GET", "/channels/a1", Value::Null).await;
    assert_eq!(
        (&one["channel"], &one["namespace"], &one["subscribers"], &one["offset"]),
        (&json!("a1"), &Value::Null, &json!(1), &json!(0))
    );
    assert_eq!((&one["options"]["history_size"], &one["options"]["on_lag"]), (&json!(100), &json!("gap")));
    assert_eq!(api.ok("GET", "/channels/nobody", Value::Null).await["subscribers"], 0);
    for (path, status, code) in
        [("/channels/nope:x", 404, "unknown_namespace"), ("/channels/%20", 400, "invalid_channel")]
    {
        assert_eq!(api.refusal("GET", path, Value::Null).await, (status, code.to_owned()));
    }
}
