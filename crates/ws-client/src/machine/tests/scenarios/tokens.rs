//! Tokens: when they are asked for, refreshes, other users.

use serde_json::json;

use super::*;

fn token(generation: u64, token: &str, user: &str) -> Value {
    json!({"token": {"generation": generation, "token": token, "user": user}})
}

/// Logged in as ann with the token `t1`.
fn log_in(s: &mut Script) {
    s.put(json!({"wake": {}}));
    assert_eq!(s.one("ask"), &json!({"generation": 1, "why": "connect"}));
    s.pass(5).put(token(1, "t1", "ann"));
    s.pass(5).greet(1);
    assert_eq!(s.sent()[0].1, json!({"token": "t1"}));
    s.pass(5).respond(1, 1, json!({"user": "ann"}));
    assert_eq!(s.one("status"), &json!({"state": "connected", "user": "ann"}));
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = answers();
    all.extend(changes());
    all
}

fn answers() -> Vec<Scenario> {
    vec![
        story("log-in", "The token is the first request", with_provider(), log_in),
        story("anonymous", "null: anonymous", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"token": {"generation": 1, "token": null}}));
            s.greet(1);
            s.is("connected");
        }),
        story("denied", "The provider denies: closed", with_provider(), |s| {
            s.put(publish("m1", "a"));
            s.put(json!({"token_failed": {"generation": 1, "denied": true, "message": "no"}}));
            s.is("closed");
            assert_eq!(s.one("status")["error"], json!({"kind": "denied", "message": "no"}));
            assert_eq!(s.one("settle")["error"]["kind"], "closed");
        }),
        story("provider-throws", "A throw is a failed attempt", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            s.put(json!({"token_failed": {"generation": 1, "denied": false, "message": "503"}}));
            s.is("waiting");
            s.tick();
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "connect"}));
        }),
        story("provider-hangs", "After 30 s its answer does not count any more", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            s.run(30_000);
            assert_eq!(s.one("abort_ask"), &json!({"generation": 1}));
            s.is("waiting");
            s.put(token(1, "late", "ann"));
            s.says(&json!([]));
        }),
        story("token-expired-at-login", "Expired: asked once more on the same connection", with_provider(), |s| {
            s.put(json!({"subscribe": {"reader": 1, "channel": "a"}}));
            s.put(token(1, "t1", "ann"));
            s.greet(1);
            s.sends(&["authenticate", "subscribe"]);
            s.refuse(1, 1, error("token_expired", false));
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "expired"}));
            s.refuse(1, 2, error("unauthenticated", false));
            s.says(&json!([]));
            s.put(token(2, "t2", "ann"));
            s.sends(&["authenticate", "subscribe"]);
            s.refuse(1, 3, error("token_expired", false));
            s.is("closed");
        }),
        story("fresh-token-invalid", "A fresh token that is not valid closes", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            s.put(token(1, "t1", "ann"));
            s.greet(1);
            s.refuse(1, 1, error("invalid_token", false));
            s.is("closed");
        }),
        story(
            "old-token-invalid",
            "An old token that is not valid any more: a key was rotated",
            with_provider(),
            |s| {
                log_in(s);
                s.put(ended(1, 1001));
                s.tick();
                s.greet(2);
                s.refuse(2, 2, error("invalid_token", false));
                assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "expired"}));
                s.put(token(2, "t2", "ann"));
                s.respond(2, 3, json!({"user": "ann"}));
                s.is("connected");
            },
        ),
        story("login-retryable", "A retryable refusal of the login: again on this connection", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            s.put(token(1, "t1", "ann"));
            s.greet(1);
            let mut body = error("overloaded", true);
            body["retry_after_ms"] = 300.into();
            s.refuse(1, 1, body);
            s.run(300);
            s.sends(&["authenticate"]);
        }),
        story("refresh", "`token_expiring`: a new token on the same connection", with_provider(), |s| {
            log_in(s);
            s.notify(1, json!({"event": "token_expiring", "expires_at": 1_795_900_030_000_u64}));
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "expiring"}));
            s.notify(1, json!({"event": "token_expiring", "expires_at": 1_795_900_030_000_u64}));
            s.says(&json!([]));
            s.put(token(2, "t2", "ann"));
            assert_eq!(s.sent()[0].1, json!({"token": "t2"}));
            s.respond(1, 2, json!({"user": "ann", "expires_at": 1_795_900_060_000_u64}));
            s.says(&json!([]));
        }),
        story(
            "refresh-expired-twice",
            "A refresh that is expired: asked once more, then closed",
            with_provider(),
            |s| {
                log_in(s);
                s.notify(1, json!({"event": "token_expiring", "expires_at": 1_795_900_030_000_u64}));
                s.put(token(2, "t2", "ann"));
                s.refuse(1, 2, error("token_expired", false));
                assert_eq!(s.one("ask"), &json!({"generation": 3, "why": "expired"}));
                s.put(token(3, "t2", "ann"));
                s.refuse(1, 3, error("token_expired", false));
                s.is("closed");
            },
        ),
        story("refresh-throws", "A refresh that fails is tried again, a second later or more", with_provider(), |s| {
            log_in(s);
            s.notify(1, json!({"event": "token_expiring", "expires_at": 1_795_900_030_000_u64}));
            s.put(json!({"token_failed": {"generation": 2, "denied": false}}));
            assert!(s.timer.is_some_and(|timer| timer >= 1_000));
            s.tick();
            assert_eq!(s.one("ask"), &json!({"generation": 3, "why": "expiring"}));
        }),
        story("close-4002", "Expired: a forced token at once; a second time in a row waits", with_provider(), |s| {
            log_in(s);
            s.put(ended(1, 4002));
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "expired"}));
            s.put(token(2, "t2", "ann"));
            s.greet(2);
            s.respond(2, 2, json!({"user": "ann"}));
            s.put(ended(2, 4002));
            s.is("waiting");
        }),
        story("within-thirty-seconds", "A token near its end is replaced before connecting", with_provider(), |s| {
            s.put(json!({"wake": {}}));
            let expires = s.wall + 60_000;
            s.put(json!({"token": {"generation": 1, "token": "t1", "user": "ann", "expires": expires}}));
            s.greet(1);
            s.respond(1, 1, json!({"user": "ann", "expires_at": expires}));
            s.run(29_000);
            s.frame(1, &json!({"type": "ping"}));
            s.pass(2_000).put(ended(1, 1001));
            s.tick();
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "expiring"}));
        }),
        story(
            "woken-with-an-old-token",
            "After a wake it connects with the old token, and asks a little later",
            with_provider(),
            |s| {
                s.put(json!({"wake": {}}));
                let expires = s.wall + 20_000;
                s.put(json!({"token": {"generation": 1, "token": "t1", "user": "ann", "expires": expires}}));
                s.greet(1);
                s.respond(1, 1, json!({"user": "ann", "expires_at": expires}));
                s.put(json!({"ended": {"attempt": 1}}));
                s.put(json!({"wake": {}}));
                assert_eq!(s.one("dial"), &json!({"attempt": 2}));
                s.greet(2);
                s.respond(2, 2, json!({"user": "ann", "expires_at": expires}));
                s.run(2_000);
                assert_eq!(
                    s.trace.steps.iter().flat_map(|step| &step.out).filter(|out| out.get("ask").is_some()).count(),
                    2
                );
            },
        ),
    ]
}

