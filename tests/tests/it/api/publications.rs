//! Publishing and reading over HTTP.

use super::*;

const PUBLICATIONS: &str = "/channels/news/publications";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_reaches_subscribers_from_nobody() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "a/b:聊".replace(':', ".")})).await;
    let body = json!({"data": {"text": "hi"}, "msg_id": "m", "tags": {"lang": "en"}});
    let path = "/channels/a%2Fb.%E8%81%8A/publications";
    let published = api.ok("POST", path, body.clone()).await;
    assert_eq!(
        (&published["channel"], &published["offset"], &published["duplicate"]),
        (&json!("a/b.聊"), &json!(1), &json!(false))
    );
    assert_eq!((&published["ack"], published["epoch"].is_string()), (&json!(server.ack()), true));
    let event = client.event("publication").await;
    assert_eq!((&event["data"], &event["tags"], &event["msg_id"]), (&body["data"], &body["tags"], &json!("m")));
    assert!(event.get("from").is_none(), "{event}");
    let again = api.ok("POST", path, body).await;
    assert_eq!((&again["offset"], &again["duplicate"]), (&json!(1), &json!(true)));
    assert_eq!(api.refusal("POST", path, json!({"data": 1, "msg_id": "m"})).await, (409, "conflict".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_is_a_msg_id() {
    let (_server, mut api) = api_server().await;
    let header = [("Idempotency-Key", "\"k1\"")];
    for (body, expect) in [(json!({"data": 1}), false), (json!({"data": 1, "msg_id": "k1"}), true)] {
        let response = api.ask_with("POST", PUBLICATIONS, body, &header).await;
        assert_eq!((response.status, &response.json()["duplicate"]), (200, &json!(expect)));
    }
    for bad in [&[("Idempotency-Key", "")][..], &[("Idempotency-Key", "a"), ("Idempotency-Key", "a")]] {
        let refused = api.ask_with("POST", PUBLICATIONS, json!({"data": 1}), bad).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "invalid_payload"), "{bad:?}");
    }
    let other = api.ask_with("POST", PUBLICATIONS, json!({"data": 1, "msg_id": "k2"}), &header).await;
    assert_eq!((other.status, other.error_code().as_str()), (400, "invalid_payload"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_history() {
    let (_server, mut api) = api_server().await;
    for data in 1..=5 {
        api.ok("POST", PUBLICATIONS, json!({ "data": data })).await;
    }
    let page = api.ok("GET", &format!("{PUBLICATIONS}?limit=2&reverse=true"), Value::Null).await;
    let data: Vec<_> = page["publications"].as_array().expect("a list").iter().map(|entry| &entry["data"]).collect();
    assert_eq!((data, &page["more"], &page["offset"]), (vec![&json!(5), &json!(4)], &json!(true), &json!(5)));
    let epoch = page["epoch"].as_str().expect("an epoch");
    let since = format!("{PUBLICATIONS}?since_epoch={epoch}&since_offset=3&before=5");
    let page = api.ok("GET", &since, Value::Null).await;
    assert_eq!((&page["publications"][0]["offset"], &page["more"]), (&json!(4), &json!(false)));
    let old = json!({"data": 6, "msg_id": "m", "age_ms": 0.0});
    assert_eq!(api.ok("POST", PUBLICATIONS, old).await["offset"], 6, "0.0 is a whole number");
    let stale = format!("{PUBLICATIONS}?since_epoch=x&since_offset=3");
    assert_eq!(api.refusal("GET", &stale, Value::Null).await, (409, "stale_position".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_name_the_field_alone() {
    let (_server, mut api) = api_server().await;
    let cases = [
        ("GET", "?limit=0", Value::Null, "`limit`"),
        ("GET", "?limit=1001", Value::Null, "`limit`"),
        ("GET", "?limit=ten", Value::Null, "`limit`"),
        ("GET", "?since_epoch=x", Value::Null, "`since_offset`"),
        ("GET", "?since_offset=1", Value::Null, "`since_epoch`"),
        ("GET", "?reverse=1", Value::Null, "`reverse`"),
        ("POST", "", json!({}), "`data`"),
        ("POST", "", json!({"data": 1, "tags": {"a": 1}}), "`tags.a`"),
        ("POST", "", json!({"data": 1, "msg_id": "x".repeat(129)}), "`msg_id`"),
        ("POST", "", json!([]), "must be an object"),
    ];
    for (method, query, body, named) in cases {
        let refused = api.ask(method, &format!("{PUBLICATIONS}{query}"), body).await;
        let text = refused.text().to_owned();
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "invalid_payload"), "{query}: {text}");
        assert!(text.contains(named) && !text.contains("payload."), "{text}");
    }
    for (path, status, code) in [
        ("/channels/%20/publications", 400, "invalid_channel"),
        ("/channels/%2e%2E/publications", 400, "invalid_channel"),
        ("/channels//publications", 400, "invalid_channel"),
        ("/channels/%ff/publications", 400, "invalid_channel"),
        ("/channels/nope:x/publications", 404, "unknown_namespace"),
    ] {
        assert_eq!(api.refusal("GET", path, Value::Null).await, (status, code.to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_json_and_bounded() {
    let (server, mut api) = api_server().await;
    let text = api.ask_with("POST", PUBLICATIONS, json!({"data": 1}), &[("Content-Type", "text/plain")]).await;
    assert_eq!((text.status, text.error_code().as_str()), (415, "unsupported_media_type"));
    let mut api = Api::connect(server.addr()).await;
    let charset = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(api.ask_with("POST", PUBLICATIONS, json!({"data": 1}), &charset).await.status, 200);
    for coding in ["gzip", "deflate, gzip", "br"] {
        let coded = api.ask_with("POST", PUBLICATIONS, json!({"data": 1}), &[("Content-Encoding", coding)]).await;
        assert_eq!((coded.status, coded.error_code().as_str()), (415, "unsupported_media_type"), "{coding}");
        assert_eq!(coded.header("accept-encoding"), Some("identity"));
    }
    let plain = api.ask_with("POST", PUBLICATIONS, json!({"data": 1}), &[("Content-Encoding", "Identity")]).await;
    assert_eq!(plain.status, 200);
    let large = api.ask("POST", PUBLICATIONS, json!({"data": "x".repeat(65_536)})).await;
    assert_eq!((large.status, large.error_code().as_str()), (413, "too_large"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_and_presence() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "news"})).await;
    assert_eq!(api.ok("POST", "/broadcast", json!({"message": [1]})).await, json!({"recipients": 1}));
    let event = client.event("broadcast").await;
    assert_eq!((&event["message"], event.get("from")), (&json!([1]), None));
    let page = api.ok("GET", "/channels/news/presence?limit=10", Value::Null).await;
    assert_eq!((&page["connections"], &page["clients"][0]["connection_id"]), (&json!(1), &json!(client.id())));
    let bad = api.refusal("GET", "/channels/news/presence?after=x", Value::Null).await;
    assert_eq!(bad, (400, "invalid_payload".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_removed_and_a_new_epoch_begins() {
    let (server, mut api) = api_server().await;
    let mut client = server.connect().await;
    let before = client.ask("subscribe", json!({"channel": "news"})).await;
    api.ok("POST", PUBLICATIONS, json!({"data": 1, "msg_id": "m"})).await;
    client.event("publication").await;
    let removed = api.ok("DELETE", PUBLICATIONS, Value::Null).await;
    assert_eq!(removed["channel"], "news");
    assert_ne!(removed["epoch"], before["epoch"]);
    let gap = client.event("gap").await;
    assert_eq!((&gap["epoch"], &gap["after"]), (&removed["epoch"], &json!(0)), "{gap}");
    let page = api.ok("GET", PUBLICATIONS, Value::Null).await;
    assert_eq!((&page["epoch"], &page["publications"]), (&removed["epoch"], &json!([])));
    let again = api.ok("POST", PUBLICATIONS, json!({"data": 1, "msg_id": "m"})).await;
    assert_eq!((&again["offset"], &again["duplicate"]), (&json!(1), &json!(false)), "its id is forgotten");
    let repeat = json!({"data": 1, "msg_id": "n", "age_ms": 3_600_000});
    assert_eq!(api.refusal("POST", PUBLICATIONS, repeat).await, (409, "unknown_outcome".to_owned()));
    let without_id = json!({"data": 1, "age_ms": 1});
    assert_eq!(api.refusal("POST", PUBLICATIONS, without_id).await, (400, "invalid_payload".to_owned()));
}
