//! What `/metrics` says about channels, and that nothing is left when everybody has gone.

use ws_tests::prelude::*;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_are_freed_when_nobody_is_left() {
    const CHANNELS: usize = 50;
    let server = without_history().await;
    let mut clients = server.connect_many(6).await;
    for n in 0..CHANNELS {
        for client in &mut clients {
            subscribe(client, &format!("room{n}")).await;
            subscribe(client, &format!("live:{n}")).await;
        }
    }
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("ws_channels"), 100.0);
    assert_eq!(metrics.get("ws_subscriptions"), 600.0);
    for n in 0..CHANNELS {
        unsubscribe(&mut clients[0], &format!("room{n}")).await;
        unsubscribe(&mut clients[0], &format!("live:{n}")).await;
    }
    assert_eq!(server.metrics().await.get("ws_subscriptions"), 500.0);
    assert_eq!(server.metrics().await.get("ws_channels"), 100.0, "others are there");
    let mut stays = clients.remove(0);
    drop(clients.split_off(2));
    for client in clients {
        client.close().await;
    }
    server.wait_for_metric("ws_subscriptions", 0.0).await;
    server.wait_for_metric("ws_channels", 0.0).await;
    server.wait_for_metric("ws_log_bytes", 0.0).await;
    assert_eq!(subscribe(&mut stays, "room0").await["offset"], 0);
    assert_eq!(server.metrics().await.get("ws_channels"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_and_queries_create_no_channel() {
    let server = Server::with(|config| {
        config.channels.read_history = ws_server::config::Access::ANYONE;
        config.channels.read_presence = ws_server::config::Access::ANYONE;
    })
    .await;
    let mut client = server.connect().await;
    publish(&mut client, "a", 1).await;
    history(&mut client, json!({"channel": "b"})).await;
    presence(&mut client, "c").await;
    let metrics = server.metrics().await;
    assert_eq!((metrics.get("ws_channels"), metrics.get("ws_subscriptions")), (0.0, 0.0));
    assert_eq!(metrics.get("ws_engine_publications"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_counts_what_it_says() {
    let server = without_history().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    let epoch = subscribe(&mut client, ROOM).await["epoch"].clone();
    subscribe(&mut other, ROOM).await;
    subscribe(&mut client, "live:a").await;
    for n in 0..5 {
        client.ask("publish", json!({"channel": ROOM, "data": n, "msg_id": n.to_string()})).await;
    }
    publish(&mut client, "live:a", 1).await;
    publish(&mut client, "nobody", 1).await;
    for _ in 0..2 {
        client.ask("publish", json!({"channel": ROOM, "data": 0, "msg_id": "0"})).await;
    }
    assert_eq!(client.refusal("publish", json!({"channel": ROOM, "data": 9, "msg_id": "0"})).await, "conflict");
    for _ in 0..5 {
        other.event("publication").await;
    }
    for _ in 0..6 {
        client.event("publication").await;
    }
    let metrics = server.metrics().await;
    for (name, value) in [
        ("ws_channels", 2.0),
        ("ws_subscriptions", 3.0),
        ("ws_subscribed_total", 3.0),
        ("ws_publications_total", 7.0),
        ("ws_duplicates_total", 2.0),
        ("ws_deliveries_total", 11.0),
        ("ws_engine_publications", 6.0),
        ("ws_gaps_total", 0.0),
        ("ws_missed_total", 0.0),
        ("ws_broadcasts_total", 0.0),
        (r#"ws_requests_total{action="subscribe"}"#, 3.0),
        (r#"ws_requests_total{action="publish"}"#, 10.0),
        (r#"ws_requests_total{action="get_history"}"#, 0.0),
        (r#"ws_errors_total{code="conflict"}"#, 1.0),
    ] {
        assert_eq!(metrics.get(name), value, "{name}");
    }
    unsubscribe(&mut other, ROOM).await;
    let since = |epoch: &Value, offset: u64| json!({"channel": ROOM, "since": {"epoch": epoch, "offset": offset}});
    other.ask("subscribe", since(&epoch, 3)).await;
    unsubscribe(&mut other, ROOM).await;
    other.ask("subscribe", since(&json!("another"), 3)).await;
    let metrics = server.metrics().await;
    for (name, value) in [
        ("ws_subscriptions", 3.0),
        ("ws_subscribed_total", 5.0),
        ("ws_recovered_total", 1.0),
        ("ws_not_recovered_total", 1.0),
        (r#"ws_requests_total{action="unsubscribe"}"#, 2.0),
    ] {
        assert_eq!(metrics.get(name), value, "{name}");
    }
}
