//! What a run does while its engine is away, and how its end comes once all the same.

use std::time::Duration;

use serde_json::Value;
use ws_proto::ErrorCode;

use crate::stage::{Fault, Stage, end, kinds, text};

const STREAM: &str = "claude:room/one";

fn said(publications: &[Value]) -> String {
    publications.iter().filter(|data| data["claude"] == "text").filter_map(|data| data["text"].as_str()).collect()
}

/// A run that says this while its engine has that fault; then the engine is back.
async fn through(fault: Fault) {
    let stage = Stage::new().await;
    let answer = stage.script.answer();
    stage.ask("one").await.expect("it begins");
    answer.send(text("a")).expect("it reads");
    stage.until("the question", || stage.script.asked() == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.engine.set(fault);
    for piece in ["b", "c", "d"] {
        answer.send(text(piece)).expect("it reads");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    answer.send(end()).expect("it reads");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.open(), 1, "its end is not stored, so it is open");
    stage.engine.set(Fault::None);
    stage.until("the end", || stage.open() == 0).await;
    let stream = stage.history(STREAM).await;
    assert_eq!(said(&stream), "abcd", "without a hole, and nothing twice");
    assert_eq!(kinds(&stream).iter().filter(|kind| **kind == "finished").count(), 1);
    assert_eq!(kinds(&stream).last(), Some(&"finished"));
    let indexes: Vec<_> = stream.iter().filter_map(|data| data["index"].as_u64()).collect();
    assert_eq!(indexes, (0..indexes.len() as u64).collect::<Vec<_>>());
    let room = stage.history("room").await;
    assert_eq!(kinds(&room), ["started", "finished"]);
    assert_eq!(room[1]["text"], "abcd");
}

#[tokio::test(start_paused = true)]
async fn text_waits_and_the_end_is_repeated_until_it_is_stored() {
    through(Fault::Away).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_after_all_is_not_published_twice() {
    through(Fault::Forgetful).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_tell_of_is_published_again() {
    through(Fault::Unsure).await;
}

#[tokio::test(start_paused = true)]
async fn a_beginning_of_which_nobody_can_tell_is_settled() {
    let stage = Stage::new().await;
    stage.engine.set(Fault::Unsure);
    assert_eq!(stage.ask("one").await.expect_err("nobody knows").code, ErrorCode::EngineUnavailable);
    stage.until("it to be settled", || stage.open() == 0).await;
    assert!(stage.history("room").await.is_empty(), "it has not begun");
    stage.ask_in("cursor:1", "one").await.expect_err("nobody knows");
    stage.engine.set(Fault::None);
    stage.until("it to be settled", || stage.open() == 0).await;
    let stream = stage.history("claude:cursor:1/one").await;
    assert_eq!((kinds(&stream), &stream[0]["status"]), (vec!["finished"], &"interrupted".into()));
    let answer = stage.script.answer();
    stage.ask("one").await.expect("the id is free");
    answer.send(end()).expect("it reads");
    stage.until("the end", || stage.open() == 0).await;
    assert_eq!(kinds(&stage.history("room").await), ["started", "finished"]);
    assert_eq!(stage.script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn text_that_waits_is_joined() {
    let stage = Stage::new().await;
    let answer = stage.script.answer();
    stage.ask("one").await.expect("it begins");
    answer.send(text("a")).expect("it reads");
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.engine.set(Fault::Away);
    for _ in 0..100 {
        answer.send(text("x")).expect("it reads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.engine.set(Fault::None);
    answer.send(end()).expect("it reads");
    stage.until("the end", || stage.open() == 0).await;
    let stream = stage.history(STREAM).await;
    assert_eq!(said(&stream), format!("a{}", "x".repeat(100)));
    assert!(stream.len() < 8, "one piece for all that waited: {stream:?}");
}

#[tokio::test(start_paused = true)]
async fn a_beginning_in_doubt_that_was_stored_is_interrupted() {
    let stage = Stage::new().await;
    stage.engine.set(Fault::Forgetful);
    let refused = stage.ask("one").await.expect_err("nobody knows");
    assert_eq!(refused.code, ErrorCode::EngineUnavailable);
    stage.engine.set(Fault::Away);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.ask("one").await.expect_err("nobody knows").code, ErrorCode::EngineUnavailable);
    assert_eq!(stage.open(), 1, "it counts until it is settled");
    stage.engine.set(Fault::None);
    stage.until("the end", || stage.open() == 0).await;
    let room = stage.history("room").await;
    assert_eq!(kinds(&room), ["started", "finished"]);
    assert_eq!((&room[1]["status"], &room[1]["text"]), (&"interrupted".into(), &"".into()));
    assert_eq!(stage.script.asked(), 0, "the provider is not asked");
    assert!(stage.ask("one").await.is_ok(), "the id has this run");
    assert_eq!(stage.history("room").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_may_have_been_told_of_a_beginning_is_told_of_an_end() {
    let stage = Stage::new().await;
    stage.engine.set(Fault::Forgetful);
    // A channel without history: whether subscribers got it, nobody can look up.
    stage.ask_in("cursor:1", "one").await.expect_err("nobody knows");
    stage.engine.set(Fault::None);
    stage.until("the end", || stage.open() == 0).await;
    let stream = stage.history("claude:cursor:1/one").await;
    assert_eq!((kinds(&stream), &stream[0]["status"]), (vec!["finished"], &"interrupted".into()));
}

#[tokio::test(start_paused = true)]
async fn a_beginning_that_was_not_stored_leaves_nothing() {
    let stage = Stage::new().await;
    stage.engine.set(Fault::Away);
    assert_eq!(stage.ask("one").await.expect_err("it is away").code, ErrorCode::EngineUnavailable);
    stage.engine.set(Fault::None);
    stage.until("it to be settled", || stage.open() == 0).await;
    assert!(stage.history("room").await.is_empty());
    let answer = stage.script.answer();
    stage.ask("one").await.expect("the id is free");
    answer.send(text("a")).and(answer.send(end())).expect("it reads");
    stage.until("the end", || stage.open() == 0).await;
    assert_eq!(kinds(&stage.history("room").await), ["started", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_ends_but_not_for_ever() {
    let stage = Stage::new().await;
    let answer = stage.script.answer();
    stage.ask("one").await.expect("it begins");
    answer.send(text("a")).expect("it reads");
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.engine.set(Fault::Away);
    let begun = tokio::time::Instant::now();
    stage.claude.drain(Duration::from_secs(3)).await;
    assert_eq!((begun.elapsed().as_secs(), stage.open()), (3, 1));
    stage.engine.set(Fault::None);
    stage.claude.drain(Duration::from_secs(3)).await;
    assert_eq!(stage.open(), 0);
    let room = stage.history("room").await;
    assert_eq!((&room[1]["status"], &room[1]["text"]), (&"interrupted".into(), &"a".into()));
    assert_eq!(stage.ask("two").await.expect_err("it ends").code, ErrorCode::Overloaded);
}
