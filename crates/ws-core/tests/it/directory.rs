//! Connections and channels as the server API sees them.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tokio::time::advance;
use ws_core::{ChannelOptions, Limits};
use ws_proto::{CloseCode, ErrorCode};

use crate::client::{Client, LOCAL, hub, hub_with, limits, look, memory, options, run, settle};

fn say(client: &mut Client, action: &str, payload: &serde_json::Value) {
    client.say(&json!({"id": "r", "type": "request", "action": action, "payload": payload}).to_string());
}

#[tokio::test(start_paused = true)]
async fn pages_have_everybody_who_stays_once_while_others_come_and_go() {
    let hub = hub(limits());
    let staying: Vec<_> = (0..150).map(|_| Client::connect(&hub, 1 << 20)).collect();
    let mut passing: Vec<_> = (0..150).map(|_| Client::connect(&hub, 1 << 20)).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = hub.list_connections(None, Some(7), after.as_deref()).await.expect("a page");
        assert!(page.connections.len() <= 7);
        seen.extend(page.connections.iter().map(|connection| connection.connection_id));
        after = page.next;
        if after.is_none() {
            break;
        }
        passing.drain(..2);
        passing.extend((0..2).map(|_| Client::connect(&hub, 1 << 20)));
    }
    let once: HashSet<_> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "nobody twice");
    assert!(staying.iter().all(|client| once.contains(&client.connection.id())), "nobody is missing");
    for wrong in ["", "x", "00000000-0000-0000-0000-000000000000", "0000000000000000000000000000000A"] {
        let page = hub.list_connections(None, None, Some(wrong)).await;
        assert_eq!(page.map(drop).map_err(|error| error.code), Err(ErrorCode::InvalidPayload), "{wrong}");
    }
    drop((staying, passing));
    assert!(hub.list_connections(None, None, None).await.expect("a page").connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_cursors() {
    let passing = ChannelOptions { history_size: 0, ..options() };
    let hub = hub_with(limits(), &[("", options()), ("pass", passing)], memory());
    let mut publisher = Client::connect(&hub, 1 << 20);
    let mut client = Client::connect(&hub, 1 << 20);
    say(&mut client, "subscribe", &json!({"channel": "a"}));
    say(&mut client, "subscribe", &json!({"channel": "pass:a"}));
    settle().await;
    let publish = |publisher: &mut Client| {
        for channel in ["a", "pass:a"] {
            say(publisher, "publish", &json!({"channel": channel, "data": 1}));
        }
    };
    publish(&mut publisher);
    settle().await;
    let id = client.connection.id();
    let details = run(&mut [], hub.connection(id)).await.expect("there");
    assert_eq!((details.connection.channels, details.connection.remote_addr), (2, LOCAL));
    let [kept, passing] = &details.subscriptions[..] else { panic!("two: {details:?}") };
    assert_eq!((kept.channel.as_str(), kept.offset, kept.after, kept.lag), ("a", Some(1), Some(1), Some(0)));
    assert!(kept.epoch.is_some());
    assert_eq!((passing.offset, passing.after, passing.lag), (None, None, Some(0)));
    // Its socket is full: it falls behind.
    let mut slow = Client::connect(&hub, 0);
    say(&mut slow, "subscribe", &json!({"channel": "a"}));
    for _ in 0..3 {
        publish(&mut publisher);
    }
    settle().await;
    let details = run(&mut [], hub.connection(slow.connection.id())).await.expect("there");
    assert_eq!((details.subscriptions[0].after, details.subscriptions[0].lag), (Some(1), Some(3)));
    let gone = slow.connection.id();
    drop(slow);
    assert_eq!(run(&mut [], hub.connection(gone)).await.map_err(|error| error.code).err(), Some(ErrorCode::NotFound));
}

#[tokio::test(start_paused = true)]
async fn closing_with_a_code_and_a_reason() {
    let hub = hub(limits());
    let client = Client::connect(&hub, 1 << 20);
    let id = client.connection.id();
    let long = "x".repeat(124);
    for (code, reason) in [(Some(3999), None), (Some(5000), None), (None, Some(&*long))] {
        let result = hub.close_connection(id, code, reason).await;
        assert_eq!(result.map_err(|error| error.code), Err(ErrorCode::InvalidPayload));
    }
    assert_eq!(client.attention().close, None);
    hub.close_connection(id, Some(4321), Some("bye")).await.expect("there");
    let again = hub.close_connection(id, Some(4000), Some("too late")).await;
    assert_eq!(again.map_err(|error| error.code), Err(ErrorCode::NotFound), "to callers it is gone");
    assert!(hub.list_connections(None, None, None).await.expect("a page").connections.is_empty());
    assert_eq!(client.attention().close, Some(CloseCode::Disconnected));
    assert_eq!(client.connection.close_frame(), Some((4321, "bye".into())));
}

/// A client that reads nothing gets no more than its outbox may hold, however often it is called.
#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_is_overloaded() {
    let hub = hub(Limits { outbox_bytes_max: 1000, ..limits() });
    let mut client = Client::connect(&hub, 0);
    let id = client.connection.id();
    let mut done = 0;
    loop {
        let channel = format!("c{done}");
        let mut operation = pin!(hub.subscribe(id, &channel));
        assert!(look(operation.as_mut()).await.is_pending());
        client.go_on();
        if look(operation.as_mut()).await.is_pending() {
            assert!(client.session.is_out_of_room());
            let mut waiting: Vec<_> = (0..63).map(|_| Box::pin(hub.subscribe(id, "more"))).collect();
            for one in &mut waiting {
                assert!(look(one.as_mut()).await.is_pending());
            }
            let more = hub.subscribe(id, "more").await;
            assert_eq!(more.map_err(|error| error.code), Err(ErrorCode::Overloaded), "the queue has an end");
            // A subscription ends all the same, and one that has not begun does not begin.
            run(&mut [&mut client], hub.unsubscribe(id, "c0")).await.expect("it ends");
            let none = run(&mut [&mut client], hub.unsubscribe(id, "more")).await;
            assert_eq!(none.map_err(|error| error.code), Err(ErrorCode::NotSubscribed));
            let overtaken = waiting.pop().expect("63").await;
            assert_eq!(overtaken.map_err(|error| error.code), Err(ErrorCode::NotSubscribed));
            advance(Duration::from_secs(6)).await;
            assert_eq!(operation.await.map_err(|error| error.code), Err(ErrorCode::Overloaded));
            break;
        }
        done += 1;
        assert!(done < 100, "there is no end");
    }
    assert!(client.connection.outbox_bytes() < 1400, "one answer, and the end of each subscription");
    // What was given up is not done later.
    client.make_room(1 << 20);
    client.go_on();
    let details = run(&mut [&mut client], hub.connection(id)).await.expect("there");
    assert_eq!(details.subscriptions.len(), done - 1);
}

