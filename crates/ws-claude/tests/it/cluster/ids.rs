//! A run's id: one run has it, on whatever server it is asked for.

use serde_json::Value;
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
