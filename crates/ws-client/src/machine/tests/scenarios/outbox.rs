//! Publications: order, repeats, ages, ends.

use serde_json::json;

use super::*;

fn settled(s: &Script) -> Vec<(String, String)> {
    let settled = s.all("settle").into_iter().map(|settle| {
        let kind = settle["error"]["kind"].as_str().unwrap_or("ack");
        (settle["msg_id"].as_str().expect("an id").to_owned(), kind.to_owned())
    });
    settled.collect()
}

#[track_caller]
fn settles(s: &Script, expect: &[(&str, &str)]) {
    let expect: Vec<_> = expect.iter().map(|(id, kind)| ((*id).to_owned(), (*kind).to_owned())).collect();
    assert_eq!(settled(s), expect, "{}: {:?}", s.trace.name, s.out);
}

fn reconnect(s: &mut Script, attempt: u64) {
    while s.all("dial").is_empty() {
        s.tick();
    }
    s.pass(10).greet(attempt);
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = ways();
    all.extend(ends());
    all
}

fn ways() -> Vec<Scenario> {
    vec![
        story("publish", "Sent at once, and acknowledged", plain(), |s| {
            connect(s);
            s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": "{\"x\":[1,\"é\\n\"]}", "tags": {"k": "v"}}}));
            s.says(&json!([
                {"send": {"text": "{\"id\":\"1\",\"type\":\"request\",\"action\":\"publish\",\"payload\":{\"channel\":\"a\",\"data\":{\"x\":[1,\"é\\n\"]},\"msg_id\":\"m1\",\"tags\":{\"k\":\"v\"}}}"}},
                {"pending": {"count": 1}}
            ]));
            s.respond(1, 1, published("a", 5));
            s.says(&json!([
                {"settle": {"msg_id": "m1", "ack": {"position": {"epoch": "e", "offset": 5}, "level": "memory", "duplicate": false}}},
                {"pending": {"count": 0}}
            ]));
        }),
        story("one-per-channel", "One unanswered publication in each channel", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.sends(&[]);
            s.put(publish("m3", "b"));
            s.sends(&["publish"]);
            s.respond(1, 1, published("a", 5));
            assert_eq!(s.sent()[0].1["msg_id"], "m2");
        }),
        story("published-offline", "Queued offline, sent in order when connected", plain(), |s| {
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            assert_eq!(s.one("pending"), &json!({"count": 2}));
            s.greet(1);
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "data": "m1", "msg_id": "m1"}));
            s.respond(1, 1, published("a", 1));
            assert_eq!(s.sent()[0].1["msg_id"], "m2");
        }),
        story(
            "repeat",
            "A repeat has the time since the first sending plus the request timeout as age",
            plain(),
            |s| {
                connect(s);
                s.put(publish("m1", "a"));
                s.pass(1_000).put(ended(1, 4000));
                let begin = s.at;
                reconnect(s, 2);
                let age = 1_000 + (s.at - begin) + 10_000;
                assert_eq!(s.sent()[0].1, json!({"channel": "a", "data": "m1", "msg_id": "m1", "age_ms": age}));
            },
        ),
        story(
            "repeat-after-clock-was-set-back",
            "The wall clock stands before the first sending: the age is the largest",
            plain(),
            |s| {
                connect(s);
                s.put(publish("m1", "a"));
                s.put(ended(1, 4000));
                s.wall -= 1_000_000;
                reconnect(s, 2);
                assert_eq!(s.sent()[0].1["age_ms"], 86_400_000);
            },
        ),
        story("repeat-after-sleep", "A sleep counts into the age", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(ended(1, 4000));
            s.at += 5;
            s.wall += 3_600_000;
            s.put(json!({"tick": {}}));
            s.greet(2);
            assert_eq!(s.sent()[0].1["age_ms"], 3_610_000);
        }),
        story("unknown-outcome", "Nobody can tell", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(ended(1, 4000));
            reconnect(s, 2);
            s.refuse(2, 2, error("unknown_outcome", false));
            settles(s, &[("m1", "unknown")]);
            assert_eq!(s.one("settle")["entry"]["data"], "\"m1\"");
        }),
        story("repeat-found", "A repeat that had been published is a duplicate", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(publish("m1", "a"));
            s.put(ended(1, 4000));
            s.tick();
            s.greet(2);
            s.sends(&["subscribe", "publish"]);
            let mut data = at("a", 4, 5);
            data["recovered"] = true.into();
            s.respond(2, 3, data);
            let mut event = publication("a", 5);
            event["msg_id"] = "m1".into();
            s.notify(2, event);
            assert!(settled(s).is_empty(), "its answer is awaited");
            let mut data = published("a", 5);
            data["duplicate"] = true.into();
            s.respond(2, 4, data);
            settles(s, &[("m1", "ack")]);
        }),
        story("seen-and-unknown", "Seen, and the server could not tell: it was published", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(publish("m1", "a"));
            let mut event = publication("a", 5);
            event["msg_id"] = "m1".into();
            s.notify(1, event);
            s.refuse(1, 2, error("unknown_outcome", false));
            settles(s, &[("m1", "ack")]);
        }),
        story(
            "seen-before-the-loss",
            "Seen while its answer was awaited, and then the connection was lost",
            plain(),
            |s| {
                connect(s);
                live(s, 1, "a", 1);
                s.put(publish("m1", "a"));
                let mut event = publication("a", 5);
                event["msg_id"] = "m1".into();
                s.notify(1, event);
                assert_eq!(s.one("deliver")["event"]["own"], true);
                s.put(ended(1, 4000));
                s.says(&json!([
                    {"settle": {"msg_id": "m1", "ack": {"position": {"epoch": "e", "offset": 5}, "duplicate": false}}},
                    s.one_of("channel"), s.one_of("pending"), s.one_of("status")
                ]));
            },
        ),
        story("overloaded", "Not published: again, as if it were the first time", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.refuse(1, 1, error("overloaded", true));
            s.sends(&[]);
            s.run(500);
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "data": "m1", "msg_id": "m1"}));
        }),
        story(
            "overloaded-repeat",
            "A repeat that was refused by load stays a repeat: the first sending is in doubt",
            plain(),
            |s| {
                connect(s);
                s.put(publish("m1", "a"));
                s.put(ended(1, 4000));
                reconnect(s, 2);
                let mut body = error("overloaded", true);
                body["retry_after_ms"] = 700.into();
                s.refuse(2, 2, body);
                s.run(700);
                assert!(s.sent()[0].1["age_ms"].as_u64().is_some_and(|age| age > 10_700));
            },
        ),
        story("engine-unavailable", "Unknown: again with its age; nothing overtakes it", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.put(publish("m3", "b"));
            let mut body = error("engine_unavailable", true);
            body["retry_after_ms"] = 700.into();
            s.pass(20).refuse(1, 1, body);
            s.run(700);
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "data": "m1", "msg_id": "m1", "age_ms": 10_720}));
        }),
    ]
}

