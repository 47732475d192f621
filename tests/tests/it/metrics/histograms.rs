//! Histograms over real sockets: each is fed, and its buckets add up.

use ws_server::config::EngineType;
use ws_tests::prelude::*;

use crate::durable::directory;

/// Everything that is measured happens at least once.
async fn busy(server: &Server) {
    let mut client = server.connect().await;
    client.ask("echo", json!({"message": 1})).await;
    client.ask("subscribe", json!({"channel": "a"})).await;
    for n in 0..20 {
        client.ask("publish", json!({"channel": "a", "data": n})).await;
        client.event("publication").await;
    }
    client.ask("get_history", json!({"channel": "a"})).await;
    // Its answer goes out with the next request.
    while client.next().await != Frame::Ping {}
    client.ask("echo", json!({"message": 2})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_fed_and_adds_up() {
    let server = Server::with(|config| {
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = directory("histograms");
        config.heartbeat.interval = Duration::from_millis(100);
        config.heartbeat.timeout = Duration::from_secs(20);
    })
    .await;
    busy(&server).await;
    let metrics = server.metrics().await;
    let count = |name: &str| metrics.get(&format!("{name}_count"));
    for name in metrics.families.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        // Of each action; and nobody asks Claude here.
        if ["ws_request_seconds", "ws_claude_first_text_seconds"].contains(&name.as_str()) {
            continue;
        }
        assert!(count(name) > 0.0, "{name}");
        assert_eq!(metrics.get(&format!("{name}_bucket{{le=\"+Inf\"}}")), count(name), "{name}");
        let buckets = metrics.buckets(name);
        assert!(buckets.len() == 28 && buckets.is_sorted(), "{name}: {buckets:?}");
    }
    assert_eq!(metrics.families["ws_request_seconds"], "histogram");
    for (action, times) in [("echo", 2.0), ("publish", 20.0), ("subscribe", 1.0), ("get_presence", 0.0)] {
        let labels = format!("{{action=\"{action}\"}}");
        assert_eq!(metrics.get(&format!("ws_request_seconds_count{labels}")), times, "{action}");
        assert_eq!(metrics.get(&format!("ws_requests_total{labels}")), times, "{action}");
        assert_eq!(metrics.get(&format!("ws_request_seconds_sum{labels}")) > 0.0, times > 0.0, "{action}");
    }
    assert!((1.0..=20.0).contains(&count("ws_frame_seconds")), "at most one a publication");
    assert_eq!(count("ws_engine_commit_seconds"), 20.0);
    assert!(count("ws_engine_history_seconds") >= 2.0, "a position and a page");
}

/// Logins by their result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_are_counted_by_their_result() {
    let server = Server::with(|config| {
        token::accept(config);
        config.limits.connections_per_user_max = 1;
        config.limits.token_checks_per_second = 1;
    })
    .await;
    let (ann, old) = (token::of("ann", &json!({})), token::of("ann", &json!({"exp": token::in_seconds(-60.0)})));
    let _ann = Client::with_token(server.addr(), &ann).await;
    for (token, code) in [("nonsense", 4501), (&*old, 4002), (&*ann, 4005)] {
        assert_eq!(Client::unread(server.addr(), "/ws", Some(token)).await.closed().await.0, code);
    }
    let mut client = server.connect().await;
    assert_eq!(client.refusal("authenticate", json!({"token": "nonsense"})).await, "invalid_token");
    until("a check to be refused by its rate", async || {
        let code = client.refusal("authenticate", json!({"token": old})).await;
        (code == "rate_limited").then_some(())
    })
    .await;
    assert_eq!(client.refusal("authenticate", json!({})).await, "invalid_payload");
    let metrics = server.metrics().await;
    let logins = |result: &str| metrics.get(&format!("ws_authentications_total{{result=\"{result}\"}}"));
    assert_eq!(["ok", "invalid_token", "user_full", "full"].map(logins), [1.0, 2.0, 1.0, 0.0]);
    assert!(logins("expired") >= 1.0 && logins("too_fast") >= 1.0);
}
