//! The server API and the users of connections: whom it finds, and what tokens do not take away.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::advance;
use ws_core::{Clock, Hub};
use ws_proto::ErrorCode;

use super::{NOT_SET, connect, hub, hub_in, terms};
use crate::channels::Record;
use crate::client::{Client, hub_at, limits, look, run, settle};

async fn users(hub: &Hub, user: &str) -> usize {
    hub.list_connections(Some(user), None, None).await.expect("a page").connections.len()
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_user() {
    let hub = hub();
    let mut ann = [connect(&hub, &json!({"user": "ann"})), connect(&hub, &json!({"user": "ann"}))];
    let mut bob = connect(&hub, &json!({"user": "bob"}));
    let mut late = Client::connect(&hub, 1 << 20);
    assert_eq!(users(&hub, "ann").await, 2);
    late.authenticate(&json!({"user": "ann"})).expect("it is let in");
    late.authenticate(&json!({"user": "ann"})).expect("a refresh");
    assert_eq!((users(&hub, "ann").await, users(&hub, "bob").await, users(&hub, "an").await), (3, 1, 0));
    ann[0].subscribe("lobby").expect("everybody may");
    let [one, two] = &mut ann;
    // Neither modes nor lists of users bind the server.
    for channel in ["lobby", "server:a", "a#bob"] {
        let all = &mut [&mut *one, &mut *two, &mut late, &mut bob];
        assert_eq!(run(all, hub.subscribe_user("ann", channel)).await.expect("it may"), 3, "{channel}");
        assert_eq!(run(all, hub.subscribe_user("ann", channel)).await.expect("it may"), 3, "{channel}, again");
    }
    assert!(bob.events().iter().all(|event| event == "connected"));
    assert_eq!(two.events()[1..], ["subscribed lobby", "subscribed server:a", "subscribed a#bob"]);
    let all = &mut [&mut *one, &mut *two, &mut late];
    assert_eq!(run(all, hub.unsubscribe_user("ann", "lobby")).await.expect("it may"), 3);
    assert_eq!(two.events(), ["unsubscribed lobby unsubscribed false"]);
    let wrong = run(&mut [], hub.subscribe_user("ann", "other:a")).await;
    assert_eq!(wrong.map_err(|error| error.code), Err(ErrorCode::UnknownNamespace));
    assert_eq!(run(&mut [], hub.subscribe_user("nobody", "lobby")).await.expect("it may"), 0);
    assert_eq!(hub.close_user("ann", None, None).await.ok(), Some(3));
    assert_eq!(hub.close_user("nobody", None, None).await.ok(), Some(0));
    drop((ann, late));
    assert_eq!((users(&hub, "ann").await, users(&hub, "bob").await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_away_what_tokens_gave_and_nothing_else() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "channels": ["granted:listed"]}));
    let id = ann.connection.id();
    run(&mut [&mut ann], hub.subscribe(id, "granted:given")).await.expect("it may");
    run(&mut [&mut ann], hub.subscribe(id, "a#bob")).await.expect("it may");
    ann.read();
    ann.request("authenticate", &json!({"token": json!({"user": "ann"}).to_string()}));
    assert_eq!(ann.events(), ["unsubscribed granted:listed permission_denied false"]);
    // A token that lists it, and one that does not, change nothing either.
    ann.authenticate(&json!({"user": "ann", "channels": ["granted:given"]})).expect("a refresh");
    ann.authenticate(&json!({"user": "ann"})).expect("a refresh");
    let channels: Vec<_> =
        run(&mut [], hub.connection(id)).await.expect("there").subscriptions.into_iter().map(|at| at.channel).collect();
    assert_eq!(channels, ["a#bob", "granted:given"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_to_authenticate_is_not_there_yet() {
    let hub = hub_in(terms(false), limits());
    let mut client = Client::connect(&hub, 1 << 20);
    let id = client.connection.id();
    assert_eq!(hub.close_connection(id, None, None).await.map_err(|error| error.code), Err(ErrorCode::NotFound));
    assert!(hub.list_connections(None, None, None).await.expect("a page").connections.is_empty());
    client.authenticate(&json!({"user": "ann"})).expect("it is let in");
    let page = hub.list_connections(None, None, None).await.expect("a page");
    assert_eq!((page.connections[0].connection_id, page.connections[0].user.as_deref()), (id, Some("ann")));
    assert_eq!(users(&hub, "ann").await, 1);
}

/// What a token gave belongs to the server as well from then on.
#[tokio::test(start_paused = true)]
async fn no_token_takes_away_what_is_asked_for_once_more() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "channels": ["granted:listed", "granted:both"]}));
    let id = ann.connection.id();
    let pass = json!({"user": "ann", "channel": "granted:pass", "within": 20_000}).to_string();
    ann.ask("subscribe", &json!({"channel": "granted:pass", "token": pass})).expect("it may");
    let one = run(&mut [&mut ann], hub.subscribe(id, "granted:listed")).await;
    assert_eq!(one.map_err(|error| error.code), Err(ErrorCode::AlreadySubscribed));
    for channel in ["granted:both", "granted:pass"] {
        assert_eq!(run(&mut [&mut ann], hub.subscribe_user("ann", channel)).await.expect("it may"), 1);
    }
    ann.authenticate(&json!({"user": "ann"})).expect("a refresh");
    for _ in 0..60 {
        advance(Duration::from_secs(1)).await;
        settle().await;
        ann.wake();
    }
    assert!(!ann.events().iter().any(|event| event.starts_with("unsubscribed")));
    let count = run(&mut [], hub.connection(id)).await.expect("there").subscriptions.len();
    assert_eq!(count, 3);
}

/// A subscription that the client is about to get counts when it has started, and not before.
#[tokio::test(start_paused = true)]
async fn one_that_waits_for_the_engine_is_waited_for() {
    let record = Arc::new(Record::new(4));
    let hub = hub_at(Clock::start_set(&NOT_SET), limits(), &[], record.clone(), terms(true));
    let mut ann = connect(&hub, &json!({"user": "ann"}));
    ann.request("subscribe", &json!({"channel": "a"}));
    let mut operation = pin!(hub.subscribe_user("ann", "a"));
    assert!(look(operation.as_mut()).await.is_pending());
    ann.wake();
    assert!(look(operation.as_mut()).await.is_pending(), "it has not started");
    assert!(record.let_go());
    assert_eq!(run(&mut [&mut ann], operation).await.expect("it has started"), 1);
    // It ends before it has started.
    ann.request("subscribe", &json!({"channel": "b"}));
    let mut operation = pin!(hub.subscribe_user("ann", "b"));
    assert!(look(operation.as_mut()).await.is_pending());
    ann.wake();
    assert_eq!(run(&mut [&mut ann], hub.unsubscribe_user("ann", "b")).await.expect("it may"), 1);
    assert_eq!(run(&mut [&mut ann], operation).await.expect("it may"), 0, "it has ended meanwhile");
    // The engine does not answer.
    while record.let_go() {}
    ann.wake();
    let mut operation = pin!(hub.subscribe_user("ann", "c"));
    assert!(look(operation.as_mut()).await.is_pending());
    ann.wake();
    advance(Duration::from_secs(6)).await;
    assert_eq!(operation.await.map_err(|error| error.code), Err(ErrorCode::EngineUnavailable));
}