/// The task is woken also if it was running when it was called, and had looked already.
#[tokio::test(start_paused = true)]
async fn a_call_wakes_a_task_that_is_running() {
    let hub = hub(limits());
    let client = Client::connect(&hub, 1 << 20);
    let mut operation = pin!(hub.subscribe(client.connection.id(), "a"));
    assert!(!client.session.is_waiting(), "the task has looked");
    assert!(look(operation.as_mut()).await.is_pending());
    client.is_woken();
    assert!(client.is_woken(), "it registers its waker only now");
    assert!(!client.is_woken(), "once");
}

#[tokio::test(start_paused = true)]
async fn channels_in_pages() {
    let hub = hub(limits());
    let mut clients: Vec<_> = (0..30).map(|_| Client::connect(&hub, 1 << 20)).collect();
    for (nth, client) in clients.iter_mut().enumerate() {
        say(client, "subscribe", &json!({"channel": format!("room{}", nth % 20)}));
        say(client, "subscribe", &json!({"channel": "lobby"}));
    }
    let names = async |prefix: &str| {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = hub.list_channels(prefix, Some(3), after.as_deref()).await.expect("a page");
            names.extend(page.channels.into_iter().map(|channel| (channel.channel, channel.subscribers)));
            after = page.next;
            if after.is_none() {
                names.sort();
                return names;
            }
        }
    };
    assert_eq!(names("").await.len(), 21);
    assert_eq!(names("lob").await, [("lobby".to_owned(), 30)]);
    assert_eq!(names("room1").await.len(), 11);
    assert!(names("none").await.is_empty());
    assert!(
        hub.list_channels("", None, Some("no cursor")).await.is_err()
            && hub.list_channels("", Some(0), None).await.is_err()
    );
    let channel = hub.channel("lobby").await.expect("a channel");
    assert_eq!((channel.subscribers, channel.offset, channel.epoch.is_some()), (30, Some(0), true));
    assert_eq!(hub.channel("unused").await.expect("a channel").subscribers, 0);
    assert_eq!(hub.channel("no name").await.map_err(|error| error.code).err(), Some(ErrorCode::InvalidChannel));
}