fn changes() -> Vec<Scenario> {
    vec![
        story(
            "channel-token-of-another",
            "A subscription token that was asked for before another user logged in is not used for them",
            with_provider(),
            |s| {
                log_in(s);
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "token": true}}));
                assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 1}));
                s.put(json!({"login": {"login": 1}}));
                s.put(token(2, "t2", "bob"));
                s.pass(5).greet(2);
                s.pass(5).respond(2, 2, json!({"user": "bob"}));
                assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 2}));
                s.put(json!({"channel_token": {"channel": "a", "generation": 1, "token": "of ann"}}));
                s.says(&json!([]));
                s.put(json!({"channel_token": {"channel": "a", "generation": 2, "token": "of bob"}}));
                assert_eq!(s.sent()[0].1, json!({"channel": "a", "token": "of bob"}));
            },
        ),
        story(
            "subscribed-as-another",
            "What was asked for with the token of the user before, and is refused, is asked for again",
            with_provider(),
            |s| {
                log_in(s);
                s.put(json!({"subscribe": {"reader": 1, "channel": "a", "token": true}}));
                s.put(json!({"channel_token": {"channel": "a", "generation": 1, "token": "of ann"}}));
                s.respond(1, 2, at("a", 4, 4));
                s.put(json!({"login": {"login": 1}}));
                s.put(token(2, "t2", "bob"));
                s.pass(5).greet(2);
                s.sends(&["authenticate", "subscribe"]);
                s.pass(5).respond(2, 3, json!({"user": "bob"}));
                s.refuse(2, 4, error("permission_denied", false));
                assert_eq!(s.one("ask_channel"), &json!({"channel": "a", "generation": 2}));
                s.put(json!({"channel_token": {"channel": "a", "generation": 2, "token": "of bob"}}));
                assert_eq!(s.sent()[0].1, json!({"channel": "a", "token": "of bob"}));
            },
        ),
        story("login", "`login` with the same user refreshes", with_provider(), |s| {
            log_in(s);
            s.put(json!({"login": {"login": 1}}));
            assert_eq!(s.one("ask"), &json!({"generation": 2, "why": "connect"}));
            s.put(token(2, "t2", "ann"));
            s.sends(&["authenticate"]);
            s.respond(1, 2, json!({"user": "ann"}));
            assert_eq!(s.one("logged_in"), &json!({"login": 1}));
        }),
        story(
            "login-as-another",
            "Another user: the socket is made anew; what was ann's waits for her",
            with_provider(),
            |s| {
                log_in(s);
                live(s, 1, "a", 2);
                s.put(publish("m1", "a"));
                s.put(publish("m2", "a"));
                s.put(json!({"login": {"login": 1}}));
                s.put(token(2, "t2", "bob"));
                assert_eq!(s.one("drop"), &json!({"attempt": 1, "code": 1000}));
                s.greet(2);
                s.respond(2, 4, json!({"user": "bob"}));
                assert_eq!(s.one("status"), &json!({"state": "connected", "user": "bob"}));
                assert_eq!(s.one("pending"), &json!({"count": 0}));
                s.respond(2, 5, at("a", 9, 9));
                assert_eq!(
                    s.one("deliver")["event"],
                    json!({"type": "live", "position": {"epoch": "e", "offset": 9}, "recovered": false})
                );
                s.put(json!({"login": {"login": 2}}));
                s.put(token(3, "t3", "ann"));
                s.greet(3);
                s.respond(3, 6, json!({"user": "ann"}));
                s.sends(&["publish"]);
                assert_eq!(s.one("pending"), &json!({"count": 2}));
            },
        ),
        story("logout", "`login` with null: anonymous, on a new socket", with_provider(), |s| {
            log_in(s);
            s.put(json!({"login": {"login": 1}}));
            s.put(json!({"token": {"generation": 2, "token": null}}));
            assert_eq!(s.one("dial"), &json!({"attempt": 2}));
            s.greet(2);
            assert_eq!(s.one("status"), &json!({"state": "connected", "user": null}));
            assert_eq!(s.one("logged_in"), &json!({"login": 1}));
        }),
        story("login-fails", "`login` rejects as the provider does; the connection stays", with_provider(), |s| {
            log_in(s);
            s.put(json!({"login": {"login": 1}}));
            s.put(json!({"token_failed": {"generation": 2, "denied": true, "message": "no"}}));
            s.says(&json!([{"logged_in": {"login": 1, "error": {"kind": "denied", "message": "no"}}}]));
        }),
        story(
            "opaque-token-of-another",
            "A refresh with somebody else's opaque token: the socket is made anew, once",
            with_provider(),
            |s| {
                s.put(json!({"wake": {}}));
                s.put(json!({"token": {"generation": 1, "token": "o1"}}));
                s.greet(1);
                s.respond(1, 1, json!({"user": "ann"}));
                s.notify(1, json!({"event": "token_expiring", "expires_at": 1_795_900_030_000_u64}));
                s.put(json!({"token": {"generation": 2, "token": "o2"}}));
                s.refuse(1, 2, error("invalid_token", false));
                assert_eq!(s.one("dial"), &json!({"attempt": 2}));
                s.greet(2);
                s.respond(2, 3, json!({"user": "bob"}));
                s.is("connected");
            },
        ),
        story("published-before-login", "What was published before belongs to the next user", with_provider(), |s| {
            s.put(publish("m1", "a"));
            s.put(token(1, "t1", "ann"));
            s.greet(1);
            s.respond(1, 1, json!({"user": "ann"}));
            s.sends(&["publish"]);
        }),
    ]
}
