//! Servers that die, or are taken for dead, in the middle of a run.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::Servers;
use crate::stage::{end, kinds, text, until};

/// Where the run is asked for; one of these channels has no history.
const CHANNELS: [&str; 2] = ["room", "cursor:1"];

fn stream(channel: &str) -> String {
    format!("claude:{channel}/one")
}

/// It was ended once, with this text.
async fn assert_interrupted(servers: &Servers, at: usize, channel: &str, said: &str) {
    let of_stream = servers.history(at, &stream(channel)).await;
    let texts: String = of_stream.iter().filter_map(|data| data["text"].as_str()).collect();
    assert_eq!(texts, said);
    assert_eq!(kinds(&of_stream).iter().filter(|kind| **kind == "finished").count(), 1);
    let last = of_stream.last().expect("an end");
    assert_eq!((&last["claude"], &last["status"]), (&"finished".into(), &Value::from("interrupted")));
    if channel == "room" {
        let room = servers.history(at, channel).await;
        assert_eq!(kinds(&room), ["started", "finished"]);
        assert_eq!((&room[1]["status"], &room[1]["text"]), (&"interrupted".into(), &said.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn its_runs_are_interrupted_once_and_it_drops_them_when_it_is_back() {
    for channel in CHANNELS {
        let servers = Servers::start(3).await;
        let answer = servers.all[0].begin(channel, "one", "ann").await;
        answer.send(text("ab")).expect("it reads");
        sleep(Duration::from_millis(100)).await;
        servers.kill(0);
        let seen = tokio::time::Instant::now();
        sleep(Duration::from_millis(1)).await;
        until("the end", || servers.all[1..].iter().all(|server| server.open() == 0)).await;
        assert!(seen.elapsed() < Duration::from_secs(2), "{:?}", seen.elapsed());
        assert_interrupted(&servers, 1, channel, "ab").await;
        assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 0);
        // It knows nothing of that, and goes on; back again it stops, and what waited is not published.
        assert_eq!(servers.all[0].open(), 1);
        answer.send(text("c")).expect("it reads");
        sleep(Duration::from_secs(1)).await;
        servers.set_away(0, false);
        until("it to be dropped", || servers.all[0].open() == 0).await;
        assert!(answer.is_closed(), "the provider's connection is closed");
        sleep(Duration::from_secs(10)).await;
        assert_interrupted(&servers, 0, channel, "ab").await;
        assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 0);
        // It runs others.
        let answer = servers.all[0].begin(channel, "two", "ann").await;
        answer.send(end()).expect("it reads");
        until("the end", || servers.all[0].open() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_taken_them_over_may_die_too() {
    let mut servers = Servers::start(3).await;
    let [low, middle, high] = servers.in_order()[..] else { panic!("three") };
    let answer = servers.all[high].begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    // The one that is to end it is cut off, and dies before it has noticed anything.
    servers.set_away(low, true);
    servers.kill(high);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(kinds(&servers.history(middle, "room").await), ["started"], "it is not up to this one");
    servers.kill(low);
    until("the end", || servers.all[middle].open() == 0).await;
    sleep(Duration::from_secs(2)).await;
    assert_interrupted(&servers, middle, "room", "a").await;
    // And what nobody is left to end, the next start does.
    let answer = servers.all[middle].begin("room", "two", "ann").await;
    answer.send(text("b")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    servers.kill(middle);
    servers.add().await;
    sleep(Duration::from_secs(2)).await;
    let room = servers.history(3, "room").await;
    assert_eq!(kinds(&room), ["started", "finished", "started", "finished"]);
    assert_eq!((&room[3]["run_id"], &room[3]["text"]), (&"two".into(), &"b".into()));
    assert_eq!(servers.all[3].open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_had_ended_is_not_ended_again() {
    let servers = Servers::start(2).await;
    let answer = servers.all[0].begin("room", "one", "ann").await;
    answer.send(text("a")).and(answer.send(end())).expect("it reads");
    until("the end", || servers.all[0].open() == 0).await;
    servers.kill(0);
    sleep(Duration::from_secs(5)).await;
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), &room[1]["status"]), (vec!["started", "finished"], &"complete".into()));
    assert_eq!(kinds(&servers.history(1, &stream("room")).await), ["text", "finished"]);
}

/// A server has died that had a run, and this many answers of the store have come since. Of those alive the first one is
/// to end the run.
async fn after(answers: usize, channel: &str) -> (Servers, [usize; 3]) {
    let servers = Servers::start(3).await;
    let [low, middle, high] = servers.in_order()[..] else { panic!("three") };
    let answer = servers.all[high].begin(channel, "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    servers.store.hold();
    servers.kill(high);
    servers.let_go(answers).await;
    (servers, [low, middle, high])
}

/// More than it takes to end a run.
const ANSWERS: usize = 40;

#[tokio::test(start_paused = true)]
async fn whoever_ends_a_run_may_die_at_any_moment() {
    for (answers, channel) in (0..ANSWERS).flat_map(|answers| CHANNELS.map(|channel| (answers, channel))) {
        let (servers, [low, middle, _]) = after(answers, channel).await;
        servers.kill(low);
        servers.store.release();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(servers.all[middle].open(), 0, "after {answers} answers");
        assert_interrupted(&servers, middle, channel, "a").await;
        assert_eq!(servers.store.counted("\u{1}claude:run:claude:room/one"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_taken_for_dead_may_come_back_at_any_moment() {
    for (answers, channel) in (0..ANSWERS).flat_map(|answers| CHANNELS.map(|channel| (answers, channel))) {
        let (servers, [_, _, high]) = after(answers, channel).await;
        servers.set_away(high, false);
        servers.store.release();
        sleep(Duration::from_secs(10)).await;
        assert!(servers.all.iter().all(|server| server.open() == 0), "after {answers} answers");
        assert_interrupted(&servers, high, channel, "a").await;
        assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn both_may_come_back() {
    for answers in 0..ANSWERS {
        let (servers, [low, middle, high]) = after(answers, "room").await;
        servers.kill(low);
        servers.set_away(low, false);
        servers.set_away(high, false);
        servers.store.release();
        sleep(Duration::from_secs(10)).await;
        assert!(servers.all.iter().all(|server| server.open() == 0), "after {answers} answers");
        assert_interrupted(&servers, middle, "room", "a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_just_coming_back_is_not_taken_for_one_of_the_dead() {
    let servers = Servers::start(2).await;
    let [a, b] = &servers.all[..] else { panic!("two") };
    let answer = b.begin("room", "one", "ann").await;
    answer.send(end()).expect("it reads");
    until("the end", || b.open() == 0).await;
    // The first one looks for the dead, and the other one comes back and puts itself into the list meanwhile.
    servers.store.hold();
    servers.kill(1);
    servers.let_go(1).await;
    servers.set_away(1, false);
    servers.let_go(1).await;
    servers.store.release();
    sleep(Duration::from_secs(2)).await;
    let answer = b.begin("room", "two", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    servers.kill(1);
    sleep(Duration::from_secs(2)).await;
    let room = servers.history(0, "room").await;
    assert_eq!(kinds(&room), ["started", "finished", "started", "finished"]);
    assert_eq!((&room[3]["status"], a.open()), (&"interrupted".into(), 0));
}
