//! Where the subscriptions of a login token start, and in which order the client is told about them.

use std::sync::Arc;

use serde_json::{Value, json};
use ws_core::{ChannelOptions, Clock, Flow, Limits};

use super::{NOT_SET, connect, hub_in, terms};
use crate::channels::Record;
use crate::client::{Client, hub_at, limits, options, settle};

/// Publishes 1 to `count` in a channel; returns its epoch.
fn fill(client: &mut Client, channel: &str, count: u64) -> Value {
    let published = (1..=count).map(|n| client.ask("publish", &json!({"channel": channel, "data": n})));
    published.last().expect("some").expect("everybody may")["epoch"].clone()
}

fn authenticate(client: &mut Client, token: &Value, since: &Value) -> Flow {
    client.request("authenticate", &json!({"token": token.to_string(), "since": since}))
}

/// What has arrived, each as the type or the event, the channel, and the offset or where the subscription starts.
fn told(client: &mut Client) -> Vec<String> {
    let told = |frame: &Value| {
        let data = &frame["data"];
        let what = data["event"].as_str().or_else(|| frame["type"].as_str()).unwrap_or_default();
        let number = data.get("after").or_else(|| data.get("offset"));
        let parts = [Some(what.to_owned()), data["channel"].as_str().map(str::to_owned), number.map(Value::to_string)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    client.read().iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn listed_channels_start_where_the_client_was() {
    let hub = hub_in(terms(true), limits());
    let mut bob = Client::connect(&hub, 1 << 20);
    let (news, lobby) = (fill(&mut bob, "news", 5), fill(&mut bob, "lobby", 3));
    let mut ann = Client::connect(&hub, 1 << 20);
    let token = json!({"user": "ann", "channels": ["lobby", "news", "fresh"]});
    let since = json!({"news": {"epoch": news, "offset": 3}, "lobby": {"epoch": lobby, "offset": 3}});
    assert_eq!(authenticate(&mut ann, &token, &since), Flow::Continue);
    settle().await;
    let frames = ann.read();
    assert_eq!(frames[0]["type"], "response", "the answer comes first: {frames:?}");
    let begun = |channel: &str| {
        let is_it = |frame: &&Value| frame["data"]["event"] == "subscribed" && frame["data"]["channel"] == channel;
        frames.iter().find(is_it).map(|frame| frame["data"].clone()).expect("subscribed")
    };
    let expect = json!({
        "event": "subscribed", "channel": "news", "epoch": news, "offset": 5, "after": 3, "recovered": true
    });
    assert_eq!(begun("news"), expect);
    assert_eq!((&begun("lobby")["after"], &begun("lobby")["recovered"]), (&json!(3), &json!(true)));
    assert_eq!((&begun("fresh")["after"], begun("fresh").get("recovered")), (&json!(0), None));
    let channels: Vec<_> = frames.iter().filter(|frame| frame["data"]["event"] == "subscribed").collect();
    let channels: Vec<_> = channels.iter().map(|frame| frame["data"]["channel"].as_str()).collect();
    assert_eq!(channels, [Some("lobby"), Some("news"), Some("fresh")], "in the order of the token");
    let missed = frames.iter().filter(|frame| frame["data"]["event"] == "publication");
    let missed: Vec<_> = missed.map(|frame| frame["data"]["offset"].as_u64()).collect();
    assert_eq!(missed, [Some(4), Some(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_gone_or_of_another_epoch_says_so() {
    let hub = hub_in(terms(true), limits());
    let mut bob = Client::connect(&hub, 1 << 20);
    let epoch = fill(&mut bob, "news", 103);
    fill(&mut bob, "lobby", 2);
    let mut ann = Client::connect(&hub, 1 << 20);
    let token = json!({"user": "ann", "channels": ["news", "lobby"]});
    let since = json!({"news": {"epoch": epoch, "offset": 1}, "lobby": {"epoch": "of another server", "offset": 1}});
    authenticate(&mut ann, &token, &since);
    let frames = ann.read();
    let (news, lobby) = (&frames[1]["data"], &frames[2]["data"]);
    assert_eq!(
        (&news["after"], &news["recovered"], &news["gap"]),
        (&json!(3), &json!(false), &json!({"from": 2, "to": 3}))
    );
    let gap = json!({"epoch": "of another server"});
    assert_eq!((&lobby["after"], &lobby["recovered"], &lobby["gap"]), (&json!(0), &json!(false), &gap));
}

#[tokio::test(start_paused = true)]
async fn other_positions_change_nothing() {
    let named = [("pass", ChannelOptions { history_size: 0, ..options() })];
    let hub = hub_at(Clock::start_set(&NOT_SET), limits(), &named, crate::client::memory(), terms(true));
    let mut bob = Client::connect(&hub, 1 << 20);
    let epoch = fill(&mut bob, "lobby", 3);
    let mut ann = Client::connect(&hub, 1 << 20);
    ann.subscribe("lobby").expect("everybody may");
    let token = json!({"user": "ann", "channels": ["lobby", "pass:a"]});
    let since = json!({
        "lobby": {"epoch": epoch, "offset": 1},
        "pass:a": {"epoch": epoch, "offset": 1},
        "elsewhere": {"epoch": epoch, "offset": 1},
        "no name": {"epoch": "", "offset": 0},
    });
    authenticate(&mut ann, &token, &since);
    settle().await;
    let frames = ann.read();
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[1]["data"], json!({"event": "subscribed", "channel": "pass:a"}));
    assert_eq!(ann.ask("get_presence", &json!({"channel": "elsewhere"})).expect("may")["connections"], 0);
}

#[tokio::test(start_paused = true)]
async fn bad_positions_are_named_by_their_whole_path() {
    let hub = hub_in(terms(true), limits());
    let mut ann = Client::connect(&hub, 1 << 20);
    let mut check = |since: Value, expect: &str| {
        authenticate(&mut ann, &json!({"user": "ann"}), &since);
        let error = ann.read().pop().expect("an answer")["error"].clone();
        let message = error["message"].as_str().unwrap_or_default();
        assert!(error["code"] == "invalid_payload" && message.starts_with(expect), "{error}");
        assert!(ann.connection.identity().is_none());
    };
    let good = json!({"epoch": "e", "offset": 1});
    check(json!({"a": good, "chat:1": {"offset": 1}}), "`payload.since.chat:1.epoch`: missing");
    check(json!({"chat:1": {"epoch": 1, "offset": 1}}), "`payload.since.chat:1.epoch`: ");
    check(json!({"chat:1": {"epoch": "e", "offset": -1}}), "`payload.since.chat:1.offset`: ");
    check(json!({"chat:1": ["e", 1]}), "`payload.since.chat:1`: ");
    check(json!([]), "`payload.since`: ");
    let many = |count: usize| (0..count).map(|n| (n.to_string(), good.clone())).collect::<serde_json::Map<_, _>>();
    check(many(1001).into(), "`payload.since`: 1001 channels, more than 1000");
    authenticate(&mut ann, &json!({"user": "ann"}), &many(1000).into());
    assert_eq!(ann.read()[0]["type"], "response");
    let hub = hub_in(terms(true), Limits { channels_per_connection_max: 2000, ..limits() });
    let mut ann = Client::connect(&hub, 1 << 20);
    authenticate(&mut ann, &json!({"user": "ann"}), &many(2000).into());
    assert_eq!(ann.read()[0]["type"], "response", "as many as it may have subscriptions");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_answered_then_takes_away_then_subscribes() {
    let hub = hub_in(terms(true), limits());
    let mut bob = connect(&hub, &json!({"user": "bob", "publish": ["*"]}));
    let epoch = fill(&mut bob, "granted:b", 2);
    let mut ann = connect(&hub, &json!({"user": "ann", "subscribe": ["granted:a"], "channels": ["server:x"]}));
    ann.subscribe("granted:a").expect("granted");
    ann.read();
    let token = json!({"user": "ann", "channels": ["granted:c", "no name", "granted:b"]});
    authenticate(&mut ann, &token, &json!({"granted:b": {"epoch": epoch, "offset": 1}}));
    settle().await;
    let mut told = told(&mut ann);
    told[1..3].sort();
    let expect = [
        "response",
        "unsubscribed granted:a",
        "unsubscribed server:x",
        "subscribed granted:c 0",
        "unsubscribed no name",
        "subscribed granted:b 1",
        "publication granted:b 2",
    ];
    assert_eq!(told, expect);
}

/// The engine answers late and one by one; the first of the list has the slowest channel.
#[tokio::test(start_paused = true)]
async fn a_late_engine_does_not_change_the_order() {
    let record = Arc::new(Record::new(4));
    let named = [("pass", ChannelOptions { history_size: 0, ..options() })];
    let hub = hub_at(Clock::start_set(&NOT_SET), limits(), &named, record.clone(), terms(true));
    let mut ann = Client::connect(&hub, 1 << 20);
    let token = json!({"user": "ann", "channels": ["a", "no name", "pass:a", "b"]});
    authenticate(&mut ann, &token, &json!({}));
    ann.go_on();
    assert_eq!(told(&mut ann), ["response"], "the first waits, and the others wait for it");
    assert!(ann.session.is_waiting());
    assert!(record.let_go());
    ann.go_on();
    assert_eq!(told(&mut ann), ["subscribed a 0", "unsubscribed no name", "subscribed pass:a"]);
    ann.request("unsubscribe", &json!({"channel": "b"}));
    assert_eq!(told(&mut ann), ["response b"], "it had not begun");
    while record.let_go() {}
    ann.go_on();
    assert_eq!(told(&mut ann), [""; 0]);
    assert!(!ann.session.is_waiting());
}

/// While the first listed channel waits for the engine, repeating the login adds nothing to what is to be told.
#[tokio::test(start_paused = true)]
async fn repeated_logins_pile_up_nothing() {
    let record = Arc::new(Record::new(4));
    let hub = hub_at(Clock::start_set(&NOT_SET), limits(), &[], record.clone(), terms(true));
    let mut ann = Client::connect(&hub, 1 << 20);
    let token = json!({"user": "ann", "channels": ["head", "other:a", "no name", "left"]});
    for _ in 0..50 {
        authenticate(&mut ann, &token, &json!({}));
        ann.request("unsubscribe", &json!({"channel": "left"}));
    }
    ann.read();
    while record.let_go() {}
    ann.go_on();
    assert_eq!(told(&mut ann), ["subscribed head 0", "unsubscribed other:a", "unsubscribed no name"]);
}
