//! The token of a handshake: where it is sent, whom it names, and what happens with an invalid one.

use ws_tests::prelude::*;

use super::{code, connect, granting};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_comes_in_the_header_or_the_query() {
    let server = Server::with(granting).await;
    let (ann, bob) = (token::of("ann", &json!({})), token::of("bob", &json!({})));
    let user = async |path: &str, token: Option<&str>| {
        let mut client = Client::unread(server.addr(), path, token).await;
        client.event("connected").await["user"].clone()
    };
    assert_eq!(user("/ws", None).await, Value::Null);
    assert_eq!(user("/ws", Some(&ann)).await, "ann");
    let query = format!("/ws?heartbeat=app&token={bob}");
    assert_eq!(user(&query, None).await, "bob");
    assert_eq!(user(&query, Some(&ann)).await, "ann", "the header wins");
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let header = format!("{scheme} {ann}");
        let headers = [&raw::handshake_headers()[..], &[("Authorization", &header)]].concat();
        assert_eq!(http::ask(server.addr(), "GET", "/ws", &headers).await.status, 101);
    }
    server.wait_for_metric("ws_connections", 0.0).await;
    assert_eq!(server.metrics().await.get(r#"ws_authentications_total{result="ok"}"#), 6.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_is_refused_on_the_socket() {
    let server = Server::with(granting).await;
    let ours = token::of("ann", &json!({}));
    let cut = &ours[..ours.len() - 2];
    let old = token::of("ann", &json!({"exp": token::in_seconds(-60.0)}));
    let later = token::of("ann", &json!({"nbf": token::in_seconds(60.0)}));
    let channel = token::of("ann", &json!({"channel": "room:a"}));
    let nobody = token::signed(&json!({"info": 1}));
    for (token, expect) in [
        (cut, (4501, "invalid_token")),
        ("nonsense", (4501, "invalid_token")),
        ("", (4501, "invalid_token")),
        (&old, (4002, "token_expired")),
        (&later, (4501, "invalid_token")),
        (&channel, (4501, "invalid_token")),
        (&nobody, (4501, "invalid_token")),
    ] {
        for query in [false, true] {
            let path = if query { format!("/ws?token={token}") } else { "/ws".to_owned() };
            let mut client = Client::unread(server.addr(), &path, (!query).then_some(token)).await;
            let (close, frames) = client.closed().await;
            assert_eq!((close, frames.len(), code(&frames[0])), (expect.0, 1, expect.1), "{token}: {frames:?}");
            assert!(frames[0].get("id").is_none(), "{frames:?}");
            let told = frames[0].to_string();
            assert!(token.len() < 20 || !told.contains(&token[..20]), "it is not quoted: {told}");
        }
    }
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_errors_total{code="invalid_token"}"#), 12.0);
    assert_eq!(metrics.get(r#"ws_connections_closed_total{code="4002"}"#), 2.0);
    assert_eq!(metrics.get("ws_connections_opened_total"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_no_token_is_valid() {
    let server = Server::start().await;
    let mut client = Client::unread(server.addr(), "/ws", Some(&token::of("ann", &json!({})))).await;
    let (close, frames) = client.closed().await;
    assert_eq!((close, code(&frames[0])), (4501, "invalid_token"), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_lists_is_subscribed() {
    let server = Server::with(granting).await;
    let claims = json!({"channels": ["room:a", "server:b", "nowhere:c"], "info": {"name": "Ann"}});
    let mut ann = connect(&server, "ann", &claims).await;
    for (event, channel) in [("subscribed", "room:a"), ("subscribed", "server:b"), ("unsubscribed", "nowhere:c")] {
        let data = ann.event(event).await;
        assert_eq!(data["channel"], channel, "{data}");
        assert_eq!(data["epoch"].is_string(), event == "subscribed", "{data}");
    }
    let mut bob = connect(&server, "bob", &json!({"publish": ["room:*"], "subscribe": ["room:a"]})).await;
    bob.ask("publish", json!({"channel": "room:a", "data": 1})).await;
    let publication = ann.event("publication").await;
    assert_eq!((&publication["data"], &publication["from"]["user"]), (&json!(1), &json!("bob")));
    assert_eq!(ann.refusal("publish", json!({"channel": "room:a", "data": 1})).await, "permission_denied");
    assert_eq!(bob.refusal("subscribe", json!({"channel": "room:b"})).await, "permission_denied");
    bob.ask("subscribe", json!({"channel": "room:a"})).await;
    let presence = bob.ask("get_presence", json!({"channel": "room:a"})).await;
    let clients = presence["clients"].as_array().expect("a list");
    let of_ann = clients.iter().find(|client| client["user"] == "ann").expect("she is there");
    assert_eq!(of_ann["info"], json!({"name": "Ann"}));
    assert_eq!(presence["users"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_a_user_are_limited() {
    let server = Server::with(|config| {
        granting(config);
        config.limits.connections_per_user_max = 1;
    })
    .await;
    let first = connect(&server, "ann", &json!({})).await;
    let mut second = Client::unread(server.addr(), "/ws", Some(&token::of("ann", &json!({})))).await;
    let (close, frames) = second.closed().await;
    assert_eq!((close, code(&frames[0])), (4005, "limit_exceeded"), "{frames:?}");
    let mut third = server.connect().await;
    let answer = super::authenticate(&mut third, &token::of("ann", &json!({}))).await;
    assert_eq!(code(&answer), "limit_exceeded");
    assert_eq!(third.closed().await.0, 4005);
    connect(&server, "bob", &json!({})).await;
    first.close().await;
    until("a place", async || {
        let mut again = Client::unread(server.addr(), "/ws", Some(&token::of("ann", &json!({})))).await;
        (again.json().await["type"] == "notification").then_some(())
    })
    .await;
}
