//! The store is away from everybody: nobody is dead, and every run goes on.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::{Server, Servers};
use crate::stage::{end, kinds, text, until};

#[tokio::test(start_paused = true)]
async fn runs_go_on_and_count_when_it_is_back() {
    let servers = Servers::start(2).await;
    let answer = servers.all[0].begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    (0..2).for_each(|at| servers.set_away(at, true));
    for piece in ["b", "c", "d"] {
        answer.send(text(piece)).expect("it reads");
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(servers.all[0].open(), 1);
    (0..2).for_each(|at| servers.set_away(at, false));
    assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 1);
    let found = servers.all[1].ask("room", "one", "ann").await.expect("its id is known");
    assert_eq!((&*found.run_id, servers.all[1].script.asked()), ("one", 0));
    answer.send(end()).expect("it reads");
    until("the end", || servers.all[0].open() == 0).await;
    let stream = servers.history(1, "claude:room/one").await;
    assert_eq!(stream.iter().filter_map(|data| data["text"].as_str()).collect::<String>(), "abcd");
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), &room[1]["status"]), (vec!["started", "finished"], &"complete".into()));
    assert_eq!(servers.store.counted("\u{1}claude:user:ann"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_lost_is_kept_again_however_long_that_takes() {
    let servers = Servers::start(2).await;
    let [a, b] = &servers.all[..] else { panic!("two") };
    let answer = a.begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    lose_the_note_of(a).await;
    // It is back for a moment only, and not told of it again.
    servers.set_away(0, true);
    a.node.cluster_sink().restored();
    sleep(Duration::from_secs(10)).await;
    servers.set_away(0, false);
    sleep(Duration::from_secs(2)).await;
    servers.kill(0);
    sleep(Duration::from_secs(2)).await;
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), b.open()), (vec!["started", "finished"], 0));
    assert_eq!(room[1]["status"], "interrupted");
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_the_list_is_put_right_is_kept_again() {
    let servers = Servers::start(2).await;
    let [a, b] = &servers.all[..] else { panic!("two") };
    let answer = a.begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    lose_the_note_of(a).await;
    servers.store.hold();
    a.node.cluster_sink().ended(Uuid::nil());
    sleep(Duration::from_millis(1)).await;
    // It knows that it is not in the list any more, and not that it is there again.
    servers.let_go(1).await;
    a.node.cluster_sink().restored();
    servers.store.release();
    sleep(Duration::from_secs(2)).await;
    servers.kill(0);
    sleep(Duration::from_secs(2)).await;
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), b.open()), (vec!["started", "finished"], 0));
    assert_eq!(room[1]["status"], "interrupted");
}

/// The store forgets that this server has a run, and the server itself.
async fn lose_the_note_of(server: &Server) {
    let node = server.hub.node().expect("a cluster");
    server.hub.forget("claude-nodes").await.expect("the store is there");
    server.hub.forget(&format!("claude-runs:{node}")).await.expect("the store is there");
}
