//! Rate limits: the hold, the window, the pace.

use serde_json::json;

use super::*;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        story("rate-limited", "Everything waits, then one at a time, at the pace", plain(), |s| {
            connect(s);
            for nth in 0..4 {
                s.put(publish(&format!("m{nth}"), &format!("c{nth}")));
            }
            s.pass(5).refuse(1, 1, rate_limited(100));
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.sends(&[]);
            for id in 2..=4 {
                s.refuse(1, id, rate_limited(100));
            }
            assert_eq!(s.timer, Some(100));
            s.tick();
            s.sends(&["subscribe"]);
            s.pass(3).respond(1, 5, at("a", 0, 0));
            s.sends(&[]);
            s.tick();
            s.sends(&["publish"]);
        }),
        story("pace-doubles", "A request that was refused at its pace doubles it", plain(), |s| {
            connect(s);
            s.put(publish("m1", "a"));
            s.refuse(1, 1, rate_limited(50));
            s.tick();
            s.sends(&["publish"]);
            s.pass(5).refuse(1, 2, rate_limited(50));
            s.tick();
            s.sends(&["publish"]);
            s.put(publish("m2", "a"));
            s.pass(5).respond(1, 3, published("a", 1));
            s.tick();
            assert_eq!(s.sent()[0].1["msg_id"], "m2");
        }),
        story("request-rate-limited", "A request of the caller fails; it is never repeated", plain(), |s| {
            connect(s);
            s.put(json!({"request": {"request": 1, "action": "echo", "payload": "{}"}}));
            s.refuse(1, 1, rate_limited(100));
            assert_eq!(s.one("answer")["error"]["code"], "rate_limited");
        }),
        story("unsubscribe-rate-limited", "An `unsubscribe` that was refused is sent again", plain(), |s| {
            connect(s);
            live(s, 1, "a", 1);
            s.put(json!({"unsubscribe": {"reader": 1}}));
            s.run(1_000);
            s.refuse(1, 2, rate_limited(100));
            s.tick();
            s.sends(&["unsubscribe"]);
        }),
        story("ping-while-held", "`ping` and `pong` go out all the same", plain(), |s| {
            connect(s);
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.refuse(1, 1, rate_limited(5_000));
            s.frame(1, &json!({"type": "ping"}));
            s.sends(&["pong"]);
            s.put(json!({"wake": {}}));
            s.sends(&["ping"]);
        }),
    ]
}
