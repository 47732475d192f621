//! The ways to Redis that an operator can configure.

use ws_tests::redis::{Sentinel, configure};
use ws_tests::tls::Certificate;

use super::*;

/// Two servers with these keys of `[engine.redis]`.
async fn two_with(keys: &[(&str, &str)]) -> (Server, Server) {
    let server = || Server::with(|config| configure(config, keys));
    (server().await, server().await)
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_share_a_redis_over_tls() {
    let certificate = Certificate::new();
    let redis = Redis::over_tls(&certificate).await;
    let (url, ca_file) = (format!("rediss://localhost:{}", redis.addr().port()), certificate.cert_file());
    let (a, b) = two_with(&[("URL", &url), ("TLS_CA_FILE", &ca_file.display().to_string())]).await;
    let (mut publisher, mut reader) = (a.connect().await, b.connect().await);
    reader.ask("subscribe", json!({"channel": "c"})).await;
    let answer = publisher.ask("publish", json!({"channel": "c", "data": 1})).await;
    assert_eq!((&answer["ack"], next(&mut reader).await), (&json!("replicated"), json!(1)));
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_follow_a_failover_of_sentinel() {
    let mut first = Redis::primary().await;
    let second = Redis::replica_of(&first).await;
    let sentinel = Sentinel::start(&first, &second).await;
    let (a, b) = two_with(&[("URL", &sentinel.url())]).await;
    let (mut publisher, mut reader) = (a.connect().await, b.connect().await);
    let before = reader.ask("subscribe", json!({"channel": "c"})).await;
    publisher.ask("publish", json!({"channel": "c", "data": 1})).await;
    assert_eq!(next(&mut reader).await, 1);

    first.kill().await;
    // Side by side: one may be well again before the other has noticed it.
    tokio::join!(
        until("a to notice it", async || (outage::ready(&a).await == 503).then_some(())),
        until("b to notice it", async || (outage::ready(&b).await == 503).then_some(())),
    );
    for server in [&a, &b] {
        until("the servers to be ready", async || (outage::ready(server).await == 200).then_some(())).await;
    }
    let answer = publisher.ask("publish", json!({"channel": "c", "data": 2})).await;
    assert_ne!(answer["epoch"], before["epoch"], "what may have been lost is another epoch");
    let mut gap = reader.event("gap").await;
    if gap["broadcast"] == true {
        gap = reader.event("gap").await;
    }
    assert_eq!(gap["epoch"], answer["epoch"], "{gap}");
    // Redis answers before its replica has it.
    assert!(gap["after"].as_u64().is_some_and(|after| after <= 1), "{gap}");
    assert_eq!(next(&mut reader).await, 2);
}
