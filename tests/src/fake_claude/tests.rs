//! The fake by itself, over raw sockets. That it is like the API, the official SDKs say: `tests/tests/it/claude_api/`.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::wait::within;

fn question() -> Value {
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": true,
        "messages": [{"role": "user", "content": "Hi"}],
    })
}

async fn ask(claude: &FakeClaude, headers: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(claude.addr()).await.expect("the fake listens");
    let len = body.len();
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: fake\r\n{headers}content-length: {len}\r\n\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    socket
}

fn headers() -> String {
    format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n")
}

/// Reads until the text has come.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    within(end, async {
        while !String::from_utf8_lossy(&read).contains(end) {
            assert_ne!(socket.read_buf(&mut read).await.expect("readable"), 0, "{}", String::from_utf8_lossy(&read));
        }
    })
    .await;
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn a_script_is_sent_event_by_event_and_the_connection_stays() {
    let claude = FakeClaude::start().await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("Hel").until(&gate).text("lo").stop("end_turn"));
    let mut socket = ask(&claude, &headers(), &question().to_string()).await;
    let first = read_until(&mut socket, "Hel").await;
    assert!(first.contains("event: message_start\ndata: {") && first.contains("event: ping"), "{first}");
    gate.open();
    let rest = read_until(&mut socket, "\r\n0\r\n\r\n").await;
    assert!(rest.contains("\"text\":\"lo\"") && rest.contains("message_stop"), "{rest}");
    claude.until_ended(1).await;
    let again = format!("POST /v1/messages HTTP/1.1\r\n{}content-length: 1\r\n\r\n1", headers());
    socket.write_all(again.as_bytes()).await.expect("it reads");
    assert!(read_until(&mut socket, "must be an object").await.starts_with("HTTP/1.1 400 "));
    let requests = claude.requests();
    assert_eq!(requests.iter().map(|request| request.connection).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((requests[0].refused.as_ref(), &requests[0].body), (None, &question()));
    assert_eq!((claude.accepted(), claude.open()), (1, 1));
}

#[tokio::test]
async fn it_sees_that_the_client_closes() {
    let claude = FakeClaude::start().await;
    for script in [Script::silent(), Script::new().begin().stall(), Script::new().until(&Gate::new())] {
        claude.answer(script);
        let nth = claude.requests().len();
        let socket = ask(&claude, &headers(), &question().to_string()).await;
        claude.until_requests(nth + 1).await;
        assert_eq!(claude.closed()[nth], None);
        drop(socket);
        claude.until_closed(nth).await;
    }
    assert_eq!(claude.ended(), 0);
}

#[test]
fn bytes_are_cut_anywhere() {
    let events = [b"abcde".to_vec(), b"fg".to_vec()];
    let check = |split: Split, expect: &[&str]| {
        let pieces = split.pieces(&events).into_iter().map(|piece| String::from_utf8(piece).expect("ASCII"));
        assert_eq!(pieces.collect::<Vec<_>>(), expect, "{split:?}");
    };
    check(Split::Events, &["abcde", "fg"]);
    check(Split::Bytes(2), &["ab", "cd", "e", "fg"]);
    check(Split::Joined, &["abcdefg"]);
    assert_eq!(Split::Random(7).pieces(&[vec![b'x'; 500]]).concat(), vec![b'x'; 500]);
    assert!(Split::Random(7).pieces(&[vec![b'x'; 500]]).len() > 10);
}

/// What the API says of a question with this change.
#[track_caller]
fn check(change: &Value, expect: Result<(), &str>) {
    let mut body = question();
    body.as_object_mut().expect("an object").extend(change.as_object().cloned().expect("an object"));
    let parsed =
        headers().lines().filter_map(|line| line.split_once(": ")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let judged = judge::judge("POST", "/v1/messages", &parsed, Some(&body)).map_err(|refusal| refusal.to_string());
    match (&judged, expect) {
        (Ok(()), Ok(())) => {}
        (Err(refusal), Err(part)) if refusal.contains(part) => {}
        _ => panic!("{change}: {judged:?}, not {expect:?}"),
    }
}

#[test]
fn requests_are_judged_as_the_api_does() {
    let user = json!({"role": "user", "content": "a"});
    let assistant = json!({"role": "assistant", "content": "b"});
    check(&json!({}), Ok(()));
    check(&json!({"messages": [user, assistant, user]}), Ok(()));
    check(&json!({"messages": []}), Err("at least one message"));
    check(&json!({"messages": [assistant, user]}), Err("alternate"));
    check(&json!({"messages": [user, user]}), Err("alternate"));
    check(&json!({"messages": [user, assistant]}), Err("prefill"));
    check(&json!({"messages": [{"role": "user", "content": " \n"}]}), Err("non-whitespace"));
    check(&json!({"messages": [{"role": "user", "content": "a", "name": "ann"}]}), Err("Extra inputs"));
    check(&json!({"max_tokens": 0}), Err("max_tokens"));
    check(&json!({"model": "gpt"}), Err("404 not_found_error"));
    check(&json!({"temperature": 1.0}), Ok(()));
    check(&json!({"temperature": 0.5}), Err("temperature"));
    check(&json!({"top_p": 0.5}), Err("not supported"));
    check(&json!({"context": 3}), Err("context: Extra inputs"));
    check(&json!({"system": "Be brief."}), Ok(()));
    check(&json!({"system": ""}), Err("non-whitespace"));
    check(&json!({"system": null}), Err("system"));
    let cached = json!([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]);
    check(&json!({"system": cached, "cache_control": {"type": "ephemeral", "ttl": "1h"}}), Ok(()));
    check(&json!({"cache_control": {"type": "forever"}}), Err("ephemeral"));
    check(&json!({"thinking": {"type": "adaptive", "display": "summarized"}}), Ok(()));
    check(&json!({"thinking": {"type": "adaptive", "display": "all"}}), Err("display"));
    check(&json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), Err("thinking.type.enabled"));
    check(&json!({"output_config": {"effort": "max"}}), Ok(()));
    check(&json!({"output_config": {"effort": ""}}), Err("effort"));
    check(&json!({"output_config": null}), Err("output_config"));
}

#[tokio::test]
async fn keys_and_headers_are_judged() {
    let claude = FakeClaude::start().await;
    let body = question().to_string();
    for (headers, status, said) in [
        (headers().replace(KEY, "sk-ant-other"), 401, "authentication_error"),
        (headers().replace("x-api-key", "x-other"), 401, "required"),
        (headers().replace("x-api-key: ", "authorization: Bearer "), 200, "message_stop"),
        (headers().replace("2023-06-01", "2026-01-01"), 400, "not a valid version"),
        (headers().replace("2023-06-01", "2026-10-21"), 200, "message_stop"),
        (headers().replace("anthropic-version", "version"), 400, "header is required"),
        (headers().replace("application/json", "text/plain"), 400, "content-type"),
    ] {
        let answer = read_until(&mut ask(&claude, &headers, &body).await, "\r\n0\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(said), "{headers}\n{answer}");
    }
}
