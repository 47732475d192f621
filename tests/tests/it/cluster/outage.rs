//! A Redis that goes away and comes back empty, under clients on two servers.

use super::*;

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_stay_and_subscriptions_go_on() {
    let mut redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    let (mut publisher, mut reader) = (a.connect().await, b.connect().await);
    let before = reader.ask("subscribe", json!({"channel": "c"})).await;
    publisher.ask("publish", json!({"channel": "c", "data": 1})).await;
    assert_eq!(next(&mut reader).await, 1);

    redis.kill().await;
    for server in [&a, &b] {
        until("the servers to notice it", async || (ready(server).await == 503).then_some(())).await;
    }
    assert_eq!(reader.refusal("get_history", json!({"channel": "c"})).await, "engine_unavailable");
    assert_eq!(reader.ask("echo", json!({"message": 1})).await["echo"], 1);

    redis.restart().await;
    for server in [&a, &b] {
        until("the servers to be ready", async || (ready(server).await == 200).then_some(())).await;
    }
    let answer = publisher.ask("publish", json!({"channel": "c", "data": 2})).await;
    assert_ne!(answer["epoch"], before["epoch"], "what was lost is another epoch");
    // Broadcasts may have been lost with the rest.
    let mut gap = reader.event("gap").await;
    if gap["broadcast"] == true {
        gap = reader.event("gap").await;
    }
    assert_eq!((&gap["epoch"], &gap["after"]), (&answer["epoch"], &json!(0)), "{gap}");
    assert_eq!(next(&mut reader).await, 2);
}

pub(super) async fn ready(server: &Server) -> u16 {
    http::get(server.addr(), "/ready").await.status
}
