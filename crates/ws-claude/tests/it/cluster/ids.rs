//! A run's id: one run has it, on whatever server it is asked for.

use serde_json::Value;
use ws_core::engine::cluster::Cluster;
use ws_proto::ErrorCode;
use ws_proto::action::CancelClaude;
use ws_proto::claude::RunStatus;

use super::Servers;
use crate::stage::{end, kinds, text, until};

#[tokio::test(start_paused = true)]
async fn two_servers_that_are_asked_at_once_run_it_once() {
    for channel in ["room", "cursor:1"] {
        let servers = Servers::start(3).await;
        let [a, b, c] = &servers.all[..] else { panic!("three") };
        let answers = [a.script.answer(), b.script.answer()];
        let (first, second) = tokio::join!(a.ask(channel, "one", "ann"), b.ask(channel, "one", "ann"));
        let first = first.expect("it begins, or is found");
        assert_eq!(second.expect("it begins, or is found"), first);
        until("the question", || a.script.asked() + b.script.asked() > 0).await;
        assert_eq!(c.ask(channel, "one", "ann").await.expect("it is found"), first);
        let again = a.ask(channel, "one", "ann").await.expect("it is found");
        assert_eq!((again, a.script.asked() + b.script.asked()), (first, 1));
        assert_eq!(servers.all.iter().map(|server| server.open()).sum::<usize>(), 1);
        for answer in answers {
            // One of them was not asked.
            let _ = answer.send(text("Hello")).and(answer.send(end()));
        }
        until("the end", || servers.all.iter().all(|server| server.open() == 0)).await;
        assert_eq!(kinds(&servers.history(2, &format!("claude:{channel}/one")).await), ["text", "finished"]);
        if channel == "room" {
            assert_eq!(kinds(&servers.history(2, channel).await), ["started", "finished"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_request_of_its_id_is_a_conflict_and_leaves_its_stream_alone() {
    for channel in ["room", "cursor:1"] {
        let servers = Servers::start(2).await;
        let answer = servers.all[0].begin(channel, "one", "ann").await;
        answer.send(text("a")).expect("it reads");
        let stream = format!("claude:{channel}/one");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let request = ws_proto::action::AskClaude {
            channel: channel.to_owned().into(),
            run_id: Some("one".into()),
            prompt: Some("Something else".into()),
            ..Default::default()
        };
        let asker = ws_core::Asker { user: None, key: ws_core::AskerKey::Connection(uuid::Uuid::from_u128(1)) };
        let refused = servers.all[1].hub.ask_claude(request, asker).await.expect_err("it has another request");
        assert_eq!(refused.code, ErrorCode::Conflict);
        answer.send(text("b")).and(answer.send(end())).expect("it reads");
        until("the end", || servers.all[0].open() == 0).await;
        let said = servers.history(1, &stream).await;
        let said: Vec<&Value> = said.iter().map(|data| &data["text"]).collect();
        assert_eq!(said, [&Value::from("a"), &Value::from("b"), &Value::Null]);
    }
}

#[tokio::test(start_paused = true)]
async fn any_server_cancels_it() {
    let servers = Servers::start(2).await;
    let answer = servers.all[0].begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    until("the question", || servers.all[0].script.asked() == 1).await;
    let cancel = CancelClaude { channel: "room".into(), run_id: "one".into() };
    let cancelled = servers.all[1].hub.cancel_claude(&cancel).await.expect("it is open");
    assert_eq!(cancelled.status, RunStatus::Cancelling);
    until("the end", || servers.all[0].open() == 0).await;
    assert!(answer.is_closed());
    let room = servers.history(1, "room").await;
    assert_eq!((kinds(&room), &room[1]["status"]), (vec!["started", "finished"], &"cancelled".into()));
}

#[tokio::test(start_paused = true)]
async fn no_server_removes_the_stream_of_an_open_run() {
    let servers = Servers::start(2).await;
    let answer = servers.all[0].begin("room", "one", "ann").await;
    answer.send(text("a")).expect("it reads");
    until("the question", || servers.all[0].script.asked() == 1).await;
    for server in &servers.all {
        let refused = server.hub.remove_history("claude:room/one").await.expect_err("it is open");
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    }
    answer.send(end()).expect("it reads");
    until("the end", || servers.all[0].open() == 0).await;
    servers.all[1].hub.remove_history("claude:room/one").await.expect("it is over");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_elsewhere_still_stops_the_run() {
    let servers = Servers::start(2).await;
    let [a, b] = &servers.all[..] else { panic!("two") };
    let answer = a.begin("cursor:1", "one", "ann").await;
    until("the question", || a.script.asked() == 1).await;
    // The answers of the store are late: the other server does not know yet that the run is not its own.
    servers.store.hold();
    let cancel = CancelClaude { channel: "cursor:1".into(), run_id: "one".into() };
    let (again, cancelled, ()) = tokio::join!(b.ask("cursor:1", "one", "ann"), b.hub.cancel_claude(&cancel), async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        servers.store.release();
    });
    again.expect("it is found");
    assert_eq!(cancelled.expect("it is open").status, RunStatus::Cancelling);
    until("the end", || a.open() == 0).await;
    assert!(answer.is_closed(), "the provider's connection is closed");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_lost_who_has_an_id_does_not_run_it_twice() {
    let servers = Servers::start(2).await;
    let [a, b] = &servers.all[..] else { panic!("two") };
    let answer = a.begin("room", "one", "ann").await;
    until("the question", || a.script.asked() == 1).await;
    let first = a.ask("room", "one", "ann").await.expect("it is found");
    // Of all that, the first server has put nothing right yet.
    let place = "\u{1}claude:run:claude:room/one";
    a.hub.remove_history("room").await.expect("it has a history");
    a.node.dismiss(place);
    b.node.cluster_sink().restored();
    assert_eq!(b.ask("room", "one", "ann").await.expect("it is found"), first);
    assert_eq!(b.script.asked(), 0);
    a.node.admit(place, 0, Box::new(|_| {}));
    answer.send(end()).expect("it reads");
    until("the end", || a.open() == 0).await;
}