fn ends() -> Vec<Scenario> {
    vec![
        story("rejected", "A refusal that is not retryable is the end; the next one goes", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.refuse(1, 1, error("permission_denied", false));
            settles(s, &[("m1", "rejected")]);
            assert_eq!(s.sent()[0].1["msg_id"], "m2");
        }),
        story(
            "full",
            "A full outbox refuses",
            json!({"provider": false, "store": false, "entries": 2, "bytes": 10}),
            |s| {
                s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": "\"12345\""}}));
                s.put(json!({"publish": {"msg_id": "m2", "channel": "a", "data": "\"12345\""}}));
                settles(s, &[("m2", "full")]);
                s.put(json!({"publish": {"msg_id": "m3", "channel": "a", "data": "1"}}));
                s.put(json!({"publish": {"msg_id": "m4", "channel": "a", "data": "1"}}));
                settles(s, &[("m4", "full")]);
            },
        ),
        story("too-large", "A frame over the server's limit is not sent", plain(), |s| {
            connect(s);
            s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": format!("\"{}\"", "x".repeat(65_536))}}));
            settles(s, &[("m1", "too_large")]);
            s.sends(&[]);
            s.trace.steps.clear();
            s.trace.about = "Left out: it is large".to_owned();
        }),
        story("close-1009-fails-the-largest", "1009 fails the largest unanswered publication", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(json!({"publish": {"msg_id": "m2", "channel": "b", "data": "\"a longer one\""}}));
            s.put(ended(1, 1009));
            settles(s, &[("m2", "too_large")]);
        }),
        story(
            "close-1009-fails-a-request",
            "1009 fails the largest request, and no publication behind it",
            plain(),
            |s| {
                connect(s);
                s.put(publish("m1", "a"));
                s.put(json!({"request": {"request": 1, "action": "echo", "payload": "{\"message\":\"it is longer than the publication by a good deal\"}"}}));
                s.put(ended(1, 1009));
                assert_eq!(s.one("answer"), &json!({"request": 1, "error": {"kind": "too_large"}}));
                settles(s, &[]);
                reconnect(s, 2);
                assert_eq!(s.sent()[0].1["msg_id"], "m1");
            },
        ),
        story("close-1009-in-doubt", "1009 does not say what became of an earlier sending", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(ended(1, 4000));
            reconnect(s, 2);
            s.put(ended(2, 1009));
            settles(s, &[("m1", "unknown")]);
        }),
        story("request-too-large", "A request over the server's limit is not sent", plain(), |s| {
            connect(s);
            let payload = json!({"message": "x".repeat(65_536)}).to_string();
            s.put(json!({"request": {"request": 1, "action": "echo", "payload": payload}}));
            s.says(&json!([{"answer": {"request": 1, "error": {"kind": "too_large"}}}]));
            s.put(json!({"request": {"request": 2, "action": "echo", "payload": "{}"}}));
            s.says(
                &json!([{"send": {"text": "{\"id\":\"1\",\"type\":\"request\",\"action\":\"echo\",\"payload\":{}}"}}]),
            );
            s.trace.steps.clear();
            s.trace.about = "Left out: it is large".to_owned();
        }),
        story(
            "expired",
            "Too old before it could be sent",
            json!({"provider": false, "store": false, "max_age": 5_000}),
            |s| {
                s.put(publish("m1", "a"));
                s.run(5_000);
                settles(s, &[("m1", "expired")]);
            },
        ),
        story("expired-after-sending", "Too old, and it may have been published", plain(), |s| {
            connect(s);
            s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": "1", "max_age": 400}}));
            s.run(1_000);
            assert!(settled(s).is_empty(), "its answer is awaited");
            s.put(ended(1, 4000));
            s.tick();
            settles(s, &[("m1", "unknown")]);
        }),
        story("now-or-never", "max_age 0: sent now, or not at all", plain(), |s| {
            s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": "1", "max_age": 0}}));
            settles(s, &[("m1", "expired")]);
            s.greet(1);
            s.put(json!({"publish": {"msg_id": "m2", "channel": "a", "data": "1", "max_age": 0}}));
            s.sends(&["publish"]);
            s.put(json!({"publish": {"msg_id": "m3", "channel": "a", "data": "1", "max_age": 0}}));
            settles(s, &[("m3", "expired")]);
        }),
        story("abort", "Given up before it was sent, or after", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.put(json!({"abort": {"msg_id": "m2"}}));
            settles(s, &[("m2", "aborted")]);
            s.put(json!({"abort": {"msg_id": "m1"}}));
            settles(s, &[]);
        }),
        story("close-with-flush", "Closing waits for what is under way", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(json!({"close": {"flush": 5_000}}));
            s.says(&json!([]));
            s.put(publish("m2", "a"));
            settles(s, &[("m2", "closed")]);
            s.respond(1, 1, published("a", 1));
            assert_eq!(s.one("closed"), &json!({"unsent": 0}));
        }),
        story("close-with-rest", "What is left at the end: sent is unknown, the rest closed", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.put(json!({"close": {"flush": 2_000}}));
            s.run(2_000);
            settles(s, &[("m1", "unknown"), ("m2", "closed")]);
            assert_eq!(s.one("closed"), &json!({"unsent": 2}));
        }),
        story("close-now-or-never", "What cannot wait ends once, too, when the client ends", plain(), |s| {
            connect(s);
            s.put(json!({"publish": {"msg_id": "m1", "channel": "a", "data": "1", "max_age": 0}}));
            s.put(json!({"close": {"flush": 0}}));
            settles(s, &[("m1", "unknown")]);
            assert_eq!(s.one("closed"), &json!({"unsent": 1}));
        }),
    ]
}
