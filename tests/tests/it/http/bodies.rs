//! Bodies of requests: read past, refused, announced.

use super::*;

/// The answer to a peer that sends everything before it reads. A reset, which may cost the answer, is a failure.
async fn answer_after(server: &Server, head: &str, body: &[u8]) -> Response {
    let mut raw = Raw::connect(server.addr()).await;
    raw.write(&[head.as_bytes(), body].concat()).await;
    let answer = raw.response(true).await;
    let end = within("the end", tokio::io::AsyncReadExt::read(&mut raw.into_inner(), &mut [0])).await;
    assert_eq!(end.map_err(|error| error.kind()), Ok(0), "{head:?}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_use_is_read_past() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.addr()).await;
    for path in ["/health", "/ready", "/metrics", "/"] {
        let head = raw::request("GET", path, &[("Content-Length", "12000")]);
        raw.write(&[head.as_bytes(), &[b'x'; 12_000]].concat()).await;
        assert_eq!(raw.response(true).await.status, 200, "{path}");
        let head = raw::request("GET", path, &[("Transfer-Encoding", "chunked")]);
        raw.write(&[head.as_bytes(), b"5\r\nhello\r\n0\r\n\r\n"].concat()).await;
        assert_eq!(raw.response(true).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refusal_of_a_large_request_arrives() {
    const BYTES: usize = 1 << 20;
    let server = Server::start().await;
    let (body, length) = (vec![b'x'; BYTES], BYTES.to_string());
    let length = [("Content-Length", length.as_str())];
    for _ in 0..6 {
        for (method, path, status, code) in [
            ("GET", "/health", 413, "too_large"),
            ("POST", "/health", 405, "method_not_allowed"),
            ("POST", "/nothing", 404, "not_found"),
        ] {
            let answer = answer_after(&server, &raw::request(method, path, &length), &body).await;
            assert_eq!((answer.status, &*answer.error_code()), (status, code), "{method} {path}");
        }
        let chunk = [format!("{BYTES:x}\r\n").as_bytes(), &body].concat();
        let answer =
            answer_after(&server, &raw::request("GET", "/", &[("Transfer-Encoding", "chunked")]), &chunk).await;
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        assert_eq!(answer.error_code(), "too_large");
        let answer = answer_after(&server, "GET / HTTP/1.1\r\nX: ", &body).await;
        assert_eq!((answer.status, &*answer.error_code()), (431, "too_large"));
    }
    let cut = answer_after(&server, &raw::request("GET", "/", &[("Transfer-Encoding", "chunked")]), b"x\r\n").await;
    assert_eq!((cut.status, &*cut.error_code()), (400, "malformed"));
}

/// A client that asks before it sends a body is told to go on, or why not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_announced_is_wanted_or_refused() {
    let server = Server::start().await;
    let expecting = |method: &str, path: &str, length: &str| {
        raw::request(method, path, &[("Expect", "100-continue"), ("Content-Length", length)])
    };
    for (method, path, length, status) in [
        ("POST", "/health", "5", 405),
        ("POST", "/nothing", "5", 404),
        ("GET", "/health", "999999", 413),
        ("GET", "/ws", "5", 426),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(expecting(method, path, length).as_bytes()).await;
        assert_eq!(raw.response(true).await.status, status, "{method} {path}: without 100 before it");
        assert!(raw.rest().await.is_empty(), "{method} {path}: a body would be taken for a request");
    }
    let mut raw = Raw::connect(server.addr()).await;
    raw.write(expecting("GET", "/health", "5").as_bytes()).await;
    assert_eq!(raw.response(false).await.status, 100);
    raw.write(b"hello").await;
    assert_eq!(raw.response(true).await.status, 200);
}
