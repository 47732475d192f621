//! `subscribe`: its answer, what it refuses, and that the publications that follow begin exactly there.

use std::collections::HashSet;

use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_has_the_position_of_the_stream() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let first = subscribe(&mut client, ROOM).await;
    let epoch = first["epoch"].as_str().expect("an epoch, although the stream is empty").to_owned();
    assert!(!epoch.is_empty());
    assert_eq!(first, json!({"channel": ROOM, "epoch": epoch, "offset": 0, "after": 0}));
    for offset in 1..=3 {
        assert_eq!(publish(&mut client, ROOM, offset).await["offset"], offset);
    }
    let mut other = server.connect().await;
    let expect = json!({"channel": ROOM, "epoch": epoch, "offset": 3, "after": 3});
    assert_eq!(subscribe(&mut other, ROOM).await, expect);
    let elsewhere = subscribe(&mut other, "elsewhere").await;
    assert_eq!(elsewhere["offset"], 0);
    assert_ne!(elsewhere["epoch"], epoch, "every channel is a stream of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_history_there_is_no_position() {
    let server = without_history().await;
    let mut client = server.connect().await;
    assert_eq!(subscribe(&mut client, "live:a").await, json!({"channel": "live:a"}));
    let since = json!({"epoch": "0000000000000000", "offset": 0});
    for payload in [json!({"channel": "live:b", "since": since}), json!({"channel": "live:b", "rewind": 1})] {
        assert_eq!(client.refusal("subscribe", payload.clone()).await, "not_available", "{payload}");
    }
    assert_eq!(subscribe(&mut client, "live:b").await, json!({"channel": "live:b"}), "a refusal leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_subscription_is_refused_and_the_first_stays() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    for more in [json!({"channel": ROOM}), json!({"channel": ROOM, "rewind": 5})] {
        assert_eq!(client.refusal("subscribe", more).await, "already_subscribed");
    }
    publish(&mut client, ROOM, "once").await;
    publish(&mut client, ROOM, "end").await;
    assert_eq!(only_publications_until(&mut client, ROOM, &json!("end")).await.len(), 2);
    assert_eq!(server.metrics().await.get("ws_subscriptions"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_channels() {
    let server = Server::with(|config| {
        config.limits.errors_max = 0;
        namespace(config, "chat", |_| {});
    })
    .await;
    let mut client = server.connect().await;
    let (longest, too_long) = ("é".repeat(127) + "x", "é".repeat(128));
    let good = ["a", "聊天😀", "chat:room", "chat:room:7", "chat::", "a,b", "a/b.c-d_e$f?g\"h\\i", &longest];
    for name in good {
        assert_eq!(subscribe(&mut client, name).await["channel"], name);
        unsubscribe(&mut client, name).await;
    }
    let bad = [
        "",
        " ",
        "a b",
        "a\tb",
        "a\n",
        "a\u{a0}b",
        "a\u{3000}",
        "a\u{2028}",
        "\u{85}",
        "a\0",
        "a\u{7f}",
        "\u{9f}a",
        "*",
        "a*",
        "chat:*",
        ":",
        ":x",
        "chat:",
        "x#",
        "#ann",
        "chat:#ann",
        "x#,",
        "x#ann,",
        "x#ann,,bob",
        "x#ann bob",
        &too_long,
    ];
    for name in bad {
        for action in ["subscribe", "unsubscribe", "get_history", "get_presence"] {
            let code = client.refusal(action, json!({"channel": name})).await;
            assert_eq!(code, "invalid_channel", "{action} {name:?}");
        }
        let code = client.refusal("publish", json!({"channel": name, "data": 0})).await;
        assert_eq!(code, "invalid_channel", "publish {name:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upper_and_lower_case_and_normal_forms_are_different_channels() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let names = ["room", "Room", "\u{e9}", "e\u{301}"];
    for name in names {
        subscribe(&mut client, name).await;
    }
    for name in names {
        assert_eq!(publish(&mut client, name, name).await["offset"], 1);
    }
    let mut seen = Vec::new();
    for _ in names {
        let event = client.event("publication").await;
        assert_eq!(event["channel"], event["data"]);
        seen.push(event["channel"].as_str().expect("a name").to_owned());
    }
    seen.sort();
    let mut names = names;
    names.sort();
    assert_eq!(seen, names);
    // The same name, written with escapes.
    client.text(r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"r\u006fom"}}"#).await;
    assert_eq!(error_of(&client.answer("1").await).1, "already_subscribed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_payloads() {
    let server = Server::with(|config| config.limits.errors_max = 0).await;
    let mut client = server.connect().await;
    let since = json!({"epoch": "0123456789abcdef", "offset": 0});
    for (payload, field) in [
        (json!({}), "channel"),
        (json!({"channel": null}), "channel"),
        (json!({"channel": 7}), "channel"),
        (json!({"channel": ["a"]}), "channel"),
        (json!({"channel": "a", "since": "x"}), "since"),
        (json!({"channel": "a", "since": {}}), "epoch"),
        (json!({"channel": "a", "since": {"epoch": "e"}}), "offset"),
        (json!({"channel": "a", "since": {"offset": 1}}), "epoch"),
        (json!({"channel": "a", "since": {"epoch": 5, "offset": 1}}), "since"),
        (json!({"channel": "a", "since": {"epoch": "e", "offset": -1}}), "since"),
        (json!({"channel": "a", "since": {"epoch": "e", "offset": 1.5}}), "since"),
        (json!({"channel": "a", "since": {"epoch": "e", "offset": "1"}}), "since"),
        (json!({"channel": "a", "since": ["e", 1]}), "since"),
        (json!({"channel": "a", "rewind": -1}), "rewind"),
        (json!({"channel": "a", "rewind": 0.5}), "rewind"),
        (json!({"channel": "a", "rewind": "1"}), "rewind"),
        (json!({"channel": "a", "rewind": true}), "rewind"),
        (json!({"channel": "a", "since": since, "rewind": 1}), "rewind"),
        (json!({"channel": "a", "since": since, "rewind": 0}), "rewind"),
        (json!({"channel": "a", "token": 7}), "token"),
    ] {
        let answer = client.request("1", "subscribe", payload.clone()).await;
        assert_eq!(error_of(&answer).1, "invalid_payload", "{payload}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{payload}: {message}");
    }
    let absent = json!({"channel": "a", "since": null, "rewind": null, "token": null, "more": 1});
    assert_eq!(client.ask("subscribe", absent).await["offset"], 0, "null counts as absent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_channels_is_announced_and_enforced_and_freed() {
    let server = Server::with(|config| config.limits.channels_per_connection_max = 3).await;
    let mut client = server.connect().await;
    assert_eq!(client.connected["limits"]["channels_max"], 3);
    for name in ["a", "b", "c"] {
        subscribe(&mut client, name).await;
    }
    for _ in 0..2 {
        assert_eq!(client.refusal("subscribe", json!({"channel": "d"})).await, "limit_exceeded");
        assert_eq!(client.refusal("subscribe", json!({"channel": "a"})).await, "already_subscribed");
        assert_eq!(client.refusal("unsubscribe", json!({"channel": "d"})).await, "not_subscribed");
    }
    unsubscribe(&mut client, "b").await;
    subscribe(&mut client, "d").await;
    assert_eq!(client.refusal("subscribe", json!({"channel": "b"})).await, "limit_exceeded");
    publish(&mut client, "d", 1).await;
    assert_eq!(client.event("publication").await["channel"], "d");
    let mut other = server.connect().await;
    subscribe(&mut other, "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_it_begins_right_after_the_answer_and_ends_at_the_next() {
    const ROUNDS: usize = 100;
    let server = Server::start().await;
    let storm = Storm::begin(&server, ROOM).await;
    let mut client = server.connect().await;
    for round in 0..ROUNDS {
        let request = |action| json!({"id": action, "type": "request", "action": action, "payload": {"channel": ROOM}});
        client.text(request("subscribe").to_string()).await;
        let answer = client.json().await;
        assert_eq!(
            (&answer["id"], &answer["type"]),
            (&json!("subscribe"), &json!("response")),
            "the answer comes first"
        );
        let mut offset = answer["data"]["offset"].as_u64().expect("an offset");
        let mut seen = 0;
        while seen < round % 5 {
            offset += 1;
            let event = client.event("publication").await;
            assert_eq!(event["offset"], offset, "each once, in order");
            seen += 1;
        }
        client.text(request("unsubscribe").to_string()).await;
        loop {
            let frame = client.json().await;
            if frame["type"] == "response" {
                assert_eq!(frame["id"], "unsubscribe");
                break;
            }
            offset += 1;
            assert_eq!(frame["data"]["offset"], offset, "each once, in order");
        }
        // The next frame is the next answer: nothing comes between two subscriptions.
    }
    storm.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_answers_comes_before_what_its_channel_delivers() {
    const CHANNELS: usize = 100;
    let server = Server::start().await;
    let mut publisher = server.connect().await;
    for n in 0..CHANNELS {
        publish(&mut publisher, &format!("room{n}"), n).await;
    }
    for _ in 0..5 {
        let mut client = server.connect().await;
        let request = |n| {
            let payload = json!({"channel": format!("room{n}"), "rewind": 1});
            json!({"id": format!("room{n}"), "type": "request", "action": "subscribe", "payload": payload}).to_string()
        };
        client.texts((0..CHANNELS).map(request)).await;
        let (mut answered, mut delivered) = (HashSet::new(), 0);
        while delivered < CHANNELS {
            let frame = client.json().await;
            if frame["type"] == "response" {
                answered.insert(frame["id"].to_string());
            } else {
                assert!(answered.contains(&frame["data"]["channel"].to_string()), "before its answer: {frame}");
                delivered += 1;
            }
        }
        assert_eq!(answered.len(), CHANNELS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_subscribers_see_one_order() {
    const EACH: usize = 100;
    let server = Server::start().await;
    let mut clients = server.connect_many(4).await;
    for client in &mut clients {
        subscribe(client, ROOM).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            publish_numbers(&mut client, ROOM, EACH).await;
            let mut seen = Vec::new();
            for offset in 1..=4 * EACH {
                let event = client.event("publication").await;
                assert_eq!(event["offset"], offset);
                seen.push((event["from"]["connection_id"].clone(), event["data"].clone()));
            }
            let own: Vec<_> = seen.iter().filter(|(from, _)| from == client.id()).map(|(_, n)| n.clone()).collect();
            assert_eq!(own, (1..=EACH).map(Value::from).collect::<Vec<_>>(), "in the order of its requests");
            seen
        });
    }
    let seen = within("all to read", tasks.join_all()).await;
    assert!(seen.windows(2).all(|two| two[0] == two[1]));
}
