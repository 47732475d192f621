//! Admission and rates: origins of pages, connections per address, rates, modes of actions.

use ws_core::Access;
use ws_tests::prelude::*;
use ws_transport::AllowedOrigin;

/// Status of a handshake with these further headers, and what its error says.
async fn handshake(server: &Server, more: &[(&'static str, &str)]) -> (u16, String) {
    let headers = [&raw::handshake_headers()[..], more].concat();
    let response = http::ask(server.addr(), "GET", "/ws", &headers).await;
    let code = if response.status == 101 { String::new() } else { response.error_code() };
    (response.status, code)
}

const IN: (u16, &str) = (101, "");
const OUT: (u16, &str) = (403, "permission_denied");

#[track_caller]
fn is(found: (u16, String), expect: (u16, &str), what: &str) {
    assert_eq!((found.0, found.1.as_str()), expect, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_from_elsewhere_may_not_connect() {
    let server = Server::start().await;
    let own = format!("http://{}", server.addr());
    for origin in [own.as_str(), "http://localhost:5173", "https://127.0.0.1"] {
        is(handshake(&server, &[("Origin", origin)]).await, IN, origin);
    }
    is(handshake(&server, &[]).await, IN, "no page");
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "nonsense"] {
        is(handshake(&server, &[("Origin", origin)]).await, OUT, origin);
    }
    is(handshake(&server, &[("Origin", &own), ("Origin", "https://evil.example")]).await, OUT, "two of them");
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_handshakes_refused_total{reason="origin"}"#), 5.0);
    assert_eq!(http::ask(server.addr(), "GET", "/health", &[("Origin", "https://evil.example")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_says_which_pages_may_connect() {
    let server = Server::with(|config| {
        let list = ["https://app.example", "https://*.example.org"];
        config.auth.allowed_origins = list.iter().filter_map(|origin| AllowedOrigin::parse(origin)).collect();
    })
    .await;
    for origin in ["https://app.example", "https://a.example.org"] {
        is(handshake(&server, &[("Origin", origin)]).await, IN, origin);
    }
    for origin in ["http://app.example", "https://example.org", "http://localhost"] {
        is(handshake(&server, &[("Origin", origin)]).await, OUT, origin);
    }
    let server = Server::with(|config| config.auth.allowed_origins = vec![AllowedOrigin::Any]).await;
    is(handshake(&server, &[("Origin", "https://evil.example")]).await, IN, "any");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_an_address_are_limited() {
    let server = Server::with(|config| config.limits.connections_per_ip_max = 2).await;
    let first = server.connect().await;
    let _second = server.connect().await;
    is(handshake(&server, &[]).await, (503, "overloaded"), "a third one");
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_handshakes_refused_total{reason="address"}"#), 1.0);
    first.close().await;
    let third = server.connect().await;
    third.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_per_second_are_limited() {
    let server = Server::with(|config| config.limits.handshakes_per_second = 1).await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(handshake(&server, &[]).await.0);
    }
    assert_eq!(statuses[0], 101);
    assert!(statuses.contains(&503), "{statuses:?}");
    let headers = raw::handshake_headers();
    let refused = until("a refusal", async || {
        let response = http::ask(server.addr(), "GET", "/ws", &headers).await;
        (response.status == 503).then_some(response)
    })
    .await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    until("room again", async || (handshake(&server, &[]).await.0 == 101).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_too_often_is_told_when_to_ask_again() {
    let server = Server::with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 5;
        config.limits.errors_max = 3;
    })
    .await;
    let mut client = server.connect().await;
    let mut other = server.connect().await;
    let echo = |n: usize| json!({"id": n.to_string(), "type": "request", "action": "echo", "payload": {"message": n}});
    client.texts((0..20).map(|n| echo(n).to_string())).await;
    let (code, answers) = client.closed().await;
    assert_eq!(code, 4006, "it may come back, later");
    let (well, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer["type"] == "response");
    assert!((5..=9).contains(&well.len()) && refused.len() == 4, "{answers:?}");
    for answer in refused {
        assert_eq!(answer["error"]["code"], "rate_limited", "{answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("limits.requests_per_second")));
        assert!(answer["error"]["retry_after_ms"].as_u64().is_some_and(|ms| (1..=1000).contains(&ms)), "{answer}");
    }
    assert_eq!(other.ask("echo", json!({"message": 1})).await["echo"], 1, "each connection has a rate of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_have_modes() {
    for (access, code) in [
        (Access::NOBODY, "permission_denied"),
        (Access::GRANTED, "unauthenticated"),
        (Access::AUTHENTICATED, "unauthenticated"),
    ] {
        let server = Server::with(|config| {
            config.actions.broadcast = access;
            config.actions.get_connections = access;
        })
        .await;
        let mut client = server.connect().await;
        assert_eq!(client.refusal("broadcast", json!({"message": 1})).await, code);
        assert_eq!(client.refusal("get_connections", json!({})).await, code);
        assert_eq!(client.ask("echo", json!({"message": 1})).await["echo"], 1);
    }
}
