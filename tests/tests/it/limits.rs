//! Input that is too large, too deep, or not WebSocket: each ends as PROTOCOL and RFC 6455 say.

use ws_tests::prelude::*;
use ws_tests::raw::{FIN, frame, opcode, text};

const MESSAGE_BYTES_MAX: usize = 65_536;

/// Sends these bytes on a new connection, which is closed with this code; the count is right and a new client works.
async fn closes(server: &Server, what: &str, bytes: &[u8], code: u16) {
    let mut client = Raw::websocket(server.addr()).await;
    client.try_write(bytes).await;
    assert_eq!(client.closed().await, code, "{what}");
    let mut next = server.connect().await;
    assert_eq!(next.count().await, 1, "{what}: the connection is counted out");
    next.close().await;
}

/// An echo request of exactly `bytes` bytes.
fn echo_of(bytes: usize) -> String {
    let (start, end) = (r#"{"id":"1","type":"request","action":"echo","payload":{"message":""#, r#""}}"#);
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_message_passes_and_one_byte_more_does_not() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.text(echo_of(MESSAGE_BYTES_MAX)).await;
        let answer = client.answer("1").await;
        assert!(answer["data"]["echo"].as_str().is_some_and(|echo| echo.len() > 65_000));
    }
    client.close().await;
    closes(&server, "one byte more", text(&echo_of(MESSAGE_BYTES_MAX + 1)).as_slice(), 1009).await;
    let head = |bytes| [raw::head(FIN | opcode::TEXT, bytes, true), vec![0; 4]].concat();
    closes(&server, "the head of one alone", &head(MESSAGE_BYTES_MAX + 1), 1009).await;
    closes(&server, "the largest length there is", &head(usize::MAX >> 1), 1009).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_count_together() {
    let server = Server::start().await;
    let whole = echo_of(MESSAGE_BYTES_MAX);
    let fragments = |text: &str| {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
        let piece = |(n, piece): (usize, &&[u8])| {
            let first = if n == 0 { opcode::TEXT } else { opcode::CONTINUATION };
            frame(if n + 1 == pieces.len() { FIN | first } else { first }, piece)
        };
        pieces.iter().enumerate().flat_map(piece).collect::<Vec<u8>>()
    };
    let mut client = Raw::websocket(server.addr()).await;
    client.write(&fragments(&whole)).await;
    assert_eq!(client.json().await["id"], "1");
    drop(client);
    server.wait_for_metric("ws_connections", 0.0).await;
    closes(&server, "fragments", &fragments(&echo_of(MESSAGE_BYTES_MAX + 1)), 1009).await;
    let endless = [frame(opcode::TEXT, b"{"), frame(opcode::CONTINUATION, &[b' '; 60_000]).repeat(2)].concat();
    closes(&server, "fragments that never end", &endless, 1009).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_frames() {
    let server = Server::start().await;
    closes(&server, "binary", &frame(FIN | opcode::BINARY, b"x"), 1003).await;
    closes(&server, "empty binary", &frame(FIN | opcode::BINARY, b""), 1003).await;
    let fragments = [frame(opcode::BINARY, b"x"), frame(FIN | opcode::CONTINUATION, b"y")].concat();
    closes(&server, "binary in fragments", &fragments, 1003).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_not_utf8() {
    let server = Server::start().await;
    for bytes in
        [&b"\xff"[..], b"{\"a\":\"\xc3\x28\"}", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"abc\xe2\x82"]
    {
        closes(&server, &format!("{bytes:x?}"), &frame(FIN | opcode::TEXT, bytes), 1007).await;
        let (left, right) = bytes.split_at(bytes.len() / 2);
        let fragments = [frame(opcode::TEXT, left), frame(FIN | opcode::CONTINUATION, right)].concat();
        closes(&server, &format!("{bytes:x?} in fragments"), &fragments, 1007).await;
    }
    let unfinished = frame(opcode::TEXT, b"{\"a\":\"\xff");
    closes(&server, "known to be wrong before the last fragment", &unfinished, 1007).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_is_refused_and_harms_nobody() {
    let server = Server::with(|config| {
        config.limits.errors_max = 0;
        config.limits.message_bytes_max = 1024 * 1024;
    })
    .await;
    let mut client = server.connect().await;
    let inside =
        |json: String| format!(r#"{{"id":"1","type":"request","action":"echo","payload":{{"message":{json}}}}}"#);
    let cases = [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        r#"{"a":"#.repeat(64 * 1024 / 5),
        format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000)),
        inside("[".repeat(100_000)),
        inside(format!("{}{}", "[".repeat(127), "]".repeat(127))),
        "[{".repeat(50_000),
        "]".repeat(100_000),
    ];
    for text in cases {
        let beginning = text[..40].to_owned();
        client.text(text).await;
        assert_eq!(client.error().await.1, "malformed", "{beginning}");
    }
    // 128 levels with the envelope's two; deeper than this test's own JSON parser goes.
    let mut raw = Raw::websocket(server.addr()).await;
    raw.write(&text(&inside(format!("{}{}", "[".repeat(126), "]".repeat(126))))).await;
    assert!(raw.frame().await.payload.starts_with(br#"{"id":"1","type":"response""#));
    let wide = inside(format!("[{}0]", "[],".repeat(100_000)));
    client.text(wide).await;
    assert_eq!(client.answer("1").await["type"], "response", "wide is not deep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_rfc_6455() {
    let server = Server::start().await;
    let unmasked = [raw::head(FIN | opcode::TEXT, 2, false), b"{}".to_vec()].concat();
    closes(&server, "an unmasked frame", &unmasked, 1002).await;
    for bit in [0x40, 0x20, 0x10] {
        closes(&server, "a reserved bit", &frame(FIN | bit | opcode::TEXT, b"{}"), 1002).await;
    }
    for opcode in [0x3, 0x7, 0xb, 0xf] {
        closes(&server, "an opcode that is none", &frame(FIN | opcode, b"x"), 1002).await;
    }
    for control in [opcode::PING, opcode::PONG, opcode::CLOSE] {
        closes(&server, "a control frame in fragments", &frame(control, b"\x03\xe8"), 1002).await;
        closes(&server, "a long control frame", &frame(FIN | control, &[3; 126]), 1002).await;
    }
    closes(&server, "a continuation of nothing", &frame(FIN | opcode::CONTINUATION, b"x"), 1002).await;
    let nested = [frame(opcode::TEXT, b"{"), frame(FIN | opcode::TEXT, b"}")].concat();
    closes(&server, "a message within a message", &nested, 1002).await;
    closes(&server, "half a close code", &frame(FIN | opcode::CLOSE, &[3]), 1002).await;
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        closes(&server, &format!("close code {code}"), &frame(FIN | opcode::CLOSE, &code.to_be_bytes()), 1002).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_before_an_error_are_answered() {
    let server = Server::start().await;
    let mut client = Raw::websocket(server.addr()).await;
    let requests = text(r#"{"id":"1","type":"request","action":"echo","payload":{"message":1}}"#).repeat(3);
    client.write(&[requests, frame(FIN | opcode::BINARY, b"x"), text("{}")].concat()).await;
    for _ in 0..3 {
        assert_eq!(client.json().await["data"]["echo"], 1);
    }
    assert_eq!(client.closed().await, 1003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_before_a_close_are_answered() {
    const REQUESTS: usize = 3000;
    let server = Server::start().await;
    let mut client = Raw::websocket(server.addr()).await;
    let request = |n: usize| {
        let action = if n.is_multiple_of(10) { "broadcast" } else { "echo" };
        text(&format!(r#"{{"id":"{n}","type":"request","action":"{action}","payload":{{"message":{n}}}}}"#))
    };
    let requests: Vec<u8> = (0..REQUESTS).flat_map(request).collect();
    client.write(&[requests, frame(FIN | opcode::CLOSE, &1000u16.to_be_bytes())].concat()).await;
    let mut answered = 0;
    loop {
        let frame = client.frame().await;
        if frame.first == FIN | opcode::CLOSE {
            assert_eq!(frame.close_code(), 1000);
            break;
        }
        let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        if frame["type"] == "response" {
            assert_eq!(frame["id"], answered.to_string());
            answered += 1;
        }
    }
    assert_eq!(answered, REQUESTS);
    assert!(client.rest().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_are_answered_in_kind() {
    let server = Server::start().await;
    for code in [1000u16, 1001, 3000, 4000, 4999] {
        let mut client = Raw::websocket(server.addr()).await;
        client.write(&frame(FIN | opcode::CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat())).await;
        assert_eq!(client.frame().await.close_code(), code);
        assert!(client.rest().await.is_empty());
    }
    let mut client = Raw::websocket(server.addr()).await;
    client.write(&frame(FIN | opcode::CLOSE, b"")).await;
    assert_eq!(client.frame().await.first, FIN | opcode::CLOSE);
    assert!(client.rest().await.is_empty());
    server.wait_for_metric("ws_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_limit_of_connections() {
    let server = Server::with(|config| config.limits.connections_max = 3).await;
    let mut clients = server.connect_many(3).await;
    let mut refused = Raw::connect(server.addr()).await;
    refused.write(raw::handshake("/ws").as_bytes()).await;
    let response = refused.response(true).await;
    assert_eq!((response.status, response.error_code().as_str()), (503, "overloaded"));
    let after = response.header("retry-after").and_then(|after| after.parse::<u32>().ok());
    assert!(after.is_some_and(|after| after > 0), "{response:?}");
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200, "HTTP goes on");
    clients.pop().expect("one of three").close().await;
    // The same HTTP connection may try again.
    refused.write(raw::handshake("/ws").as_bytes()).await;
    assert_eq!(refused.response(false).await.status, 101);
    assert_eq!(clients[0].count().await, 3);
}
