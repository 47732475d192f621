//! Beginnings of which nobody knows whether they were published: each that followers may have been told of has an end.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};
use ws_proto::ErrorCode;

use super::Servers;
use super::doubtful::Doubt;
use crate::stage::{end, kinds, until};

/// More answers of the store than it takes to begin a run, or to end it.
const ANSWERS: usize = 40;

/// It began once, was ended once, and both say so.
async fn assert_interrupted(servers: &Servers, at: usize, when: &str) {
    let room = servers.history(at, "room").await;
    assert_eq!(kinds(&room), ["started", "finished"], "{when}");
    assert_eq!((&room[0]["prompt"], &room[1]["status"]), (&"Hi".into(), &"interrupted".into()), "{when}");
    let stream = servers.history(at, "claude:room/one").await;
    assert_eq!((kinds(&stream), &stream[0]["status"]), (vec!["finished"], &Value::from("interrupted")), "{when}");
}

/// One server of two has a doubt about the beginning, and settles it.
async fn settled(doubt: Doubt) -> Servers {
    let servers = Servers::start(2).await;
    let server = &servers.all[0];
    server.engine.set(doubt);
    let refused = server.ask("room", "one", "ann").await.expect_err("nobody knows");
    assert_eq!(refused.code, ErrorCode::EngineUnavailable);
    until("it to be settled", || server.open() == 0).await;
    servers
}

#[tokio::test(start_paused = true)]
async fn one_that_was_delivered_and_lost_has_an_end() {
    let servers = settled(Doubt::Lost).await;
    assert_interrupted(&servers, 1, "settled").await;
    assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 0);
    // Whoever asks again is told of this run.
    let found = servers.all[1].ask("room", "one", "ann").await.expect("it is known");
    assert_eq!((&*found.run_id, found.offset), ("one", Some(1)));
    assert_interrupted(&servers, 1, "asked again").await;
    assert!(servers.all.iter().all(|server| server.script.asked() == 0), "the provider is not asked");
}

#[tokio::test(start_paused = true)]
async fn one_that_arrives_after_its_run_was_settled_has_an_end() {
    let servers = settled(Doubt::Late).await;
    assert!(servers.all[0].engine.arrive(&servers.store.memory));
    assert_interrupted(&servers, 1, "it has arrived").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_certainly_was_not_published_leaves_nothing() {
    let servers = Servers::start(2).await;
    let server = &servers.all[0];
    server.engine.set(Doubt::Refused);
    let refused = server.ask("room", "one", "ann").await.expect_err("there is no room");
    assert_eq!((refused.code, server.open()), (ErrorCode::Overloaded, 0));
    servers.kill(0);
    sleep(Duration::from_secs(10)).await;
    assert!(servers.history(1, "room").await.is_empty());
    let answer = servers.all[1].begin("room", "one", "ann").await;
    answer.send(end()).expect("it reads");
    until("the end", || servers.all[1].open() == 0).await;
    assert_eq!(kinds(&servers.history(1, "room").await), ["started", "finished"]);
}

/// What happens besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// The dead server comes back.
    Back,
    /// The one that is to end the run dies too.
    Dead,
}

#[tokio::test(start_paused = true)]
async fn one_of_a_dead_server_may_arrive_at_any_moment() {
    let cases = [Then::Nothing, Then::Back, Then::Dead];
    for (answers, then) in (0..ANSWERS).flat_map(|answers| cases.map(|then| (answers, then))) {
        let when = format!("after {answers} answers, {then:?}");
        let servers = Servers::start(3).await;
        let [low, middle, high] = servers.in_order()[..] else { panic!("three") };
        let server = &servers.all[high];
        server.engine.set(Doubt::Silent);
        timeout(Duration::from_secs(1), server.ask("room", "one", "ann")).await.expect_err("it waits");
        servers.store.hold();
        servers.kill(high);
        servers.let_go(answers).await;
        match then {
            Then::Nothing => {}
            Then::Back => servers.set_away(high, false),
            Then::Dead => servers.kill(low),
        }
        // Before the next one looks, or after all have.
        if answers % 2 == 0 {
            assert!(server.engine.arrive(&servers.store.memory));
        }
        servers.store.release();
        sleep(Duration::from_secs(10)).await;
        server.engine.arrive(&servers.store.memory);
        assert_eq!(servers.all[middle].open(), 0, "{when}");
        assert_eq!(servers.all[high].open(), usize::from(then != Then::Back), "{when}");
        assert_interrupted(&servers, middle, &when).await;
        assert_eq!(servers.store.counted("\u{1}claude:run:claude:room/one"), 0, "{when}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_may_die_at_any_moment_of_a_beginning() {
    let mut begun = 0;
    for answers in 0..ANSWERS {
        let servers = Servers::start(2).await;
        let (server, when) = (&servers.all[0], format!("after {answers} answers"));
        let _answer = server.script.answer();
        servers.store.hold();
        let _ = tokio::join!(timeout(Duration::from_secs(1), server.ask("room", "one", "ann")), async {
            servers.let_go(answers).await;
            servers.kill(0);
        });
        servers.store.release();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(servers.all[1].open(), 0, "{when}");
        if servers.history(1, "room").await.is_empty() {
            assert_eq!(begun, 0, "{when}");
            assert!(servers.history(1, "claude:room/one").await.is_empty(), "{when}");
            continue;
        }
        begun += 1;
        assert_interrupted(&servers, 1, &when).await;
    }
    assert!((1..ANSWERS).contains(&begun), "{begun}");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_noted_only_while_it_begins() {
    let servers = Servers::start(1).await;
    let server = &servers.all[0];
    let note = format!("claude-runs:{}", server.hub.node().expect("a cluster"));
    let noted = async || {
        let kept = server.hub.kept(&note).await.expect("the store is there").expect("it is kept");
        ["one", "two", "Hi"].map(|word| kept.entry.get().contains(&format!("\"{word}\"")))
    };
    let _answer = server.begin("room", "one", "ann").await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(noted().await, [true, false, false]);
    for (channel, is_noted) in [("cursor:1", false), ("room", true)] {
        server.engine.set(Doubt::Silent);
        timeout(Duration::from_secs(1), server.ask(channel, "two", "bob")).await.expect_err("it waits");
        assert_eq!(noted().await, [true, true, is_noted], "{channel}");
    }
}
