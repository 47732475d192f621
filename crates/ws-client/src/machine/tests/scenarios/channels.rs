//! Channels: positions, gaps, readers, refusals.

use serde_json::json;

use super::*;

fn kinds(s: &Script) -> Vec<String> {
    let kinds = s.all("deliver").into_iter().map(|deliver| {
        let event = &deliver["event"];
        format!("{}:{}", deliver["reader"], event["type"].as_str().expect("a type"))
    });
    kinds.collect()
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = starts();
    all.extend(courses());
    all.extend(ends());
    all
}

fn starts() -> Vec<Scenario> {
    vec![
        story("subscribe-plain", "From now on: live at the top", plain(), |s| {
            connect(s);
            live(s, 1, "news:a", 1);
            s.notify(1, publication("news:a", 5));
            assert_eq!(kinds(s), ["1:publication"]);
            s.notify(1, publication("news:a", 5));
            s.says(&json!([]));
        }),
        story("subscribe-since", "From a position: catches up, then live", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "since": {"epoch": "e", "offset": 2}}}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "since": {"epoch": "e", "offset": 2}}));
            let mut data = at("a", 2, 4);
            data["recovered"] = true.into();
            s.respond(1, 1, data);
            assert_eq!(s.one("channel")["state"], "catching up");
            s.notify(1, publication("a", 3));
            s.notify(1, publication("a", 4));
            assert_eq!(kinds(s), ["1:publication", "1:live"]);
            assert_eq!(s.all("deliver")[1]["event"]["recovered"], true);
        }),
        story("subscribe-rewind", "The last n, then live", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "rewind": 2}}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "rewind": 2}));
            s.respond(1, 1, at("a", 2, 4));
            s.notify(1, publication("a", 3));
            assert_eq!(kinds(s), ["1:publication"]);
        }),
        story("gap-at-start", "What is not stored any more is told", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "since": {"epoch": "e", "offset": 2}}}));
            let mut data = at("a", 7, 8);
            data["recovered"] = false.into();
            data["gap"] = json!({"from": 3, "to": 7});
            s.respond(1, 1, data);
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "from": 3, "to": 7}));
            s.notify(1, publication("a", 8));
            assert_eq!(s.all("deliver")[1]["event"]["recovered"], false);
        }),
        story("other-epoch-at-start", "Another epoch: the stream begins anew", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "since": {"epoch": "old", "offset": 9}}}));
            let mut data = at("a", 0, 1);
            data["recovered"] = false.into();
            data["gap"] = json!({"epoch": "old"});
            s.respond(1, 1, data);
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "epoch": "e", "after": 0}));
            s.notify(1, publication("a", 1));
            assert_eq!(kinds(s), ["1:publication", "1:live"]);
        }),
        story("above-the-top", "A position that was lost: the stream begins anew", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "since": {"epoch": "e", "offset": 9}}}));
            let mut data = at("a", 0, 1);
            data["recovered"] = false.into();
            data["gap"] = json!({"epoch": "e"});
            s.respond(1, 1, data);
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "epoch": "e", "after": 0}));
        }),
        story("without-history", "No positions; after a reconnect nobody can tell", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.respond(1, 1, json!({"channel": "a"}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "live"}));
            s.notify(1, json!({"event": "publication", "channel": "a", "data": 1, "time": 2}));
            assert_eq!(kinds(s), ["1:publication"]);
            s.put(ended(1, 1001));
            s.tick();
            s.greet(2);
            s.respond(2, 2, json!({"channel": "a"}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "live", "recovered": false}));
        }),
        story("recover", "After a reconnect from the last position", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, publication("a", 5));
            s.put(ended(1, 1001));
            s.tick();
            s.greet(2);
            assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 5}));
            let mut data = at("a", 5, 6);
            data["recovered"] = true.into();
            s.respond(2, 2, data);
            s.notify(2, publication("a", 6));
            assert_eq!(kinds(s), ["1:publication", "1:live"]);
        }),
        story("by-server", "`subscribed` opens a channel; `already_subscribed` is no error", with_provider(), |s| {
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.put(json!({"token": {"generation": 1, "token": "t"}}));
            s.greet(1);
            s.sends(&["authenticate", "subscribe"]);
            s.respond(1, 1, json!({"user": "ann"}));
            let mut data = at("a", 4, 4);
            data["event"] = "subscribed".into();
            s.notify(1, data);
            assert_eq!(kinds(s), ["1:live"]);
            s.refuse(1, 2, error("already_subscribed", false));
            s.says(&json!([]));
            s.notify(1, publication("a", 5));
            s.put(ended(1, 1001));
            s.tick();
            s.greet(2);
            assert_eq!(s.sent()[0].1, json!({"token": "t", "since": {"a": {"epoch": "e", "offset": 5}}}));
        }),
        story(
            "by-server-too-late",
            "The server began behind a reader: the channel begins again from it",
            plain(),
            |s| {
                connect(s);
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "since": {"epoch": "e", "offset": 1}}}));
                let mut data = at("a", 4, 4);
                data["event"] = "subscribed".into();
                s.notify(1, data);
                s.sends(&["unsubscribe"]);
                s.refuse(1, 1, error("already_subscribed", false));
                s.respond(1, 2, json!({"channel": "a"}));
                assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 1}));
            },
        ),
        story("by-server-without-readers", "Live without readers; off after a reconnect", plain(), |s| {
            connect(s);
            let mut data = at("a", 4, 4);
            data["event"] = "subscribed".into();
            s.notify(1, data);
            assert_eq!(s.one("channel"), &json!({"channel": "a", "state": "live"}));
            s.put(ended(1, 1001));
            assert_eq!(s.one("channel"), &json!({"channel": "a", "state": "off"}));
        }),
    ]
}

