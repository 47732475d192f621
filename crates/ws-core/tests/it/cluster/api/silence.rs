//! Nodes that do not answer, or not what was asked: never a partial answer.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, advance};
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use super::foreign::Foreign;
use super::{code, three, user};
use crate::client::{look, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_makes_it_unavailable_after_two_seconds() {
    let three = three();
    let client = user(&three, 1, "ann");
    three.set_away(2, true);
    let hub = &three.hubs[0];
    let unavailable = |result: Result<(), ErrorBody>| {
        let error = result.expect_err("it is not known");
        assert_eq!((error.code, error.retryable), (ErrorCode::EngineUnavailable, true));
        assert!(error.message.starts_with("1 of 2 other servers"), "{error}");
    };
    let since = Instant::now();
    unavailable(hub.list_connections(None, None, None).await.map(drop));
    assert_eq!(since.elapsed(), 2 * SECOND);
    unavailable(hub.list_channels("", None, None).await.map(drop));
    unavailable(hub.channel("a").await.map(drop));
    unavailable(hub.connection(Uuid::new_v4()).await.map(drop));
    unavailable(hub.close_user("ann", None, None).await.map(drop));
    assert!(client.attention().close.is_some(), "an error undoes nothing");
    assert_eq!(hub.counters().cluster_timeouts.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn who_has_the_connection_answers_for_all() {
    let three = three();
    let (client, own) = (three.connect(1), three.connect(0));
    three.set_away(2, true);
    let since = Instant::now();
    three.hubs[0].connection(client.connection.id()).await.expect("it is found");
    three.hubs[0].close_connection(client.connection.id(), None, None).await.expect("it is closed");
    three.hubs[0].close_connection(own.connection.id(), None, None).await.expect("it is closed");
    assert_eq!(since.elapsed(), Duration::ZERO);
    let again = three.hubs[0].close_connection(client.connection.id(), None, None).await;
    assert_eq!(code(again), Err(ErrorCode::EngineUnavailable), "the one that is silent may have it");
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_not_waited_for() {
    let three = three();
    let _clients = [three.connect(0), three.connect(1), three.connect(2)];
    three.set_away(2, true);
    let hub = &three.hubs[0];
    let mut list = pin!(hub.list_connections(None, None, None));
    assert!(look(list.as_mut()).await.is_pending());
    advance(SECOND).await;
    settle().await;
    assert!(look(list.as_mut()).await.is_pending());
    three.store.kill(&three.nodes[2]);
    assert_eq!(list.await.expect("a page").connections.len(), 2, "its lease is over, and so are its connections");
    assert_eq!(hub.list_connections(None, None, None).await.expect("a page").connections.len(), 2);
}

/// A node ends after the living were asked for, and before its answer is missed.
#[tokio::test(start_paused = true)]
async fn one_that_ends_while_the_living_are_looked_up_is_not_waited_for() {
    let three = three();
    let hub = &three.hubs[0];
    three.store.hold();
    let mut list = pin!(hub.list_connections(None, None, None));
    assert!(look(list.as_mut()).await.is_pending());
    // It is counted among the living; then it ends, and both are told at once.
    assert!(three.store.let_go());
    three.store.kill(&three.nodes[2]);
    three.store.release();
    let since = Instant::now();
    list.await.expect("a page");
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_until_two_seconds_are_over() {
    let three = three();
    let foreign = Foreign::join(&three.store);
    let page = json!({"done": {"entries": [], "more": false}});
    for (after, expect) in [(1999, Ok(0)), (2001, Err(ErrorCode::EngineUnavailable)), (0, Ok(0))] {
        foreign.answers(page.clone(), Duration::from_millis(after));
        let list = three.hubs[0].list_connections(None, None, None).await;
        assert_eq!(code(list.map(|page| page.connections.len())), expect, "after {after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_answer_makes_it_an_error() {
    let three = three();
    let client = three.connect(1);
    let (hub, id) = (&three.hubs[0], client.connection.id());
    let foreign = Foreign::join(&three.store);
    let failed = json!({"failed": {"code": "internal", "message": "no", "retryable": true}});
    let newer = json!({"failed": {"code": "brand_new", "message": "no", "retryable": false}});
    let cases = [
        (json!({"refused": "busy"}), ErrorCode::EngineUnavailable),
        (json!({"refused": "unknown"}), ErrorCode::EngineUnavailable),
        (json!({"done": "something else"}), ErrorCode::EngineUnavailable),
        (newer, ErrorCode::EngineUnavailable),
        (failed, ErrorCode::Internal),
    ];
    for (answer, expect) in cases {
        foreign.answers(answer.clone(), Duration::ZERO);
        let list = hub.list_connections(None, None, None).await;
        assert_eq!(code(list).err(), Some(expect), "{answer}");
        assert_eq!(code(hub.connection(Uuid::new_v4()).await).err(), Some(expect), "{answer}");
        hub.connection(id).await.expect("who has it answers for all");
    }
    foreign.answers(json!({"what": "is this"}), Duration::ZERO);
    let list = hub.list_connections(None, None, None).await;
    assert_eq!(code(list).err(), Some(ErrorCode::EngineUnavailable), "what cannot be read is no answer");
}

#[tokio::test(start_paused = true)]
async fn what_another_version_asks_is_refused() {
    let three = three();
    let foreign = Foreign::join(&three.store);
    let ask = |id: u64, version: u32, question: Value| {
        foreign.say(&json!({"ask": {"version": version, "id": id, "within_ms": 2000, "question": question}}));
    };
    ask(1, 1, json!({"fly": {"to": "the moon"}}));
    ask(2, 99, json!({"subscribers": {"channel": "a"}}));
    ask(3, 1, json!({"subscribers": {"channel": "a"}}));
    foreign.say(&json!({"sing": 4}));
    settle().await;
    let answers = foreign.heard();
    assert_eq!(answers.len(), 9);
    for answer in answers.iter().map(|answer| &answer["answer"]) {
        let expect = if answer["id"] == 3 { json!({"done": 0}) } else { json!({"refused": "unknown"}) };
        assert_eq!(answer["answer"], expect);
    }
    assert_eq!(three.hubs[0].counters().cluster_refusals.get(), 2);
    assert_eq!(three.hubs[0].counters().cluster_answers.get(), 1);
}

/// Answers that the store has not taken yet have their places, and these are bounded.
#[tokio::test(start_paused = true)]
async fn more_questions_than_there_are_places_for_are_refused() {
    let three = three();
    let foreign = Foreign::join(&three.store);
    three.store.hold();
    for id in 0..40 {
        let list = json!({"connections": {"user": null, "after": null, "max": 1}});
        foreign.say(&json!({"ask": {"version": 1, "id": id, "within_ms": 2000, "question": list}}));
    }
    // What was sent arrives; answers are not taken.
    for _ in 0..40 * 4 {
        three.store.let_go();
    }
    settle().await;
    let counters = three.hubs[0].counters();
    assert_eq!((counters.cluster_answers.get(), counters.cluster_refusals.get()), (32, 8));
    three.store.release();
    settle().await;
    let refused = foreign.heard().iter().filter(|heard| heard["answer"]["answer"]["refused"] == "busy").count();
    assert_eq!(refused, 3 * 8);
    foreign.answers(json!({"done": 0}), Duration::ZERO);
    assert_eq!(code(three.hubs[0].channel("a").await).map(|channel| channel.subscribers), Ok(0), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_says_nothing_about_the_others() {
    let three = three();
    let (own, other) = (three.connect(0), three.connect(1));
    three.set_away(0, true);
    let hub = &three.hubs[0];
    let since = Instant::now();
    assert_eq!(code(hub.list_connections(None, None, None).await).err(), Some(ErrorCode::EngineUnavailable));
    assert_eq!(code(hub.connection(other.connection.id()).await).err(), Some(ErrorCode::EngineUnavailable));
    assert_eq!(code(hub.close_user("ann", None, None).await), Err(ErrorCode::EngineUnavailable));
    hub.connection(own.connection.id()).await.expect("about its own it can");
    assert_eq!(since.elapsed(), Duration::ZERO);
    three.set_away(0, false);
    assert_eq!(hub.list_connections(None, None, None).await.expect("a page").connections.len(), 2);
}

/// The store takes the question, and never says so.
#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_waited_for_two_seconds() {
    let three = three();
    three.store.hold();
    let since = Instant::now();
    assert_eq!(code(three.hubs[0].list_channels("", None, None).await).err(), Some(ErrorCode::EngineUnavailable));
    assert_eq!(since.elapsed(), 2 * SECOND);
}
