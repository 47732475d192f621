//! PROTOCOL, "Envelope" and "Errors", for the base actions: envelopes, errors, the error budget, the order of answers.

use ws_tests::client::error_of;
use ws_tests::prelude::*;

/// Sends each frame on one connection without an error budget; each is answered with this id and code.
async fn refused(cases: &[(&str, Option<&str>, &str)]) {
    let server = Server::with(|config| config.limits.errors_max = 0).await;
    let mut client = server.connect().await;
    for (text, id, code) in cases {
        client.text(*text).await;
        let frame = client.json().await;
        assert_eq!(error_of(&frame), (id.map(str::to_owned), (*code).to_owned()), "{text}");
    }
    assert_eq!(client.count().await, 1, "bad input alone closes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed() {
    let cases = ["", " ", "{", "nonsense", r#"{"id":"1",}"#, r#"{"id":"1"} x"#, "{\"id\":\"\u{1}\"}", "'", "NaN"];
    refused(&cases.map(|text| (text, None, "malformed"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests() {
    let long = format!(r#"{{"id":"{}","type":"request","action":"echo"}}"#, "x".repeat(129));
    let long_in_bytes = format!(r#"{{"id":"{}","type":"request","action":"echo"}}"#, "é".repeat(65));
    refused(&[
        ("[]", None, "invalid_request"),
        ("null", None, "invalid_request"),
        ("7", None, "invalid_request"),
        (r#""text""#, None, "invalid_request"),
        ("{}", None, "invalid_request"),
        (r#"{"id":"\ud800","type":"request","action":"echo"}"#, None, "invalid_request"),
        (r#"{"id":"1"}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","type":"reply"}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","type":7,"action":"echo"}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","type":"request"}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","type":"request","action":7}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","type":"request","action":null}"#, Some("1"), "invalid_request"),
        (r#"{"type":"request","action":"echo"}"#, None, "invalid_request"),
        (r#"{"id":null,"type":"request","action":"echo"}"#, None, "invalid_request"),
        (r#"{"id":7,"type":"request","action":"echo"}"#, None, "invalid_request"),
        (r#"{"id":"","type":"request","action":"echo"}"#, None, "invalid_request"),
        (&long, None, "invalid_request"),
        (&long_in_bytes, None, "invalid_request"),
        (r#"{"id":"1","type":"response","data":{}}"#, Some("1"), "invalid_request"),
        (r#"{"id":"1","id":"2","type":"request","action":"echo"}"#, None, "invalid_request"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_actions_and_invalid_payloads() {
    refused(&[
        (r#"{"id":"1","type":"request","action":""}"#, Some("1"), "unknown_action"),
        (r#"{"id":"1","type":"request","action":"Echo"}"#, Some("1"), "unknown_action"),
        (r#"{"id":"1","type":"request","action":"fly","payload":7}"#, Some("1"), "unknown_action"),
        (r#"{"id":"1","type":"request","action":"echo"}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"echo","payload":null}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"echo","payload":{}}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"echo","payload":["x"]}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"echo","payload":"x"}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"broadcast","payload":{}}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"broadcast","payload":[]}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"get_connections","payload":7}"#, Some("1"), "invalid_payload"),
        (r#"{"id":"1","type":"request","action":"get_connections","payload":[]}"#, Some("1"), "invalid_payload"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_payloads_say_which_field() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let answer = client.request("1", "echo", json!({"mesage": 1})).await;
    assert!(answer["error"]["message"].as_str().is_some_and(|why| why.contains("message")), "{answer}");
    let answer = client.request("2", "no_such_action", json!({})).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(["echo", "broadcast", "get_connections"].iter().all(|action| message.contains(action)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_envelope_may_be() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let id = "x".repeat(128);
    let wide = "é".repeat(64);
    for (text, id, data) in [
        (r#"{"id":"1","type":"request","action":"get_connections"}"#, "1", json!({"count": 1})),
        (r#"{"id":"1","type":"request","action":"get_connections","payload":null}"#, "1", json!({"count": 1})),
        (
            r#"{"id":"1","type":"request","action":"get_connections","payload":{"more":1},"more":[]}"#,
            "1",
            json!({"count": 1}),
        ),
        (r#"{"payload":{"message":null},"action":"echo","type":"request","id":"1"}"#, "1", json!({"echo": null})),
        (
            r#" { "id" : "1" , "type" : "request" , "action" : "ech\u006f" , "payload" : { "message" : [] } } "#,
            "1",
            json!({"echo": []}),
        ),
        (&format!(r#"{{"id":"{id}","type":"request","action":"get_connections"}}"#), &id, json!({"count": 1})),
        (&format!(r#"{{"id":"{wide}","type":"request","action":"get_connections"}}"#), &wide, json!({"count": 1})),
        (r#"{"id":"\"\\\n\u0000","type":"request","action":"get_connections"}"#, "\"\\\n\0", json!({"count": 1})),
    ] {
        client.text(text).await;
        assert_eq!(client.json().await, json!({"id": id, "type": "response", "data": data}), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_after_the_budget_is_answered_and_closes() {
    // However long it takes, no error is forgotten.
    let server = Server::with(|config| config.limits.errors_window = Duration::from_secs(600)).await;
    let mut client = server.connect().await;
    let bad = [
        "x".to_owned(),
        "{}".to_owned(),
        r#"{"id":"1","type":"request","action":"fly"}"#.to_owned(),
        r#"{"id":"1","type":"request","action":"echo"}"#.to_owned(),
    ];
    let good = r#"{"id":"g","type":"request","action":"get_connections"}"#;
    for n in 0..20 {
        client.text(bad[n % 4].as_str()).await;
        assert_eq!(
            error_of(&client.json().await).1,
            ["malformed", "invalid_request", "unknown_action", "invalid_payload"][n % 4]
        );
        client.text(good).await;
        client.text(good).await;
        assert_eq!(client.answer("g").await["data"]["count"], 1, "what is right does not count");
        assert_eq!(client.answer("g").await["data"]["count"], 1);
    }
    client.texts([bad[0].clone(), good.to_owned()]).await;
    let (code, before) = client.closed().await;
    assert_eq!(code, 4504);
    assert_eq!(before.len(), 1, "the 21st is answered, nothing after it is: {before:?}");
    assert_eq!(error_of(&before[0]).1, "malformed");
    server.wait_for_metric("ws_connections", 0.0).await;
    assert_eq!(server.metrics().await.get(r#"ws_connections_closed_total{code="4504"}"#), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_configured_and_refills() {
    let server = Server::with(|config| {
        config.limits.errors_max = 2;
        config.limits.errors_window = Duration::from_millis(40);
    })
    .await;
    let mut client = server.connect().await;
    // Old errors expire one by one, so this never closes the connection if it works.
    for _ in 0..4 {
        for _ in 0..2 {
            client.text("x").await;
            assert_eq!(client.error().await.1, "malformed");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.count().await, 1);
    let strict = Server::with(|config| config.limits.errors_max = 2).await;
    let mut client = strict.connect().await;
    client.texts(["x", "x", "x", "x"].map(str::to_owned)).await;
    let (code, before) = client.closed().await;
    assert_eq!((code, before.len()), (4504, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    const REQUESTS: usize = 5000;
    let server = Server::start().await;
    let mut client = Raw::websocket(server.addr()).await;
    let mut bytes = Vec::new();
    for n in 0..REQUESTS {
        let (action, payload) = match n % 4 {
            0 => ("get_connections", "null".to_owned()),
            1 => ("fly", "{}".to_owned()),
            _ => ("echo", format!(r#"{{"message":"{}"}}"#, "x".repeat(n % 300))),
        };
        // An error now and then, but fewer than the budget.
        let action = if action == "fly" && n % 400 != 1 { "broadcast" } else { action };
        let payload = if action == "broadcast" { format!(r#"{{"message":{n}}}"#) } else { payload };
        let request = format!(r#"{{"id":"{n}","type":"request","action":"{action}","payload":{payload}}}"#);
        bytes.extend_from_slice(&raw::text(&request));
    }
    let (mut answered, mut broadcast) = (0, 0);
    client.write(&bytes).await;
    while answered < REQUESTS {
        let frame = client.json().await;
        if frame["type"] == "notification" {
            assert_eq!(frame["data"]["event"], "broadcast", "{frame}");
            broadcast += 1;
            continue;
        }
        assert_eq!(frame["id"], answered.to_string(), "{frame}");
        assert_eq!(frame["type"] == "error", answered % 400 == 1, "{frame}");
        if answered % 4 > 1 {
            assert_eq!(frame["data"]["echo"].as_str().map(str::len), Some(answered % 300));
        }
        answered += 1;
    }
    for _ in broadcast..REQUESTS / 4 - REQUESTS.div_ceil(400) {
        assert_eq!(client.json().await["data"]["event"], "broadcast");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_byte_by_byte_and_in_fragments() {
    let server = Server::start().await;
    let mut client = Raw::websocket(server.addr()).await;
    let request = r#"{"id":"é","type":"request","action":"echo","payload":{"message":"€"}}"#;
    for byte in raw::text(request) {
        client.write(&[byte]).await;
    }
    assert_eq!(client.json().await["data"]["echo"], "€");
    let pieces: Vec<&[u8]> = request.as_bytes().chunks(3).collect();
    for (n, piece) in pieces.iter().enumerate() {
        let opcode = if n == 0 { raw::opcode::TEXT } else { raw::opcode::CONTINUATION };
        let fin = if n + 1 == pieces.len() { raw::FIN } else { 0 };
        client.write(&raw::frame(fin | opcode, piece)).await;
        // Control frames may come in between (RFC 6455, section 5.4).
        client.write(&raw::frame(raw::FIN | raw::opcode::PING, &[n as u8])).await;
    }
    let (mut pongs, mut echo) = (0, Value::Null);
    while pongs < pieces.len() || echo.is_null() {
        let frame = client.frame().await;
        if frame.first == raw::FIN | raw::opcode::PONG {
            assert_eq!(frame.payload, [pongs as u8]);
            pongs += 1;
        } else {
            echo = serde_json::from_slice(&frame.payload).expect("JSON");
        }
    }
    assert_eq!(echo["data"]["echo"], "€");
}
