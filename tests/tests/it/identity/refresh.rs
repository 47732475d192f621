//! Expiring tokens, refreshed tokens, and subscription tokens.

use ws_tests::prelude::*;

use super::{authenticate, code, connect, granting};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshing_while_subscribed_loses_nothing() {
    let server = Server::with(granting).await;
    let grants = json!({"subscribe": ["room:*"], "publish": ["room:*"], "exp": token::in_seconds(3600.0)});
    let mut reader = connect(&server, "ann", &grants).await;
    let mut writer = connect(&server, "bob", &grants).await;
    reader.ask("subscribe", json!({"channel": "room:a"})).await;
    let mut written = 0;
    for round in 0..20 {
        for _ in 0..25 {
            written += 1;
            writer.text(publish("room:a", written)).await;
        }
        let answer = authenticate(&mut reader, &token::of("ann", &grants)).await;
        assert_eq!(answer["data"]["user"], "ann", "round {round}: {answer}");
        assert!(answer["data"]["expires_at"].is_u64(), "{answer}");
    }
    for expect in 1..=written {
        assert_eq!(reader.event("publication").await["offset"], expect);
    }
}

/// Whether an event names this time, in seconds since 1970. On its way it is cut to milliseconds, and may lose one more.
fn names(event: &Value, seconds: f64) -> bool {
    let ms = event["expires_at"].as_f64().expect("ms");
    (ms - (seconds * 1000.0).floor()).abs() <= 1.0
}

/// Whether this time has come, in seconds since 1970. The server counts whole milliseconds.
fn has_come(seconds: f64) -> bool {
    token::in_seconds(0.005) >= seconds
}

fn publish(channel: &str, n: u64) -> String {
    let payload = json!({"channel": channel, "data": n});
    json!({"id": n.to_string(), "type": "request", "action": "publish", "payload": payload}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_ends_what_it_no_longer_grants() {
    let server = Server::with(granting).await;
    let mut ann = connect(&server, "ann", &json!({"subscribe": ["room:*"], "channels": ["server:a"]})).await;
    assert_eq!(ann.event("subscribed").await["channel"], "server:a");
    for channel in ["room:a", "room:b", "lobby"] {
        ann.ask("subscribe", json!({"channel": channel})).await;
    }
    assert_eq!(code(&authenticate(&mut ann, &token::of("bob", &json!({}))).await), "invalid_token");
    let fresh = token::of("ann", &json!({"subscribe": ["room:b"], "channels": ["server:b"]}));
    authenticate(&mut ann, &fresh).await;
    let mut ended = Vec::new();
    for _ in 0..2 {
        let data = ann.event("unsubscribed").await;
        assert_eq!((&data["code"], &data["retryable"]), (&json!("permission_denied"), &json!(false)), "{data}");
        ended.push(data["channel"].as_str().expect("a name").to_owned());
    }
    ended.sort();
    assert_eq!(ended, ["room:a", "server:a"]);
    assert_eq!(ann.event("subscribed").await["channel"], "server:b");
    server.wait_for_metric("ws_subscriptions", 3.0).await;
    assert_eq!(server.metrics().await.get("ws_revoked_total"), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_refresh_is_told_and_then_closed() {
    let server = Server::with(|config| {
        granting(config);
        config.auth.leeway = Duration::ZERO;
        config.auth.expiry_notice = Duration::from_secs(5);
        config.auth.expiry_grace = Duration::from_millis(200);
    })
    .await;
    let expires = token::in_seconds(6.0);
    let mut slow = connect(&server, "ann", &json!({"exp": expires})).await;
    let mut quick = connect(&server, "bob", &json!({"exp": expires})).await;
    let told = quick.event("token_expiring").await;
    assert!(names(&told, expires), "{told}, not {expires}");
    authenticate(&mut quick, &token::of("bob", &json!({}))).await;
    let (close, frames) = slow.closed().await;
    assert_eq!((close, frames.len()), (4002, 1), "{frames:?}");
    assert_eq!(frames[0]["data"]["event"], "token_expiring");
    assert!(has_come(expires + 0.2), "not before the grace is over");
    assert_eq!(quick.ask("echo", json!({"message": 1})).await["echo"], 1);
}

/// The leeway prolongs every `exp`: a login's, on top of which there is the grace, and a subscription token's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leeway_prolongs_every_token() {
    let server = Server::with(|config| {
        granting(config);
        config.auth.leeway = Duration::from_secs(4);
        config.auth.expiry_grace = Duration::from_millis(300);
    })
    .await;
    let mut bob = connect(&server, "bob", &json!({})).await;
    let over = token::in_seconds(-0.5);
    let mut ann = connect(&server, "ann", &json!({"exp": over})).await;
    let told = ann.event("token_expiring").await;
    assert!(names(&told, over), "{told}, not {over}");
    let token = token::of("bob", &json!({"channel": "room:a", "exp": over}));
    bob.ask("subscribe", json!({"channel": "room:a", "token": token})).await;
    assert_eq!(bob.event("unsubscribed").await["code"], "token_expired");
    assert!(has_come(over + 4.0), "not before the leeway is over");
    let late = bob.refusal("subscribe", json!({"channel": "room:a", "token": token})).await;
    assert_eq!(late, "token_expired");
    assert_eq!(ann.closed().await.0, 4002);
    assert!(has_come(over + 4.3), "nor before the grace is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_token_ends_its_subscription() {
    let server = Server::with(|config| {
        granting(config);
        config.auth.leeway = Duration::ZERO;
        config.auth.expiry_grace = Duration::from_millis(200);
    })
    .await;
    let mut ann = connect(&server, "ann", &json!({"publish": ["room:*"]})).await;
    let subscribe = async |ann: &mut Client, user: &str, channel: &str, exp: f64| {
        let token = token::of(user, &json!({"channel": "room:a", "exp": token::in_seconds(exp)}));
        let payload = json!({"channel": channel, "token": token, "rewind": 10});
        code(&ann.request("s", "subscribe", payload).await).to_owned()
    };
    assert_eq!(subscribe(&mut ann, "bob", "room:a", 60.0).await, "invalid_token");
    assert_eq!(subscribe(&mut ann, "ann", "room:b", 60.0).await, "invalid_token");
    assert_eq!(subscribe(&mut ann, "ann", "room:a", -60.0).await, "token_expired");
    let mut anonymous = server.connect().await;
    assert_eq!(subscribe(&mut anonymous, "ann", "room:a", 60.0).await, "invalid_token");
    assert_eq!(subscribe(&mut ann, "ann", "room:a", 4.0).await, "");
    ann.ask("publish", json!({"channel": "room:a", "data": "seen"})).await;
    assert_eq!(ann.event("publication").await["data"], "seen");
    let ended = ann.event("unsubscribed").await;
    assert_eq!((&ended["channel"], &ended["code"]), (&json!("room:a"), &json!("token_expired")), "{ended}");
    assert_eq!(ended["retryable"], true);
    ann.ask("publish", json!({"channel": "room:a", "data": "missed"})).await;
    assert_eq!(subscribe(&mut ann, "ann", "room:a", 60.0).await, "");
    assert_eq!(ann.event("publication").await["data"], "seen", "rewound");
    assert_eq!(ann.event("publication").await["data"], "missed");
}
