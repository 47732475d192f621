//! `join` and `leave`, and the counts that replace them in large channels.

use ws_tests::prelude::*;

use super::*;

/// A server with `join_leave` and this `join_leave_max`.
async fn told(join_leave_max: usize) -> Server {
    Server::with(|config| {
        config.channels.join_leave = true;
        config.channels.join_leave_max = join_leave_max;
    })
    .await
}

/// The next event is this one, about this connection.
async fn told_of(client: &mut Client, event: &str, id: &str) {
    let data = client.event(event).await;
    let expect = json!({"event": event, "channel": ROOM, "client": {"connection_id": id, "user": null, "info": null}});
    assert_eq!(data, expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_are_told_but_not_the_subscriber_itself() {
    let server = told(100).await;
    let (mut ann, mut bob, mut eve) = (server.connect().await, server.connect().await, server.connect().await);
    subscribe(&mut ann, ROOM).await;
    subscribe(&mut bob, ROOM).await;
    told_of(&mut ann, "join", bob.id()).await;
    subscribe(&mut eve, ROOM).await;
    told_of(&mut ann, "join", eve.id()).await;
    told_of(&mut bob, "join", eve.id()).await;
    unsubscribe(&mut bob, ROOM).await;
    told_of(&mut ann, "leave", bob.id()).await;
    told_of(&mut eve, "leave", bob.id()).await;
    subscribe(&mut bob, ROOM).await;
    told_of(&mut ann, "join", bob.id()).await;
    told_of(&mut eve, "join", bob.id()).await;
    // Any other event would come before this one.
    publish(&mut ann, ROOM, "end").await;
    for client in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(client.event("publication").await["data"], "end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_agrees_with_what_was_told() {
    let server = told(100).await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    subscribe(&mut ann, ROOM).await;
    for _ in 0..50 {
        subscribe(&mut bob, ROOM).await;
        told_of(&mut ann, "join", bob.id()).await;
        assert!(ids(&presence(&mut ann, ROOM).await).contains(&bob.id()));
        unsubscribe(&mut bob, ROOM).await;
        told_of(&mut ann, "leave", bob.id()).await;
        assert_eq!(ids(&presence(&mut ann, ROOM).await), [ann.id()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_go_is_a_leave() {
    let server = told(100).await;
    let mut ann = server.connect().await;
    subscribe(&mut ann, ROOM).await;
    for way in ["close", "drop", "reset"] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(raw::handshake("/ws").as_bytes()).await;
        assert_eq!(raw.response(false).await.status, 101);
        let connected = raw.json().await;
        let id = connected["data"]["connection_id"].as_str().expect("an id");
        raw.write(&raw::text(r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"room"}}"#)).await;
        assert_eq!(raw.json().await["type"], "response");
        told_of(&mut ann, "join", id).await;
        match way {
            "close" => raw.write(&raw::frame(raw::FIN | raw::opcode::CLOSE, &1000u16.to_be_bytes())).await,
            "reset" => raw.reset(),
            _ => drop(raw),
        }
        told_of(&mut ann, "leave", id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_is_told_once_in_the_order_of_the_stream() {
    let server = told(100).await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    subscribe(&mut ann, ROOM).await;
    for n in 1..=20 {
        subscribe(&mut bob, ROOM).await;
        publish(&mut bob, ROOM, n).await;
        unsubscribe(&mut bob, ROOM).await;
        told_of(&mut ann, "join", bob.id()).await;
        assert_eq!(ann.event("publication").await["offset"], n, "joins and leaves take no offsets");
        told_of(&mut ann, "leave", bob.id()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_if_it_is_off() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    subscribe(&mut ann, ROOM).await;
    subscribe(&mut bob, ROOM).await;
    unsubscribe(&mut bob, ROOM).await;
    publish(&mut bob, ROOM, "end").await;
    assert_eq!(ann.event("publication").await["data"], "end");
}

/// Reads counts until this one: how many events that took, and how many of them were joins or leaves.
async fn read_to(client: &mut Client, connections: usize) -> (usize, usize) {
    let (mut events, mut single) = (0, 0);
    loop {
        let event = client.notification().await;
        events += 1;
        match event["event"].as_str() {
            Some("presence") => {
                let expect =
                    json!({"event": "presence", "channel": ROOM, "connections": event["connections"], "users": 0});
                assert_eq!(event, expect);
                if event["connections"] == connections {
                    return (events, single);
                }
            }
            Some("join" | "leave") => single += 1,
            _ => panic!("{event}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_joins_is_told_in_counts() {
    const MAX: usize = 10;
    const STORM: usize = 300;
    let server = told(MAX).await;
    let mut first = server.connect().await;
    subscribe(&mut first, ROOM).await;
    let mut others = server.connect_many(STORM).await;
    for other in &mut others {
        subscribe(other, ROOM).await;
    }
    let (events, joins) = read_to(&mut first, STORM + 1).await;
    assert_eq!(joins, MAX - 1, "each one while the channel is small");
    assert!(events < STORM / 4, "{events} events");
    // Those who joined in the middle got fewer events, and know the same in the end.
    let (events, joins) = read_to(&mut others[STORM / 2], STORM + 1).await;
    assert_eq!(joins, 0);
    assert!(events < STORM / 4, "{events} events");

    let mut stays = others.pop().expect("the last");
    read_to(&mut stays, STORM + 1).await;
    drop(others);
    let (mut events, mut leaves) = (0, 0);
    while leaves < MAX - 1 {
        let event = stays.notification().await;
        events += 1;
        leaves += usize::from(event["event"] == "leave");
    }
    assert!(events < STORM / 4, "{events} events");
    publish(&mut stays, ROOM, "end").await;
    loop {
        let event = stays.notification().await;
        match event["event"].as_str() {
            Some("presence") => {}
            Some("publication") => break,
            _ => panic!("each one from {MAX} down to 2, and no other: {event}"),
        }
    }
    assert_eq!(ids(&presence(&mut stays, ROOM).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_zero_there_are_only_counts() {
    let server = told(0).await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    subscribe(&mut ann, ROOM).await;
    subscribe(&mut bob, ROOM).await;
    assert_eq!(read_to(&mut ann, 2).await.1, 0);
}
