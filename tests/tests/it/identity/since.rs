//! `authenticate` with `since`: where the subscriptions begin that a token lists, and in which order the client is told.

use ws_tests::prelude::*;

use super::granting;

async fn published(client: &mut Client, channel: &str, count: u64) -> Value {
    let mut epoch = Value::Null;
    for n in 1..=count {
        epoch = client.ask("publish", json!({"channel": channel, "data": n})).await["epoch"].clone();
    }
    epoch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_where_it_was() {
    let server = Server::with(granting).await;
    let mut bob = server.connect().await;
    let epoch = published(&mut bob, "news", 5).await;
    let mut ann = server.connect().await;
    let token = token::of("ann", &json!({"channels": ["server:a", "news", "lobby"]}));
    let since = json!({"news": {"epoch": epoch, "offset": 2}, "elsewhere": {"epoch": epoch, "offset": 0}});
    assert_eq!(ann.ask("authenticate", json!({"token": token, "since": since})).await, json!({"user": "ann"}));
    let mut begun = Vec::new();
    let mut offsets = Vec::new();
    while begun.len() < 3 || offsets.len() < 3 {
        let data = ann.notification().await;
        match data["event"].as_str() {
            Some("subscribed") => {
                begun.push((data["channel"].clone(), data["after"].clone(), data["recovered"].clone()))
            }
            _ => offsets.push(data["offset"].as_u64().expect("a publication of `news`")),
        }
    }
    let begun_as = |channel: &str, after: u64, recovered: Value| (json!(channel), json!(after), recovered);
    let expect =
        [begun_as("server:a", 0, Value::Null), begun_as("news", 2, json!(true)), begun_as("lobby", 0, Value::Null)];
    assert_eq!(begun, expect, "in the order of the token");
    assert_eq!(offsets, [3, 4, 5]);
    assert_eq!(ann.refusal("unsubscribe", json!({"channel": "elsewhere"})).await, "not_subscribed");

    let again = json!({"news": {"epoch": epoch, "offset": 0}});
    ann.ask("authenticate", json!({"token": token, "since": again})).await;
    bob.ask("publish", json!({"channel": "news", "data": 6})).await;
    assert_eq!(ann.event("publication").await["offset"], 6, "what is subscribed already goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_answers_then_ends_then_begins() {
    let server = Server::with(granting).await;
    let mut ann = super::connect(&server, "ann", &json!({"subscribe": ["room:a"]})).await;
    ann.ask("subscribe", json!({"channel": "room:a"})).await;
    let token = token::of("ann", &json!({"channels": ["room:c", "nowhere:x", "room:b"]}));
    let request = json!({"id": "1", "type": "request", "action": "authenticate", "payload": {"token": token}});
    ann.text(request.to_string()).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        let frame = ann.json().await;
        let of = |field: &str| frame["data"][field].as_str().unwrap_or_default().to_owned();
        told.push((frame["type"].as_str().expect("a type").to_owned(), of("event"), of("channel"), of("code")));
    }
    let expect = [
        ("response", "", "", ""),
        ("notification", "unsubscribed", "room:a", "permission_denied"),
        ("notification", "subscribed", "room:c", ""),
        ("notification", "unsubscribed", "nowhere:x", "unknown_namespace"),
        ("notification", "subscribed", "room:b", ""),
    ];
    assert_eq!(
        told,
        expect.map(|(kind, event, channel, code)| (kind.into(), event.into(), channel.into(), code.into()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_position_is_named_by_its_path_and_changes_nothing() {
    let server = Server::with(granting).await;
    let mut ann = server.connect().await;
    let token = token::of("ann", &json!({}));
    for (position, path) in [
        (json!({"offset": 1}), "`payload.since.chat:1.epoch`"),
        (json!({"epoch": "e"}), "`payload.since.chat:1.offset`"),
        (json!({"epoch": "e", "offset": -1}), "`payload.since.chat:1.offset`"),
        (json!(7), "`payload.since.chat:1`"),
    ] {
        let answer = ann.request("1", "authenticate", json!({"token": token, "since": {"chat:1": position}})).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(answer["error"]["code"] == "invalid_payload" && message.contains(path), "{answer}");
    }
    assert_eq!(server.metrics().await.get(r#"ws_authentications_total{result="ok"}"#), 0.0);
}