fn courses() -> Vec<Scenario> {
    vec![
        story("second-reader", "A second reader joins where the channel is", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(json!({"subscribe": {"reader": 2, "channel": "a"}}));
            assert_eq!(s.one("deliver")["event"]["position"], json!({"epoch": "e", "offset": 4}));
            s.notify(1, publication("a", 5));
            assert_eq!(kinds(s), ["1:publication", "2:publication"]);
        }),
        story(
            "second-reader-from-before",
            "A reader from before restarts the channel; the first notices nothing",
            plain(),
            |s| {
                connect(s);
                live(s, 1, "a", 1);
                s.put(json!({"subscribe": {"reader": 2, "channel": "a", "since": {"epoch": "e", "offset": 2}}}));
                s.sends(&["unsubscribe"]);
                s.notify(1, publication("a", 5));
                s.says(&json!([]));
                s.respond(1, 2, json!({"channel": "a"}));
                assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 2}));
                let mut data = at("a", 2, 5);
                data["recovered"] = true.into();
                s.respond(1, 3, data);
                for offset in 3..=4 {
                    s.notify(1, publication("a", offset));
                    assert_eq!(kinds(s), ["2:publication"]);
                }
                s.notify(1, publication("a", 5));
                assert_eq!(kinds(s), ["1:publication", "2:publication", "2:live"]);
            },
        ),
        story("second-reader-rewinds", "A rewind in an open channel is reckoned from its top", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(json!({"subscribe": {"reader": 2, "channel": "a", "rewind": 3}}));
            s.respond(1, 2, json!({"channel": "a"}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "since": {"epoch": "e", "offset": 1}}));
            let mut data = at("a", 2, 4);
            data["recovered"] = false.into();
            data["gap"] = json!({"from": 2, "to": 2});
            s.respond(1, 3, data);
            assert!(kinds(s).is_empty(), "what was gone before a rewind is no gap");
            s.notify(1, publication("a", 3));
            assert_eq!(kinds(s), ["2:publication"]);
        }),
        story("gap-event", "A reader fell behind: told, once", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, json!({"event": "gap", "channel": "a", "from": 5, "to": 9}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "from": 5, "to": 9}));
            s.notify(1, json!({"event": "gap", "channel": "a", "from": 5, "to": 9}));
            s.says(&json!([]));
            s.notify(1, publication("a", 10));
            assert_eq!(kinds(s), ["1:publication"]);
        }),
        story("epoch-event", "History removed: offsets count anew", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, json!({"event": "gap", "channel": "a", "epoch": "f", "after": 0}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "epoch": "f", "after": 0}));
            s.notify(1, publication("a", 1));
            assert_eq!(kinds(s), ["1:publication"]);
        }),
        story("missed-event", "A gap without history", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.respond(1, 1, json!({"channel": "a"}));
            s.notify(1, json!({"event": "gap", "channel": "a", "missed": 3}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "gap", "missed": 3}));
        }),
        story("latest", "An offset that jumps is no gap", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, publication("a", 50));
            assert_eq!(kinds(s), ["1:publication"]);
        }),
        story("presence", "Who comes and goes", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            let client =
                json!({"connection_id": "7f1c2d3e-0000-4000-8000-000000000003", "user": "eve", "info": {"x": 1}});
            s.notify(1, json!({"event": "join", "channel": "a", "client": client}));
            s.notify(1, json!({"event": "leave", "channel": "a", "client": client}));
            s.notify(1, json!({"event": "presence", "channel": "a", "connections": 7, "users": 5}));
            assert_eq!(s.one("deliver")["event"], json!({"type": "presence", "connections": 7, "users": 5}));
        }),
        story("too-slow", "A reader that takes nothing is paused, and goes on where it was", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            for offset in 5..5 + 1_023 {
                s.notify(1, publication("a", offset));
            }
            assert_eq!(kinds(s), ["1:publication"]);
            s.sends(&["unsubscribe"]);
            s.notify(1, publication("a", 1_028));
            s.says(&json!([]));
            s.respond(1, 2, json!({"channel": "a"}));
            for _ in 0..511 {
                s.put(json!({"taken": {"reader": 1}}));
            }
            s.says(&json!([]));
            s.put(json!({"taken": {"reader": 1}}));
            assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 1_027}));
            // A thousand steps show no more than ten.
            s.trace.steps.clear();
            s.trace.about = "Left out: it is long".to_owned();
        }),
        story("many-bytes", "Four MiB that nobody takes pause a reader too", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            let large = "x".repeat(1 << 20);
            for offset in 5..=8 {
                let mut event = publication("a", offset);
                event["data"] = large.clone().into();
                s.notify(1, event);
            }
            assert_eq!(s.sent()[0].0, "unsubscribe");
            s.trace.steps.clear();
            s.trace.about = "Left out: it is large".to_owned();
        }),
    ]
}

