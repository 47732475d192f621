//! While the store is away: what is refused, and what still works.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;

use ws_core::{ChannelOptions, Limits};
use ws_proto::ErrorCode;
use ws_proto::action::Publish;

use super::{Servers, answer_of, ask, limits, say, seen};
use crate::client::{Client, options, settle};

#[tokio::test(start_paused = true)]
async fn all_but_three_actions_are_refused_and_the_sockets_stay() {
    let servers = Servers::start(2, limits(), &[]);
    let mut client = servers.subscriber(0, "a").await;
    servers.set_away(0, true);
    let token = json!({"user": "ann"}).to_string();
    let refused = [
        ("subscribe", json!({"channel": "b"})),
        ("publish", json!({"channel": "a", "data": 1})),
        ("publish", json!({"channel": "b", "data": 1})),
        ("get_history", json!({"channel": "a"})),
        ("get_presence", json!({"channel": "a"})),
        ("get_connections", json!({})),
        ("broadcast", json!({"message": 1})),
    ];
    for (action, payload) in &refused {
        assert_eq!(ask(&mut client, action, payload).await, Err("engine_unavailable".to_owned()), "{action}");
    }
    let allowed = [
        ("echo", json!({"message": 1})),
        ("unsubscribe", json!({"channel": "a"})),
        ("authenticate", json!({"token": token})),
        ("authenticate", json!({"token": token})),
    ];
    for (action, payload) in &allowed {
        assert!(ask(&mut client, action, payload).await.is_ok(), "{action}");
    }
    assert!(client.attention().close.is_none());
    servers.set_away(0, false);
    for (action, payload) in &refused {
        assert!(ask(&mut client, action, payload).await.is_ok(), "{action}");
    }
    let page = ask(&mut client, "get_presence", &json!({"channel": "b"})).await.expect("a page");
    let users: Vec<&Value> =
        page["clients"].as_array().expect("clients").iter().map(|client| &client["user"]).collect();
    assert_eq!(users, ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn the_waits_of_requests_that_follow_each_other_do_not_add_up() {
    let servers = Servers::start(2, limits(), &[]);
    let mut client = servers.connect(0);
    servers.set_away(0, true);
    servers.store.hold();
    // The store takes its time to fail, and meanwhile nothing more is read.
    say(&mut client, "subscribe", &json!({"channel": "a"}));
    assert!(client.session.is_holding());
    advance(Duration::from_secs(5)).await;
    assert!(servers.store.let_go());
    client.go_on_to_next();
    let refused = [
        ("subscribe", json!({"channel": "b"})),
        ("publish", json!({"channel": "b", "data": 1})),
        ("get_history", json!({"channel": "b"})),
        ("get_presence", json!({"channel": "b"})),
        ("get_connections", json!({})),
        ("broadcast", json!({"message": 1})),
    ];
    for (action, payload) in &refused {
        say(&mut client, action, payload);
        assert!(!client.session.is_holding(), "{action} is answered at once");
    }
    say(&mut client, "echo", &json!({"message": 1}));
    let frames = seen(&mut client).await;
    let codes: Vec<_> = frames.iter().filter_map(|frame| frame["error"]["code"].as_str()).collect();
    assert_eq!(codes, ["engine_unavailable"; 7]);
    // All that had arrived was read: the next one may wait again.
    client.session.caught_up();
    say(&mut client, "subscribe", &json!({"channel": "e"}));
    assert!(client.session.is_holding());
    servers.store.release();
}

#[tokio::test(start_paused = true)]
async fn what_is_for_another_part_of_the_store_is_not_refused() {
    let servers = Servers::start(2, limits(), &[]);
    let mut client = servers.connect(0);
    servers.set_away(0, true);
    servers.store.hold();
    let elsewhere = [
        ("subscribe", json!({"channel": "elsewhere"})),
        ("publish", json!({"channel": "elsewhere", "data": 1})),
        ("get_history", json!({"channel": "elsewhere"})),
        ("get_presence", json!({"channel": "elsewhere"})),
    ];
    for (action, payload) in &elsewhere {
        say(&mut client, "get_history", &json!({"channel": "a"}));
        advance(Duration::from_secs(5)).await;
        assert!(servers.store.let_go());
        client.go_on_to_next();
        say(&mut client, action, payload);
        assert!(client.session.is_holding() || client.session.owes_answers(), "{action} is asked");
        servers.store.let_go();
        client.go_on_to_next();
        client.session.caught_up();
    }
    servers.store.release();
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_room_does_not_wait_for_the_store_as_well() {
    let limits = Limits { message_bytes_max: 2_000, channel_log_bytes_max: 8_192, ..limits() };
    let servers = Servers::start(2, limits, &[]);
    let _subscriber = servers.subscriber(0, "a").await;
    let mut clients: Vec<_> = (0..20).map(|_| servers.connect(0)).collect();
    servers.set_away(0, true);
    servers.store.hold();
    let publish = json!({"channel": "a", "data": "x".repeat(1_500)});
    clients.iter_mut().for_each(|client| _ = say(client, "publish", &publish));
    let hub = servers.hubs[0].clone();
    let by_api = tokio::spawn(async move {
        let data = serde_json::value::to_raw_value(&"x").expect("it is JSON");
        let publish = Publish { channel: "a".into(), data: &*data, msg_id: None, age_ms: None, tags: None };
        hub.publish(&publish, None).await.map(|_| ()).map_err(|error| error.code)
    });
    settle().await;
    let held = clients.iter().filter(|client| client.session.is_holding()).count();
    assert!((10..20).contains(&held), "{held} wait for room");
    clients.iter_mut().for_each(|client| _ = client.is_woken());
    // The store takes its time to fail those that had room.
    advance(Duration::from_secs(5)).await;
    for _ in held..clients.len() {
        assert!(servers.store.let_go());
    }
    for _ in 0..clients.len() {
        clients.iter_mut().filter(|client| client.is_woken()).for_each(Client::go_on_to_next);
        settle().await;
    }
    for client in &mut clients {
        let answer = answer_of(&client.read(), "publish");
        assert_eq!(answer, Some(Err("engine_unavailable".to_owned())));
    }
    assert_eq!(by_api.await.expect("it does not panic"), Err(ErrorCode::EngineUnavailable));
    assert!(!servers.store.let_go(), "nobody has asked the store once more");
    servers.store.release();
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_room_in_a_full_store_goes_on_where_nothing_is_stored() {
    for (channel, refused) in [("a", true), ("pass:a", false)] {
        let limits = Limits { message_bytes_max: 2_000, channel_log_bytes_max: 8_192, ..limits() };
        let passing = ChannelOptions { history_size: 0, ..options() };
        let servers = Servers::start(1, limits, &[("pass", passing)]);
        let _subscriber = servers.subscriber(0, channel).await;
        let mut clients: Vec<_> = (0..20).map(|_| servers.connect(0)).collect();
        clients.iter().for_each(|client| _ = client.is_woken());
        servers.store.hold();
        let publish = json!({"channel": channel, "data": "x".repeat(1_500)});
        clients.iter_mut().for_each(|client| _ = say(client, "publish", &publish));
        settle().await;
        let held = clients.iter().filter(|client| client.session.is_holding()).count();
        assert!((10..20).contains(&held), "{held} wait for room in {channel}");
        servers.nodes[0].fill_up();
        advance(Duration::from_secs(5)).await;
        for _ in 0..2 * clients.len() {
            while servers.store.let_go() {}
            settle().await;
            clients.iter_mut().filter(|client| client.is_woken()).for_each(Client::go_on_to_next);
            settle().await;
        }
        let answers: Vec<_> = clients.iter_mut().filter_map(|client| answer_of(&client.read(), "publish")).collect();
        let unavailable = answers.iter().filter(|answer| **answer == Err("engine_unavailable".to_owned())).count();
        assert_eq!((answers.len(), unavailable), (20, if refused { held } else { 0 }), "{channel}: {answers:?}");
    }
}
