//! What is published comes out byte for byte, in the event and in the history.

use ws_tests::prelude::*;
use ws_tests::raw::{FIN, opcode, text};

use super::*;

/// The deepest nesting of a client's frame (docs/PROTOCOL.md, Decisions 1).
const DEPTH_MAX: usize = 128;

/// The next text frame, as it was sent.
async fn line(client: &mut Raw) -> String {
    let frame = client.frame().await;
    assert_eq!(frame.first, FIN | opcode::TEXT);
    String::from_utf8(frame.payload).expect("UTF-8")
}

/// Sends a request and returns its answer and the events before it.
async fn ask(client: &mut Raw, action: &str, payload: &str) -> (String, Vec<String>) {
    let request = format!(r#"{{"id":"1","type":"request","action":"{action}","payload":{payload}}}"#);
    client.write(&text(&request)).await;
    let mut events = Vec::new();
    loop {
        let line = line(client).await;
        if line.starts_with(r#"{"id":"1""#) {
            return (line, events);
        }
        events.push(line);
    }
}

fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "false",
        "true",
        "0",
        "-0",
        "1.0",
        "1.00",
        "1e400",
        "-1E+0400",
        "0.1e-999999",
        "1.7976931348623157e309",
        "123456789012345678901234567890",
        r#""""#,
        r#""\u0041\/\b\u00e9""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""é😀""#,
        "\"\u{7f}\u{2028}\"",
        "[]",
        "{}",
        "[ 1 ,\t2,\n3 ]",
        "{ \"b\" : 1,\"a\":2 , \"b\" : 3 }",
        r#"{"data":1,"time":2,"from":null}"#,
        r#"",\"time\":1}""#,
    ]
    .map(str::to_owned)
    .to_vec();
    values.push(format!("\"{}\"", "x".repeat(60_000)));
    // The frame's object and the payload's are two levels.
    let levels = DEPTH_MAX - 2;
    values.push(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    values.push(format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)));
    values.push(format!("[{}0]", "[],".repeat(10_000)));
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_is_passed_on_byte_for_byte() {
    let server = without_history().await;
    for channel in [ROOM, "live:room"] {
        let mut client = Raw::websocket(server.addr()).await;
        ask(&mut client, "subscribe", &format!(r#"{{"channel":"{channel}"}}"#)).await;
        for (n, value) in values().iter().enumerate() {
            let payload = format!(r#"{{"tags":{{}}, "data" : {value} , "channel":"{channel}"}}"#);
            let (answer, mut events) = ask(&mut client, "publish", &payload).await;
            assert!(answer.contains(r#""duplicate":false"#), "{answer}");
            let event = match events.pop() {
                Some(event) => event,
                None => line(&mut client).await,
            };
            let offset = if channel == ROOM { format!(r#""offset":{},"#, n + 1) } else { String::new() };
            let head = format!(
                r#"{{"type":"notification","data":{{"event":"publication","channel":"{channel}",{offset}"data":{value},"time":"#
            );
            assert!(event.starts_with(&head), "{value}: {event}");
            if channel != ROOM {
                continue;
            }
            let (page, _) = ask(&mut client, "get_history", r#"{"channel":"room","limit":1,"reverse":true}"#).await;
            assert!(page.contains(&format!(r#"[{{{offset}"data":{value},"time":"#)), "{value}: {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_the_history_is_the_event_without_its_name_and_channel() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    for payload in [
        json!({"channel": ROOM, "data": null}),
        json!({"channel": ROOM, "data": {"a": [1.5, "é"]}, "msg_id": "m"}),
        json!({"channel": ROOM, "data": false, "tags": {"k": "v"}}),
        json!({"channel": ROOM, "data": "", "msg_id": "", "tags": {}}),
    ] {
        client.ask("publish", payload).await;
    }
    let page = history(&mut client, json!({"channel": ROOM})).await;
    let entries = page["publications"].as_array().expect("a list");
    assert_eq!(entries.len(), 4);
    for entry in entries {
        let mut event = client.event("publication").await;
        let fields = event.as_object_mut().expect("an object");
        fields.remove("event");
        fields.remove("channel");
        assert_eq!(&event, entry);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_level_more_is_malformed() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let levels = DEPTH_MAX - 1;
    let data = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let payload = format!(r#"{{"channel":"room","data":{data}}}"#);
    client.text(format!(r#"{{"id":"1","type":"request","action":"publish","payload":{payload}}}"#)).await;
    assert_eq!(client.error().await.1, "malformed");
}