fn ends() -> Vec<Scenario> {
    vec![
        story("linger", "The last reader gone: a second later the channel ends", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(json!({"unsubscribe": {"reader": 1}}));
            s.says(&json!([]));
            s.pass(500).put(json!({"subscribe": {"reader": 2, "channel": "a"}}));
            assert_eq!(kinds(s), ["2:live"], "no frame: it was only a moment");
            s.put(json!({"unsubscribe": {"reader": 2}}));
            s.run(1_000);
            s.sends(&["unsubscribe"]);
            assert_eq!(s.one("channel"), &json!({"channel": "a", "state": "off"}));
            s.respond(1, 2, json!({"channel": "a"}));
            s.put(json!({"subscribe": {"reader": 3, "channel": "a"}}));
            s.sends(&["subscribe"]);
        }),
        story(
            "back-while-leaving",
            "A reader that comes while the channel is left waits for the answer",
            plain(),
            |s| {
                connect(s);
                live(s, 1, "a", 1);
                s.put(json!({"unsubscribe": {"reader": 1}}));
                s.run(1_000);
                s.put(json!({"subscribe": {"reader": 2, "channel": "a"}}));
                s.sends(&[]);
                s.respond(1, 2, json!({"channel": "a"}));
                s.sends(&["subscribe"]);
            },
        ),
        story("refused", "A refusal is the end, and a new reader a new attempt", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.refuse(1, 1, error("permission_denied", false));
            assert_eq!(kinds(s), ["1:refused"]);
            assert_eq!(s.one("channel")["state"], "refused");
            s.put(ended(1, 1001));
            s.tick();
            s.greet(2);
            s.sends(&[]);
            s.put(json!({"subscribe": {"reader": 2, "channel": "a"}}));
            s.sends(&["subscribe"]);
        }),
        story("refused-then-by-server", "`subscribed` opens a channel that was refused", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.refuse(1, 1, error("permission_denied", false));
            let mut data = at("a", 4, 4);
            data["event"] = "subscribed".into();
            s.notify(1, data);
            assert_eq!(kinds(s), ["1:live"]);
        }),
        story("retry", "A retryable refusal backs off, for this channel alone", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.put(json!({"subscribe": {"reader": 2, "channel": "b"}}));
            s.refuse(1, 1, error("engine_unavailable", true));
            s.respond(1, 2, at("b", 0, 0));
            assert_eq!(kinds(s), ["2:live"]);
            s.run(500);
            s.sends(&["subscribe"]);
        }),
        story("unsubscribed-retryable", "The server ended it; it may come back, and recovers", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, json!({"event": "unsubscribed", "channel": "a", "code": "token_expired", "reason": "over", "retryable": true}));
            assert_eq!(s.one("channel")["state"], "subscribing");
            s.run(500);
            assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 4}));
        }),
        story("unsubscribed-for-good", "The server ended it for good", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, json!({"event": "unsubscribed", "channel": "a", "code": "permission_denied", "reason": "out", "retryable": false}));
            assert_eq!(kinds(s), ["1:refused"]);
        }),
        story("unsubscribed-by-api", "The operator ended it", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.notify(1, json!({"event": "unsubscribed", "channel": "a", "code": "unsubscribed", "reason": "out", "retryable": false}));
            assert_eq!(
                s.one("deliver")["event"]["error"],
                json!({"kind": "rejected", "message": "out", "retryable": false})
            );
        }),
        story("channel-token", "A subscription token is asked for, and again when it has expired", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "token": true}}));
            assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 1}));
            s.put(json!({"channel_token": {"channel": "a", "generation": 1, "token": "t1"}}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "token": "t1"}));
            s.respond(1, 1, at("a", 4, 4));
            s.notify(1, json!({"event": "unsubscribed", "channel": "a", "code": "token_expired", "reason": "over", "retryable": true}));
            assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 2}));
            s.put(json!({"channel_token": {"channel": "a", "generation": 1, "token": "late"}}));
            s.says(&json!([]));
            s.put(json!({"channel_token": {"channel": "a", "generation": 2, "token": "t2"}}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a", "since": {"epoch": "e", "offset": 4}, "token": "t2"}));
            s.refuse(1, 2, error("token_expired", false));
            assert!(s.all("ask_channel").is_empty(), "the second time in a row waits");
            s.run(500);
            assert_eq!(s.one("ask_channel")["generation"], 3);
        }),
        story("channel-token-denied", "Its provider denies it: refused", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "token": true}}));
            s.put(json!({"channel_token_failed": {"channel": "a", "generation": 1, "denied": true, "message": "no"}}));
            assert_eq!(kinds(s), ["1:refused"]);
        }),
        story("channel-token-throws", "Its provider throws: later again", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "token": true}}));
            s.put(json!({"channel_token_failed": {"channel": "a", "generation": 1, "denied": false}}));
            s.run(500);
            assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 2}));
        }),
    ]
}
