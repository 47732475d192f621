//! The store is away from everybody: nobody is dead, and every run goes on.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;
use uuid::Uuid;
use ws_claude::upstream::Progress;

use super::Servers;
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
    let (servers, _answer) = with_a_note_that_is_lost().await;
    // It is back for a moment only, and not told of it again.
    servers.set_away(0, true);
    servers.all[0].node.cluster_sink().restored();
    sleep(Duration::from_secs(10)).await;
    servers.set_away(0, false);
    the_run_is_known_to_the_others(&servers).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_the_list_is_put_right_is_kept_again() {
    let (servers, _answer) = with_a_note_that_is_lost().await;
    servers.store.hold();
    servers.all[0].node.cluster_sink().ended(Uuid::nil());
    sleep(Duration::from_millis(1)).await;
    // It knows that it is not in the list any more, and not that it is there again.
    servers.let_go(1).await;
    servers.all[0].node.cluster_sink().restored();
    servers.store.release();
    the_run_is_known_to_the_others(&servers).await;
}

/// Two servers, of which the first one has a run, and what that is to say. The store has forgotten that, and the server itself.
async fn with_a_note_that_is_lost() -> (Servers, UnboundedSender<Progress>) {
    let servers = Servers::start(2).await;
    let server = &servers.all[0];
    let answer = server.begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    let node = server.hub.node().expect("a cluster");
    server.hub.forget("claude-nodes").await.expect("the store is there");
    server.hub.forget(&format!("claude-runs:{node}")).await.expect("the store is there");
    (servers, answer)
}

/// The first server dies soon, and the other one ends its run.
async fn the_run_is_known_to_the_others(servers: &Servers) {
    sleep(Duration::from_secs(2)).await;
    servers.kill(0);
    sleep(Duration::from_secs(2)).await;
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), servers.all[1].open()), (vec!["started", "finished"], 0));
    assert_eq!(room[1]["status"], "interrupted");
}
