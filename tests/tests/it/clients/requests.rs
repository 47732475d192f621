//! What ws-client asks a server for, and what it is told outside of channels.

use futures_util::{StreamExt, TryStreamExt};
use ws_client::action::{Broadcast, Echo, GetConnections};
use ws_client::{Client as WsClient, Event, History, Kind, Notification, Position, Problem};
use ws_server::config::Access;
use ws_tests::fault_proxy::FaultProxy;
use ws_tests::prelude::*;

fn client(url: String) -> WsClient {
    WsClient::builder(url).start().expect("it starts")
}

async fn server(history_size: usize) -> (Server, WsClient) {
    let server = Server::with(|config| {
        config.channels.history_size = history_size;
        config.channels.read_history = Access::ANYONE;
    })
    .await;
    let client = client(format!("ws://{}/ws", server.addr()));
    (server, client)
}

/// What comes, and how it ends.
async fn read(history: History<u64>) -> (Vec<u64>, Option<Problem>) {
    let mut came = Vec::new();
    let mut history = history;
    loop {
        match within("history", history.try_next()).await {
            Ok(Some(Event::Publication(publication))) => came.push(publication.data),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (came, None),
            Err(error) => return (came, Some(error)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_goes_over_all_pages() {
    const COUNT: u64 = 2_300;
    let (_server, client) = server(10_000).await;
    let channel = client.channel::<u64>("chat");
    let mut last = None;
    for n in 1..=COUNT {
        last = within("an answer", channel.publish(&n)).await.expect("published").position;
    }
    let Position { epoch, .. } = last.expect("a channel with history");
    let at = |offset| Position { epoch: epoch.clone(), offset };
    assert_eq!(read(channel.history()).await, ((1..=COUNT).collect(), None));
    assert_eq!(read(channel.history().reverse()).await, ((1..=COUNT).rev().collect(), None));
    assert_eq!(read(channel.history().limit(1_500)).await, ((1..=1_500).collect(), None));
    assert_eq!(read(channel.history().since(at(2_298))).await, (vec![2_299, 2_300], None));
    assert_eq!(read(channel.history().since(at(10)).before(13)).await, (vec![11, 12], None));
    assert_eq!(read(channel.history().reverse().before(4)).await, (vec![3, 2, 1], None));
    let text = client.channel::<String>("chat");
    let event = within("history", text.history().next()).await.expect("an item").expect("no error");
    assert!(matches!(event, Event::Undecodable { offset: Some(1), .. }), "{event:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_history_is_a_gap() {
    let (_server, client) = server(5).await;
    let channel = client.channel::<u64>("chat");
    let first = within("an answer", channel.publish(&1)).await.expect("published").position.expect("history");
    for n in 2..=20 {
        within("an answer", channel.publish(&n)).await.expect("published");
    }
    let (came, error) = read(channel.history().since(first)).await;
    assert_eq!((came, error.map(|error| error.kind)), (vec![], Some(Kind::Gap)));
    assert_eq!(read(channel.history()).await, ((16..=20).collect(), None));
    let elsewhere = Position { epoch: "another".to_owned(), offset: 3 };
    let (_, error) = read(channel.history().since(elsewhere)).await;
    assert_eq!(error.and_then(|error| error.code), Some(ws_client::ErrorCode::StalePosition));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_goes_over_all_pages() {
    const COUNT: usize = 1_030;
    let (server, client) = server(0).await;
    let mut others = server.connect_many(COUNT).await;
    for other in &mut others {
        other.ask("subscribe", json!({"channel": "room"})).await;
    }
    let room = client.channel::<Value>("room");
    let mut events = room.subscribe().start();
    assert!(matches!(within("an event", events.next()).await, Some(Event::Live { .. })));
    let all = within("presence", room.presence()).await.expect("an answer");
    assert_eq!((all.connections, all.clients.len()), (COUNT as u64 + 1, COUNT + 1));
    let mut ids: Vec<_> = all.clients.iter().map(|client| client.connection_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), COUNT + 1, "each once");
    let some = within("presence", room.presence_up_to(1_010)).await.expect("an answer");
    assert_eq!((some.connections, some.clients.len()), (COUNT as u64 + 1, 1_010));
}

async fn named<R: serde::de::DeserializeOwned>(client: &WsClient, action: &str, payload: Value) -> Result<R, Problem> {
    within("an answer", client.request_by_name(action, &payload)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_action_and_what_everybody_is_told() {
    let (_server, client) = server(0).await;
    let mut notifications = client.notifications();
    let echo = within("an answer", client.request(&Echo { message: [1, 2] })).await.expect("an echo");
    assert_eq!(echo.echo, json!([1, 2]));
    assert_eq!(within("an answer", client.request(&GetConnections {})).await.expect("a count").count, 1);
    let sent = within("an answer", client.request(&Broadcast { message: "all" })).await.expect("an answer");
    assert_eq!(sent.recipients, 1);
    let heard = within("a broadcast", notifications.next()).await.expect("the client runs");
    assert_eq!(heard, Notification::Broadcast { message: json!("all"), from: Some(None) });

    let echo = named::<Value>(&client, "echo", json!({"message": "é"})).await;
    assert_eq!(echo.expect("an echo"), json!({"echo": "é"}));
    let error = named::<Value>(&client, "fly", json!({})).await.expect_err("no such action");
    assert_eq!(error.code, Some(ws_client::ErrorCode::UnknownAction));
    let own = named::<Value>(&client, "subscribe", json!({"channel": "a"})).await;
    assert_eq!(own.expect_err("the client's own").kind, Kind::Rejected);
    let number = named::<u64>(&client, "echo", json!({"message": 1})).await;
    assert_eq!(number.expect_err("no number").kind, Kind::Encoding);
    within("closing", client.close(Duration::ZERO)).await.expect("nothing is left");
    assert_eq!(within("the end", notifications.next()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_waits_for_is_not_sent() {
    let (server, _) = server(0).await;
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.refuse().await;
    let client = client(proxy.url());
    let mut status = client.status();
    {
        let broadcast = client.request(&Broadcast { message: "no" });
        tokio::pin!(broadcast);
        let is_waiting = status.wait_for(|status| status.state == ws_client::State::Waiting);
        tokio::select! {
            answer = &mut broadcast => panic!("offline: {answer:?}"),
            is_waiting = within("an attempt", is_waiting) => drop(is_waiting),
        }
    }
    proxy.accept().await;
    client.wake();
    assert_eq!(within("an answer", client.request(&GetConnections {})).await.expect("a count").count, 1);
    assert_eq!(server.metrics().await.get("ws_broadcasts_total"), 0.0);
}
