//! `unsubscribe`: nothing of the channel follows its answer, and the client can subscribe again.

use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsubscribing_without_a_subscription_is_an_error() {
    let server = Server::with(|config| config.limits.errors_max = 0).await;
    let mut client = server.connect().await;
    let refused = async |client: &mut Client| client.refusal("unsubscribe", json!({"channel": ROOM})).await;
    assert_eq!(refused(&mut client).await, "not_subscribed");
    subscribe(&mut client, ROOM).await;
    let mut other = server.connect().await;
    assert_eq!(refused(&mut other).await, "not_subscribed", "another connection's subscription is not its own");
    unsubscribe(&mut client, ROOM).await;
    assert_eq!(refused(&mut client).await, "not_subscribed");
    for payload in [json!({}), json!({"channel": 1}), json!({"channel": null}), json!({"channel": []})] {
        let answer = client.request("1", "unsubscribe", payload.clone()).await;
        assert_eq!(error_of(&answer).1, "invalid_payload", "{payload}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_afterwards_is_not_received() {
    let server = Server::start().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    subscribe(&mut client, ROOM).await;
    subscribe(&mut client, "stays").await;
    unsubscribe(&mut client, ROOM).await;
    publish(&mut other, ROOM, 1).await;
    publish(&mut client, ROOM, 2).await;
    publish(&mut other, "stays", 3).await;
    assert_eq!(client.event("publication").await["channel"], "stays");
    let again = subscribe(&mut client, ROOM).await;
    assert_eq!(again["offset"], 2, "what was missed is not delivered later");
    publish(&mut other, ROOM, 4).await;
    let event = client.event("publication").await;
    assert_eq!((&event["offset"], &event["data"]), (&json!(3), &json!(4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_the_answer_under_load() {
    const ROUNDS: usize = 60;
    let server = without_history().await;
    for channel in [ROOM, "live:room"] {
        let storm = Storm::begin(&server, channel).await;
        let mut client = server.connect().await;
        let mut delivered = 0;
        for _ in 0..ROUNDS {
            subscribe(&mut client, channel).await;
            let first = client.event("publication").await;
            assert_eq!(first["channel"], channel);
            let request =
                json!({"id": "u", "type": "request", "action": "unsubscribe", "payload": {"channel": channel}});
            client.text(request.to_string()).await;
            loop {
                let frame = client.json().await;
                if frame["type"] == "response" {
                    break;
                }
                assert_eq!(frame["data"]["event"], "publication", "{frame}");
                delivered += 1;
            }
            // Two round trips through the server while publishing goes on.
            for id in ["1", "2"] {
                client
                    .text(json!({"id": id, "type": "request", "action": "echo", "payload": {"message": 0}}).to_string())
                    .await;
                let frame = client.json().await;
                assert_eq!((&frame["type"], &frame["id"]), (&json!("response"), &json!(id)), "{frame}");
            }
        }
        let published = storm.end().await;
        assert!(published > delivered, "{published} {delivered}");
        client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_turns_under_load_get_only_their_own_publications() {
    const TURNS: usize = 1000;
    let server = Server::start().await;
    let storms = [Storm::begin(&server, ROOM).await, Storm::begin(&server, ROOM).await];
    let mut client = server.connect().await;
    let request = |n: usize| {
        let action = ["subscribe", "unsubscribe"][n % 2];
        json!({"id": n.to_string(), "type": "request", "action": action, "payload": {"channel": ROOM}}).to_string()
    };
    client.texts((0..2 * TURNS).map(request)).await;
    let mut answered = 0;
    let mut offset = None;
    while answered < 2 * TURNS {
        let frame = client.json().await;
        if frame["type"] == "response" {
            assert_eq!(frame["id"], answered.to_string());
            offset = frame["data"]["offset"].as_u64();
            answered += 1;
            continue;
        }
        let next = offset.unwrap_or_else(|| panic!("nothing is subscribed: {frame}")) + 1;
        assert_eq!(frame["data"]["offset"], next, "each once, in order");
        offset = Some(next);
    }
    for storm in storms {
        storm.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_turns_are_answered_in_order_and_leave_nothing() {
    const TURNS: usize = 200;
    let server = Server::start().await;
    let mut client = server.connect().await;
    let request = |n: usize| {
        let action = ["subscribe", "publish", "unsubscribe"][n % 3];
        let payload = json!({"channel": ROOM, "data": n});
        json!({"id": n.to_string(), "type": "request", "action": action, "payload": payload}).to_string()
    };
    client.texts((0..3 * TURNS).map(request)).await;
    for n in 0..3 * TURNS {
        let answer = client.answer(&n.to_string()).await;
        assert_eq!(answer["type"], "response", "{answer}");
        if n % 3 == 0 {
            assert_eq!(answer["data"]["offset"], n / 3, "{answer}");
        }
    }
    server.wait_for_metric("ws_subscriptions", 0.0).await;
    server.wait_for_metric("ws_channels", 0.0).await;
}
