//! Operations on connections of other hubs.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;
use ws_core::Limits;
use ws_proto::{CloseCode, ErrorCode};

use super::{code, subscribe, three, user};
use crate::client::{Client, limits, run};
use crate::cluster::{Servers, say, seen};

#[tokio::test(start_paused = true)]
async fn one_connection_is_the_same_from_everywhere() {
    let three = three();
    let mut client = user(&three, 2, "ann");
    for channel in ["b", "a"] {
        subscribe(&mut client, channel).await;
    }
    let id = client.connection.id();
    let own = three.hubs[2].connection(id).await.expect("there");
    assert_eq!((own.connection.user.as_deref(), own.subscriptions.len()), (Some("ann"), 2));
    for hub in &three.hubs {
        assert_eq!(hub.connection(id).await.expect("there"), own);
        assert_eq!(code(hub.connection(Uuid::new_v4()).await).err(), Some(ErrorCode::NotFound));
    }
    assert!(three.hubs[2].watch_frames(id).await.is_ok());
    assert_eq!(code(three.hubs[0].watch_frames(id).await).err(), Some(ErrorCode::NotAvailable));
    assert_eq!(code(three.hubs[0].watch_frames(Uuid::new_v4()).await).err(), Some(ErrorCode::NotFound));
    assert_eq!(three.hubs[2].counters().cluster_questions.get(), 1, "of its own it asks nobody");
}

/// More subscriptions than one answer may have.
#[tokio::test(start_paused = true)]
async fn a_connection_with_many_subscriptions_is_whole() {
    let three = Servers::start(3, Limits { channels_per_connection_max: 10_000, ..limits() }, &[]);
    let mut client = three.connect(1);
    for n in 0..9_000 {
        say(&mut client, "subscribe", &json!({"channel": format!("channel-{n}")}));
    }
    seen(&mut client).await;
    let id = client.connection.id();
    let own = three.hubs[1].connection(id).await.expect("there");
    assert_eq!(own.subscriptions.len(), 9_000);
    assert_eq!(three.hubs[0].connection(id).await.expect("there"), own);
    assert_eq!(three.hubs[1].counters().cluster_answers.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_is_closed_from_elsewhere() {
    let three = three();
    let client = three.connect(1);
    let id = client.connection.id();
    let wrong = three.hubs[0].close_connection(id, Some(3999), None).await;
    assert_eq!(code(wrong), Err(ErrorCode::InvalidPayload));
    three.hubs[0].close_connection(id, Some(4321), Some("bye \"now\"")).await.expect("there");
    assert_eq!(client.connection.close_frame(), Some((4321, "bye \"now\"".into())));
    for hub in &three.hubs {
        assert_eq!(code(hub.close_connection(id, None, None).await), Err(ErrorCode::NotFound));
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_subscribed_and_unsubscribed_from_elsewhere() {
    let three = three();
    let mut client = three.connect(1);
    let (hub, id) = (&three.hubs[0], client.connection.id());
    run(&mut [&mut client], hub.subscribe(id, "a")).await.expect("it is subscribed");
    let event = seen(&mut client).await.pop().expect("an event");
    assert_eq!((&event["data"]["event"], &event["data"]["channel"]), (&"subscribed".into(), &"a".into()));
    let again = run(&mut [&mut client], hub.subscribe(id, "a")).await;
    assert_eq!(code(again), Err(ErrorCode::AlreadySubscribed));
    run(&mut [&mut client], hub.unsubscribe(id, "a")).await.expect("it is unsubscribed");
    assert_eq!(seen(&mut client).await.pop().expect("an event")["data"]["event"], "unsubscribed");
    assert_eq!(code(run(&mut [&mut client], hub.unsubscribe(id, "a")).await), Err(ErrorCode::NotSubscribed));
    let nobody = Uuid::new_v4();
    assert_eq!(code(hub.subscribe(nobody, "a").await), Err(ErrorCode::NotFound));
    assert_eq!(code(hub.unsubscribe(nobody, "a").await), Err(ErrorCode::NotFound));
    for (channel, expect) in [("no name", ErrorCode::InvalidChannel), ("no:space", ErrorCode::UnknownNamespace)] {
        assert_eq!(code(hub.subscribe(id, channel).await), Err(expect));
        assert_eq!(code(hub.unsubscribe(nobody, channel).await), Err(expect));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_is_overloaded_in_time() {
    let three = Servers::start(3, Limits { outbox_bytes_max: 1000, ..limits() }, &[]);
    let client = Client::connect(&three.hubs[1], 0);
    let since = Instant::now();
    let result = three.hubs[0].subscribe(client.connection.id(), "a").await;
    assert_eq!(code(result), Err(ErrorCode::Overloaded), "its server says why");
    assert!(since.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_user_on_all_hubs() {
    let three = three();
    let [mut a, mut b, mut c, mut d] = [0, 1, 1, 2].map(|at| user(&three, at, "ann"));
    let mut bob = user(&three, 2, "bob");
    subscribe(&mut c, "news").await;
    for hub in &three.hubs {
        let mut all = [&mut a, &mut b, &mut c, &mut d, &mut bob];
        let result = run(&mut all, hub.subscribe_user("ann", "news")).await;
        assert_eq!(code(result), Ok(4), "to repeat it is safe");
        assert_eq!(code(run(&mut all, hub.subscribe_user("nobody", "news")).await), Ok(0));
        assert_eq!(code(run(&mut all, hub.subscribe_user("ann", "no name")).await), Err(ErrorCode::InvalidChannel));
    }
    assert_eq!(three.hubs[0].channel("news").await.expect("a channel").subscribers, 4);
    let mut all = [&mut a, &mut b, &mut c, &mut d, &mut bob];
    assert_eq!(code(run(&mut all, three.hubs[1].unsubscribe_user("ann", "news")).await), Ok(4));
    assert_eq!(three.hubs[0].channel("news").await.expect("a channel").subscribers, 0);
    assert_eq!(code(three.hubs[0].close_user("ann", Some(4100), Some("bye")).await), Ok(4));
    for closed in [&a, &b, &c, &d] {
        assert_eq!(closed.connection.close_frame(), Some((4100, "bye".into())));
    }
    assert_eq!(bob.attention().close, None);
    assert_eq!(code(three.hubs[2].close_user("ann", None, None).await), Ok(0));
    assert_eq!(code(three.hubs[0].close_user("bob", None, None).await), Ok(1));
    assert_eq!(bob.attention().close, Some(CloseCode::Disconnected));
}
