//! The connection: attempts, close codes, silence, waking, closing.

use serde_json::json;

use super::*;

/// What each close code that arrives leads to: the state after it.
const CLOSE_CODES: [(&str, u16, &str); 22] = [
    ("close-1000", 1000, "waiting"),
    ("close-1001", 1001, "waiting"),
    ("close-1002", 1002, "closed"),
    ("close-1003", 1003, "closed"),
    ("close-1005", 1005, "waiting"),
    ("close-1007", 1007, "closed"),
    ("close-1008", 1008, "waiting"),
    ("close-1009", 1009, "waiting"),
    ("close-1010", 1010, "closed"),
    ("close-1011", 1011, "waiting"),
    ("close-1012", 1012, "waiting"),
    ("close-3000", 3000, "waiting"),
    ("close-4000", 4000, "waiting"),
    ("close-4001", 4001, "waiting"),
    ("close-4003", 4003, "waiting"),
    ("close-4005", 4005, "waiting"),
    ("close-4006", 4006, "waiting"),
    ("close-4499", 4499, "waiting"),
    ("close-4500", 4500, "closed"),
    ("close-4501", 4501, "closed"),
    ("close-4503", 4503, "closed"),
    ("close-4999", 4999, "closed"),
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        story("connect", "First use dials; the first frame connects", plain(), |s| {
            s.put(json!({"wake": {}})).to_vec();
            s.says(&json!([{"dial": {"attempt": 1}}, {"status": {"state": "connecting"}}]));
            s.pass(20).greet(1);
            s.says(&json!([{"status": {"state": "connected", "user": null}}]));
        }),
        story("backoff-grows", "Failed attempts wait longer and longer, up to 20 s", plain(), |s| {
            s.put(json!({"wake": {}}));
            let mut waits: Vec<u64> = Vec::new();
            for attempt in 1..=9 {
                s.pass(3).put(json!({"ended": {"attempt": attempt, "message": "refused"}}));
                s.is("waiting");
                assert!(s.timer.is_some_and(|timer| timer <= 10_000));
                let begun = s.at;
                while s.all("dial").is_empty() {
                    s.tick();
                }
                waits.push(s.at - begun);
            }
            assert!(waits[0] <= 500, "the first one is drawn");
            assert!((500..=1_000).contains(&waits[1]), "then one share of every bound: {waits:?}");
            let doubles = |pair: &[u64]| pair[1] == 20_000 || (pair[0] * 2..=pair[0] * 2 + 1).contains(&pair[1]);
            assert!(waits[1..].windows(2).all(doubles), "{waits:?}");
        }),
        story("backoff-resets", "Ten seconds of connection, and the first back-off is short again", plain(), |s| {
            s.put(json!({"wake": {}}));
            for attempt in 1..=4 {
                s.put(json!({"ended": {"attempt": attempt}}));
                while s.all("dial").is_empty() {
                    s.tick();
                }
            }
            s.greet(5);
            s.pass(10_000).put(ended(5, 1001));
            assert!(s.timer.is_some_and(|timer| timer <= 500), "{:?}", s.timer);
        }),
        story("connect-timeout", "Ten seconds without `connected` end an attempt", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.pass(50).put(json!({"opened": {"attempt": 1}}));
            s.run(10_000);
            s.is("waiting");
            assert_eq!(s.one("drop"), &json!({"attempt": 1}));
            assert_eq!(s.one("status")["error"]["cause"], "connect");
        }),
        story("retry-after", "A 503 with Retry-After is obeyed, and a back-off added", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"ended": {"attempt": 1, "status": 503, "retry_after": 7_000}}));
            assert!(s.run(6_999).iter().all(|out| out.get("dial").is_none()));
            assert_eq!(s.run(501).iter().filter(|out| out.get("dial").is_some()).count(), 1);
        }),
        story("retry-after-bounded", "Retry-After counts up to an hour", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"ended": {"attempt": 1, "status": 503, "retry_after": 86_400_000}}));
            let retry_at = s.one("status")["retry_at"].as_u64().expect("a time");
            assert!((3_600_000..3_600_500).contains(&(retry_at - s.wall)));
        }),
        story("handshake-401", "Statuses 400 to 428 wait 30 s or more, and do not close", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"ended": {"attempt": 1, "status": 401, "message": "no"}}));
            s.is("waiting");
            assert_eq!(s.one("status")["error"]["status"], 401);
            assert!(s.one("status")["retry_at"].as_u64().expect("a time") >= s.wall + 30_000);
        }),
        story("draining-slot", "After `draining`, the drawn slot, however the connection ends; once", plain(), |s| {
            connect(s);
            s.notify(1, json!({"event": "draining", "reconnect_after_ms": [2_000, 6_000]}));
            s.pass(500).put(json!({"ended": {"attempt": 1}}));
            let wait = s.timer.expect("a slot");
            assert!((1_500..5_500).contains(&wait), "{wait}");
            s.tick();
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
            s.put(ended(2, 1001));
            assert!(s.timer.is_some_and(|timer| timer <= 1_000), "a slot is used once");
        }),
        story("draining-and-4503", "A slot does not reopen what closes", plain(), |s| {
            connect(s);
            s.notify(1, json!({"event": "draining", "reconnect_after_ms": [0, 100]}));
            s.put(ended(1, 4503));
            s.is("closed");
        }),
        story("draining-and-4006", "A slot is not for who is refused: 30 s or more", plain(), |s| {
            connect(s);
            s.notify(1, json!({"event": "draining", "reconnect_after_ms": [0, 100]}));
            s.pass(500).put(ended(1, 4006));
            assert!(s.timer.is_some_and(|timer| timer >= 10_000), "{:?}", s.timer);
            assert!(s.one("status")["retry_at"].as_u64().expect("a time") >= s.wall + 30_000);
        }),
        story("offline-then-online", "`offline` leaves the wake of the `online` after it alone", plain(), |s| {
            connect(s);
            s.pass(5_000).put(json!({"probe": {}}));
            s.sends(&["ping"]);
            s.pass(100).put(json!({"ended": {"attempt": 1}}));
            s.is("waiting");
            s.pass(100).put(json!({"wake": {}}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
        }),
        story("damaged-frame", "A frame that is none counts as 1006", plain(), |s| {
            connect(s);
            s.put(json!({"frame": {"attempt": 1, "text": "{\"type\":"}}));
            s.is("waiting");
            assert_eq!(s.one("status")["error"], json!({"kind": "lost", "close": 1006, "cause": "frame"}));
        }),
        story("unknown-frames", "What nobody knows is passed on or ignored", plain(), |s| {
            connect(s);
            s.frame(1, &json!({"type": "surprise"}));
            s.says(&json!([]));
            s.notify(1, json!({"event": "surprise", "x": 1}));
            assert_eq!(s.one("notification")["data"]["x"], 1);
            s.notify(1, json!({"event": "broadcast", "message": "hello"}));
            assert_eq!(s.one("notification")["data"]["message"], "hello");
            s.respond(1, 99, json!({}));
            s.says(&json!([]));
        }),
        story("ping", "`ping` is answered at once", plain(), |s| {
            connect(s);
            s.frame(1, &json!({"type": "ping"}));
            s.says(&json!([{"send": {"text": "{\"type\":\"pong\"}"}}]));
        }),
        story("silence", "Nothing for interval and timeout: the connection is dead", plain(), |s| {
            connect(s);
            s.run(20_000);
            s.put(json!({"alive": {"attempt": 1}}));
            s.run(34_999);
            assert!(s.all("status").is_empty());
            s.run(1);
            s.is("waiting");
            assert_eq!(s.one("status")["error"]["cause"], "silence");
        }),
        story("stale-attempt", "What an old socket says does not count", plain(), |s| {
            connect(s);
            s.put(ended(1, 1001));
            s.tick();
            s.put(ended(1, 4501));
            s.says(&json!([]));
            s.notify(1, json!({"event": "draining", "reconnect_after_ms": [0, 100]}));
            s.says(&json!([]));
        }),
        story("wake-while-waiting", "A wake ends a wait and leaves the back-off where it is", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.pass(1_500).put(json!({"ended": {"attempt": 1}}));
            s.put(json!({"wake": {}}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
            s.put(json!({"wake": {}}));
            s.says(&json!([]));
        }),
        story("wake-once-a-second", "Wakes count once a second", plain(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"ended": {"attempt": 1}}));
            s.put(json!({"wake": {}}));
            assert_eq!(s.all("dial").len(), 1, "the first use does not count");
            s.pass(10).put(json!({"ended": {"attempt": 2}}));
            s.pass(10).put(json!({"wake": {}}));
            assert!(s.all("dial").is_empty());
        }),
        story("probe-answered", "A wake while connected probes; `pong` ends it", plain(), |s| {
            connect(s);
            s.pass(5_000).put(json!({"wake": {}}));
            s.sends(&["ping"]);
            s.pass(100).frame(1, &json!({"type": "pong"}));
            assert!(s.run(10_000).iter().all(|out| out.get("drop").is_none()));
        }),
        story("probe-unanswered", "No `pong` in four seconds: at once a new connection", plain(), |s| {
            connect(s);
            s.pass(5_000).put(json!({"probe": {}}));
            s.sends(&["ping"]);
            s.pass(2_000).notify(1, json!({"event": "surprise"}));
            s.tick();
            assert_eq!(s.one("drop"), &json!({"attempt": 1}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
        }),
        story("sleep", "The wall clock jumped an hour: probed before it is judged", plain(), |s| {
            connect(s);
            s.at += 10;
            s.wall += 3_600_000;
            s.put(json!({"tick": {}}));
            s.sends(&["ping"]);
            s.pass(4_000).put(json!({"tick": {}}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
        }),
        story(
            "sleep-over-questions",
            "What was asked for before a sleep gets time to answer after it",
            json!({"provider": true, "store": true}),
            |s| {
                s.put(json!({"wake": {}}));
                s.at += 10;
                s.wall += 3_600_000;
                s.put(json!({"tick": {}}));
                s.says(&json!([]));
                s.put(json!({"loaded": {"op": 1, "entries": []}}));
                s.put(json!({"token": {"generation": 1, "token": "t1", "user": "ann"}}));
                assert_eq!(s.one("dial"), &json!({"attempt": 1}));
            },
        ),
        story("sleep-while-idle", "A sleep is no use: a client that nobody used stays idle", plain(), |s| {
            s.put(json!({"probe": {}}));
            s.pass(3_600_000).wall += 10_000;
            s.put(json!({"probe": {}}));
            s.says(&json!([]));
        }),
        story("late-timer", "A tick that comes late is a sleep", plain(), |s| {
            connect(s);
            s.pass(14_001).put(json!({"tick": {}}));
            s.sends(&["ping"]);
        }),
        story("wall-clock-set-back", "A wall clock that is set back stops nothing", plain(), |s| {
            connect(s);
            s.wall -= 3_600_000;
            s.run(35_100);
            assert_eq!(
                s.trace.steps.iter().filter(|step| step.out.iter().any(|out| out.get("drop").is_some())).count(),
                1
            );
        }),
        story("hide-and-show", "A hidden page closes; shown again, it connects", plain(), |s| {
            connect(s);
            s.put(json!({"hide": {}}));
            assert_eq!(s.one("drop"), &json!({"attempt": 1, "code": 1000}));
            assert_eq!(s.timer, None);
            s.put(publish("m1", "a"));
            assert!(s.all("dial").is_empty());
            s.pass(60_000).put(json!({"show": {}}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
        }),
        story("request", "A request is answered, refused, or lost with its connection", plain(), |s| {
            s.put(json!({"request": {"request": 1, "action": "echo", "payload": "{\"message\":1}"}}));
            s.greet(1);
            s.sends(&["echo"]);
            s.put(json!({"request": {"request": 2, "action": "nope", "payload": "{}"}}));
            s.put(json!({"request": {"request": 3, "action": "echo", "payload": "{\"message\":3}"}}));
            s.respond(1, 1, json!({"echo": 1}));
            assert_eq!(s.one("answer"), &json!({"request": 1, "data": {"echo": 1}}));
            s.refuse(1, 2, error("unknown_action", false));
            assert_eq!(s.one("answer")["error"]["code"], "unknown_action");
            s.put(ended(1, 1001));
            assert_eq!(s.one("answer"), &json!({"request": 3, "error": {"kind": "lost"}}));
        }),
        story("forgotten", "A request that its caller gave up before it was sent is not sent", plain(), |s| {
            s.put(json!({"request": {"request": 1, "action": "echo", "payload": "{}"}}));
            s.put(json!({"request": {"request": 2, "action": "get_connections", "payload": "{}"}}));
            s.put(json!({"forget": {"request": 1}}));
            s.says(&json!([]));
            s.greet(1);
            s.sends(&["get_connections"]);
            // Too late: its answer goes to nobody, which is the shell's affair.
            s.put(json!({"forget": {"request": 2}}));
            s.says(&json!([]));
            s.respond(1, 1, json!({"count": 1}));
            assert_eq!(s.one("answer"), &json!({"request": 2, "data": {"count": 1}}));
        }),
        story("request-timeout", "A request without an answer ends the connection", plain(), |s| {
            connect(s);
            s.put(json!({"request": {"request": 1, "action": "echo", "payload": "{\"message\":1}"}}));
            s.run(10_000);
            s.is("waiting");
            assert_eq!(s.one("status")["error"]["cause"], "request");
        }),
        story("sixteen-in-flight", "At most 16 requests are unanswered", plain(), |s| {
            connect(s);
            for request in 1..=20 {
                s.put(json!({"request": {"request": request, "action": "echo", "payload": "{\"message\":0}"}}));
                assert_eq!(s.sent().len(), usize::from(request <= 16));
            }
            s.respond(1, 1, json!({"echo": 0}));
            s.sends(&["echo"]);
        }),
        story("close", "Closed is the end", plain(), |s| {
            connect(s);
            s.put(json!({"close": {"flush": 0}}));
            s.says(&json!([{"drop": {"attempt": 1, "code": 1000}}, {"status": {"state": "closed"}}, {"closed": {"unsent": 0}}]));
            s.put(json!({"wake": {}}));
            s.says(&json!([]));
        }),
        story("close-while-idle", "A client that was never used closes", plain(), |s| {
            s.put(json!({"close": {"flush": 1_000}}));
            s.says(&json!([{"status": {"state": "closed"}}, {"closed": {"unsent": 0}}]));
        }),
    ];
    for (name, code, state) in CLOSE_CODES {
        all.push(story(name, "What this close code leads to", plain(), move |s| {
            connect(s);
            s.put(ended(1, code));
            s.is(state);
            let status = s.one("status");
            assert_eq!(status["error"], json!({"kind": "lost", "close": code}));
            if let Some(retry_at) = status["retry_at"].as_u64() {
                let is_long = matches!(code, 1008 | 4005 | 4006);
                assert_eq!(retry_at - s.wall >= 30_000, is_long);
            }
        }));
    }
    all
}
