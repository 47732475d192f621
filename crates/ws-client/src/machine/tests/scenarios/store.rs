//! A store: what is stored when, and what happens when it fails.

use serde_json::json;

use super::*;

fn open(s: &mut Script, entries: &Value) {
    s.put(json!({"wake": {}}));
    assert_eq!(s.one("store"), &json!({"op": 1, "open": true}));
    s.put(json!({"loaded": {"op": 1, "entries": entries}}));
    s.pass(5).greet(1);
}

fn entry(msg_id: &str, first_sent: Option<u64>) -> Value {
    let mut entry = json!({"msg_id": msg_id, "channel": "a", "data": format!("\"{msg_id}\""), "created": 1_795_899_990_000_u64,
                           "max_age": 86_400_000, "user": null});
    if let Some(first_sent) = first_sent {
        entry["first_sent"] = first_sent.into();
    }
    entry
}

/// It was published before anybody was connected.
fn of_nobody(msg_id: &str) -> Value {
    let mut entry = entry(msg_id, None);
    entry.as_object_mut().expect("an object").remove("user");
    entry
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        story("stored-then-sent", "An entry is stored with its first sending before it is sent", with_store(), |s| {
            open(s, &json!([]));
            s.put(publish("m1", "a"));
            s.sends(&[]);
            let put = &s.one("store")["put"];
            assert_eq!(put[0]["first_sent"], s.wall);
            s.put(json!({"stored": {"op": 2}}));
            s.sends(&["publish"]);
            s.respond(1, 1, published("a", 1));
            assert_eq!(s.one("store"), &json!({"op": 3, "remove": ["m1"]}));
        }),
        story("stored-offline", "What cannot be sent is stored without", with_store(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"loaded": {"op": 1, "entries": []}}));
            s.put(publish("m1", "a"));
            assert_eq!(s.one("store")["put"][0].get("first_sent"), None);
        }),
        story("one-batch-at-a-time", "Changes gather while a batch is under way", with_store(), |s| {
            open(s, &json!([]));
            s.put(publish("m1", "a"));
            s.put(publish("m2", "b"));
            s.put(publish("m3", "c"));
            assert!(s.all("store").is_empty());
            s.put(json!({"stored": {"op": 2}}));
            s.sends(&["publish"]);
            assert_eq!(s.one("store")["put"].as_array().map(Vec::len), Some(2));
            s.put(json!({"stored": {"op": 3}}));
            s.sends(&["publish", "publish"]);
        }),
        story(
            "earlier-entries-first",
            "Entries of another run go before our own, repeats with their age",
            with_store(),
            |s| {
                s.put(publish("m1", "a"));
                s.greet(1);
                s.sends(&[]);
                let first_sent = s.wall - 60_000;
                s.put(json!({"loaded": {"op": 1, "entries": [entry("old1", Some(first_sent)), entry("old2", None)]}}));
                assert_eq!(s.sent()[0].1["msg_id"], "old1");
                assert_eq!(s.sent()[0].1["age_ms"], 70_000);
                s.respond(1, 1, published("a", 1));
                s.put(json!({"stored": {"op": 2}}));
                s.put(json!({"stored": {"op": 3}}));
                assert_eq!(s.sent()[0].1["msg_id"], "old2");
            },
        ),
        story("somebody-elses-entries", "Entries of another user wait", with_store(), |s| {
            let mut theirs = entry("theirs", None);
            theirs["user"] = "ann".into();
            open(s, &json!([theirs]));
            s.sends(&[]);
            s.put(json!({"close": {"flush": 1_000}}));
            assert_eq!(s.one("closed"), &json!({"unsent": 0}));
            assert_eq!(s.one("settle")["kept"], true);
        }),
        story("nobodys-entries", "Loaded entries of nobody belong to whoever is connected", with_store(), |s| {
            s.put(publish("m1", "a"));
            s.greet(1);
            s.put(json!({"loaded": {"op": 1, "entries": [of_nobody("old")]}}));
            assert_eq!(s.one("store")["put"][0]["user"], Value::Null);
            s.put(json!({"stored": {"op": 2}}));
            assert_eq!(s.sent()[0].1["msg_id"], "old");
        }),
        story("nobodys-entries-adopted", "So do adopted ones", with_store(), |s| {
            open(s, &json!([]));
            s.put(json!({"adopted": {"entries": [of_nobody("old")]}}));
            s.put(json!({"stored": {"op": 2}}));
            assert_eq!(s.sent()[0].1["msg_id"], "old");
        }),
        story("adopted", "Entries of a page that is gone go first", with_store(), |s| {
            open(s, &json!([]));
            s.put(publish("m1", "a"));
            s.put(publish("m2", "a"));
            s.put(json!({"stored": {"op": 2}}));
            s.put(json!({"adopted": {"entries": [entry("old", Some(s.wall - 90_000))]}}));
            s.sends(&[]);
            s.respond(1, 1, published("a", 1));
            assert_eq!(s.sent()[0].1["msg_id"], "old");
        }),
        story("store-fails", "A store that fails is left, and opened again later", with_store(), |s| {
            open(s, &json!([]));
            s.put(publish("m1", "a"));
            s.put(json!({"store_failed": {"op": 2, "message": "disk full"}}));
            s.sends(&["publish"]);
            assert_eq!(s.one("status")["store"], json!({"kind": "store", "message": "disk full"}));
            s.respond(1, 1, published("a", 1));
            s.put(publish("m2", "a"));
            s.sends(&["publish"]);
            while s.all("store").is_empty() {
                s.frame(1, &json!({"type": "pong"}));
                s.tick();
            }
            s.put(json!({"loaded": {"op": 3, "entries": [entry("m1", None)]}}));
            assert_eq!(s.one("store")["remove"], json!(["m1"]), "it had ended meanwhile");
            assert!(s.one("status").get("store").is_none());
        }),
        story("store-hangs", "A store that does not answer in two seconds is left", with_store(), |s| {
            s.put(publish("m1", "a"));
            s.greet(1);
            s.run(2_000);
            s.sends(&["publish"]);
            assert_eq!(s.one("status")["store"], json!({"kind": "store"}));
            s.put(json!({"loaded": {"op": 1, "entries": []}}));
            s.says(&json!([]));
        }),
        story("store-retried-on-wake", "A wake tries the store again", with_store(), |s| {
            open(s, &json!([]));
            s.put(publish("m1", "a"));
            s.put(json!({"store_failed": {"op": 2}}));
            s.pass(1_000).put(json!({"wake": {}}));
            assert_eq!(s.one("store"), &json!({"op": 3, "open": true}));
        }),
        story("positions", "Positions are saved as they are taken, once a second at most", with_store(), |s| {
            open(s, &json!([]));
            live(s, 1, "a", 1);
            for offset in 5..=7 {
                s.notify(1, publication("a", offset));
            }
            s.put(json!({"taken": {"reader": 1}}));
            s.put(json!({"taken": {"reader": 1}}));
            let saved =
                |offset: u64| json!([{"user": null, "channel": "a", "position": {"epoch": "e", "offset": offset}}]);
            assert_eq!(s.one("store")["positions"], saved(5));
            s.put(json!({"stored": {"op": 2}}));
            s.put(json!({"taken": {"reader": 1}}));
            assert!(s.all("store").is_empty());
            s.tick();
            assert_eq!(s.one("store")["positions"], saved(6));
        }),
        story("from-stored", "A subscription from the stored position", with_store(), |s| {
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
            s.put(json!({"loaded": {"op": 1, "entries": []}}));
            s.greet(1);
            assert_eq!(s.one("read_position"), &json!({"channel": "a", "user": null}));
            s.put(json!({"position": {"channel": "a", "user": null, "position": {"epoch": "e", "offset": 3}}}));
            assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 3}));
        }),
        story(
            "from-stored-connected-first",
            "Connected before the store is open: it waits for the store",
            with_store(),
            |s| {
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
                s.greet(1);
                assert!(s.sent().is_empty());
                s.put(json!({"loaded": {"op": 1, "entries": []}}));
                assert_eq!(s.one("read_position"), &json!({"channel": "a", "user": null}));
                s.put(json!({"position": {"channel": "a", "user": null, "position": {"epoch": "e", "offset": 3}}}));
                assert_eq!(s.sent()[0].1["since"], json!({"epoch": "e", "offset": 3}));
            },
        ),
        story("from-stored-nothing", "Nothing stored: a plain subscription", with_store(), |s| {
            open(s, &json!([]));
            s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
            s.put(json!({"position": {"channel": "a", "user": null}}));
            assert_eq!(s.sent()[0].1, json!({"channel": "a"}));
            // A crash before the first publication was taken must not lose it.
            s.respond(1, 1, at("a", 4, 4));
            let saved = json!([{"user": null, "channel": "a", "position": {"epoch": "e", "offset": 4}}]);
            assert_eq!(s.one("store")["positions"], saved);
        }),
        story(
            "position-fails",
            "A store that does not say where a channel was has not said `nothing`: it is left, and asked again",
            with_store(),
            |s| {
                open(s, &json!([]));
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
                s.put(json!({"position_failed": {"channel": "a", "user": null, "message": "disk on fire"}}));
                s.says(&json!([{"status": {"state": "connected", "user": null,
                                           "store": {"kind": "store", "message": "disk on fire"}}}]));
                // Who comes now waits too; publications go on.
                s.put(json!({"subscribe": {"reader": 2, "channel": "b", "stored": true}}));
                s.put(publish("m1", "a"));
                s.sends(&["publish"]);
                s.pass(1_000).put(json!({"wake": {}}));
                s.put(json!({"loaded": {"op": 2, "entries": []}}));
                assert_eq!(s.all("read_position").len(), 2);
                s.put(json!({"position": {"channel": "a", "user": null, "position": {"epoch": "e", "offset": 3}}}));
                assert_eq!(s.sent()[0].1, json!({"channel": "a", "since": {"epoch": "e", "offset": 3}}));
            },
        ),
        story(
            "position-lost",
            "A store that cannot be opened again: the subscription begins, and its readers are told of a gap",
            with_store(),
            |s| {
                open(s, &json!([]));
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
                s.put(json!({"position_failed": {"channel": "a", "user": null}}));
                while s.all("store").is_empty() {
                    s.frame(1, &json!({"type": "pong"}));
                    s.tick();
                }
                s.put(json!({"store_failed": {"op": 2, "message": "no disk"}}));
                assert_eq!(s.one("deliver"), &json!({"reader": 1, "event": {"type": "gap"}}));
                assert_eq!(s.sent()[0].1, json!({"channel": "a"}));
                s.put(json!({"subscribe": {"reader": 2, "channel": "b", "stored": true}}));
                assert_eq!(s.one("deliver")["event"]["type"], "gap");
                s.sends(&["subscribe"]);
            },
        ),
        story(
            "position-fails-again",
            "A store that is open and fails to say a position for the second time: the subscription begins, with a gap",
            with_store(),
            |s| {
                open(s, &json!([]));
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
                s.put(json!({"subscribe": {"reader": 2, "channel": "a"}}));
                s.put(json!({"position_failed": {"channel": "a", "user": null}}));
                s.pass(1_000).put(json!({"wake": {}}));
                s.put(json!({"loaded": {"op": 2, "entries": []}}));
                assert_eq!(s.one("read_position"), &json!({"channel": "a", "user": null}));
                s.put(json!({"position_failed": {"channel": "a", "user": null}}));
                assert_eq!(s.one("deliver"), &json!({"reader": 1, "event": {"type": "gap"}}));
                assert_eq!(s.sent()[0].1, json!({"channel": "a"}));
                assert!(s.all("status").is_empty(), "the store stays");
            },
        ),
        story(
            "publish-behind-stored",
            "What is published in a channel that waits for its stored position goes behind the subscription",
            with_store(),
            |s| {
                open(s, &json!([]));
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "stored": true}}));
                s.put(publish("m1", "a"));
                s.put(json!({"publish": {"msg_id": "m2", "channel": "b", "data": "1", "max_age": 60_000}}));
                s.put(json!({"stored": {"op": 2}}));
                s.put(json!({"stored": {"op": 3}}));
                s.sends(&["publish"]);
                assert_eq!(s.sent()[0].1["channel"], "b", "the other channel does not wait");
                s.put(json!({"position": {"channel": "a", "user": null}}));
                s.sends(&["subscribe"]);
                s.put(json!({"stored": {"op": 4}}));
                s.sends(&["publish"]);
            },
        ),
        story("closed-with-a-store", "A store keeps what is left for the next client", with_store(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"loaded": {"op": 1, "entries": []}}));
            s.put(publish("m1", "a"));
            s.put(json!({"stored": {"op": 2}}));
            s.put(json!({"close": {"flush": 0}}));
            assert_eq!(s.one("settle")["kept"], true);
            assert_eq!(s.one("closed"), &json!({"unsent": 1}));
        }),
        story(
            "closed-after-the-store-was-left",
            "What the store took before it was left is kept, what it failed to take is not",
            with_store(),
            |s| {
                s.put(json!({"wake": {}}));
                s.put(json!({"loaded": {"op": 1, "entries": [entry("old", None)]}}));
                s.put(publish("m1", "a"));
                s.put(json!({"stored": {"op": 2}}));
                s.put(publish("m2", "a"));
                s.put(json!({"store_failed": {"op": 3}}));
                s.put(json!({"close": {"flush": 0}}));
                let kept: Vec<_> = s.all("settle").into_iter().map(|settle| settle.get("kept").is_some()).collect();
                assert_eq!(kept, [true, true, false]);
            },
        ),
        story(
            "closed-while-opening",
            "A client that is closed while its store is opened waits for that, not for the network",
            with_store(),
            |s| {
                s.put(publish("m1", "a"));
                s.put(json!({"close": {"flush": 0}}));
                assert_eq!(s.one("drop"), &json!({"attempt": 1, "code": 1_000}));
                assert!(s.all("closed").is_empty());
                s.put(publish("m2", "a"));
                assert_eq!(s.one("settle")["error"]["kind"], "closed");
                s.put(json!({"wake": {}}));
                s.says(&json!([]));
                s.pass(20).put(json!({"loaded": {"op": 1, "entries": []}}));
                assert_eq!(s.one("settle")["kept"], true);
                assert_eq!(s.one("store")["put"][0]["msg_id"], "m1");
                assert_eq!(s.one("closed"), &json!({"unsent": 1}));
            },
        ),
        story("closed-while-opening-hangs", "It waits no longer than a store may take", with_store(), |s| {
            s.put(publish("m1", "a"));
            s.pass(500).put(json!({"close": {"flush": 0}}));
            s.tick();
            assert_eq!(s.at, 3_000, "two seconds after it was opened");
            assert!(s.one("settle").get("kept").is_none());
            assert_eq!(s.one("closed"), &json!({"unsent": 1}));
        }),
    ]
}
