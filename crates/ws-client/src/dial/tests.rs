//! The dialer against servers that the tests play themselves, byte by byte where it matters.

use std::net::SocketAddr;
use std::process::Command;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;

const LONG: Duration = Duration::from_secs(30);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

fn dialer(url: &str) -> Dialer {
    Dialer::new(Target::parse(url).expect("a URL"), None, SocketLimits::default())
}

/// Reads the head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("text")
}

/// Dials a server that gives this answer and closes.
async fn answered(answer: &str) -> DialError {
    let (listener, addr) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.expect("room");
        request
    };
    let dialer = dialer(&format!("ws://{addr}/ws?a=b"));
    let (result, request) = tokio::join!(dialer.dial(LONG), serve);
    assert!(request.starts_with("GET /ws?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("Host: {addr}\r\n")) && request.contains("user-agent: ws-client/"), "{request}");
    result.expect_err("a refusal")
}

#[tokio::test]
async fn refusals_have_status_reason_and_wait() {
    let check = async |answer: &str, status: u16, wait: Option<u64>, said: &str| {
        let error = answered(answer).await;
        assert_eq!((error.status(), error.retry_after()), (Some(status), wait.map(Duration::from_secs)), "{error}");
        assert!(error.to_string().contains(said) && error.to_string().contains("127.0.0.1:"), "{error}");
    };
    let body = r#"{"error":{"code":"permission_denied","message":"this origin is not allowed"}}"#;
    let denied = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    check(&denied, 403, None, "HTTP 403: permission_denied: this origin is not allowed").await;
    check("HTTP/1.1 400 Bad Request\r\n\r\n", 400, None, "HTTP 400: Bad Request").await;
    check("HTTP/1.1 428 X\r\nRetry-After: 9\r\n\r\n", 428, None, "428").await;
    check("HTTP/1.1 429 X\r\nRetry-After: 9\r\n\r\n", 429, Some(9), "429").await;
    check("HTTP/1.1 500 X\r\n\r\n<html>", 500, None, "500").await;
    check("HTTP/1.1 503 X\r\nretry-after: 99999\r\n\r\n", 503, Some(3600), "503").await;
    check("HTTP/1.1 503 X\r\nRetry-After: soon\r\n\r\n", 503, None, "503").await;
    check("HTTP/1.1 200 OK\r\n\r\n", 200, None, "200").await;
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/ws\r\n\r\n";
    check(moved, 301, None, "redirects are not followed; use the URL \"https://elsewhere/ws\"").await;
    let long = format!("HTTP/1.1 302 Moved\r\nLocation: /{}\r\n\r\n", "x".repeat(1000));
    assert!(answered(&long).await.to_string().len() < 300, "what is said is shortened");
}

#[tokio::test]
async fn what_speaks_no_websocket_is_named() {
    for answer in
        ["", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"]
    {
        let error = answered(answer).await;
        assert!(matches!(error, DialError::Handshake { .. }), "{answer:?}: {error}");
        assert_eq!((error.status(), error.retry_after()), (None, None));
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let (listener, addr) = listener().await;
    drop(listener);
    let error = dialer(&format!("ws://{addr}/")).dial(LONG).await.expect_err("nobody listens");
    let DialError::Connect { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried[0].0, addr);
    assert!(error.to_string().contains("refused"), "{error}");
    let error = dialer("ws://no-such-host.invalid/").dial(LONG).await.expect_err("RFC 6761");
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_timeout_says_what_was_missing() {
    let (_listener, addr) = listener().await;
    for (scheme, stage) in [("ws", Stage::Handshake), ("wss", Stage::Tls)] {
        let within = Duration::from_millis(50);
        let dialer = Dialer::new(
            Target::parse(&format!("{scheme}://{addr}/")).expect("a URL"),
            Some(tls::with_roots(RootCertStore::empty()).expect("a configuration")),
            SocketLimits::default(),
        );
        let error = dialer.dial(within).await.expect_err("it accepts and says nothing");
        assert_eq!(error, DialError::Timeout { stage, within });
    }
}

fn certified(names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    rcgen::generate_simple_self_signed(names).expect("a certificate")
}

fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(vec![certified.cert.der().clone()], key).expect("a key");
    TlsAcceptor::from(Arc::new(config))
}

/// Accepts WebSockets over TLS, for ever.
async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        if let Ok(stream) = acceptor.accept(stream).await {
            let mut socket = accept_async(stream).await.expect("a handshake");
            socket.send(Message::text("hello")).await.expect("room");
        }
    }
}

#[tokio::test]
async fn tls_trusts_what_it_is_told_to_trust() {
    let known = certified(&["localhost", "127.0.0.1"]);
    let mut roots = RootCertStore::empty();
    roots.add(known.cert.der().clone()).expect("a certificate");
    let trusting = tls::with_roots(roots).expect("a configuration");
    let check = async |served: &CertifiedKey<KeyPair>, host: &str, config, reason: Option<&str>| {
        let (listener, addr) = listener().await;
        let server = tokio::spawn(serve_tls(listener, acceptor(served)));
        let target = Target::parse(&format!("wss://{host}:{}/ws", addr.port())).expect("a URL");
        let result = Dialer::new(target, config, SocketLimits::default()).dial(LONG).await;
        server.abort();
        match (result, reason) {
            (Ok(mut socket), None) => assert_eq!(socket.reader.next().await, Incoming::Text("hello".into())),
            (Err(error @ DialError::Tls { .. }), Some(reason)) => {
                assert!(error.to_string().contains(reason), "{error}");
                assert!(error.to_string().contains(host), "{error}");
            }
            (result, reason) => panic!("{host}: {result:?} instead of {reason:?}"),
        }
    };
    check(&known, "localhost", Some(trusting.clone()), None).await;
    check(&known, "127.0.0.1", Some(trusting.clone()), None).await;
    check(&known, "localhost", None, Some("UnknownIssuer")).await;
    check(&certified(&["localhost"]), "localhost", Some(trusting.clone()), Some("invalid peer certificate")).await;
    let other = certified(&["other.example"]);
    let mut roots = RootCertStore::empty();
    roots.add(other.cert.der().clone()).expect("a certificate");
    let trusting = tls::with_roots(roots).expect("a configuration");
    check(&other, "localhost", Some(trusting), Some("not valid for name")).await;
}

/// Not a test of its own: `SSL_CERT_FILE` is read by a process that has it.
#[tokio::test]
#[ignore = "run by roots_come_from_ssl_cert_file"]
async fn child_that_dials() {
    let url = std::env::var("DIALED").expect("a URL");
    match dialer(&url).dial(LONG).await {
        Ok(mut socket) => println!("{:?}", socket.reader.next().await),
        Err(error) => println!("{error}"),
    }
}

#[tokio::test]
async fn roots_come_from_ssl_cert_file() {
    let certified = certified(&["localhost"]);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("roots.pem");
    std::fs::write(&file, certified.cert.pem()).expect("room");
    let (listener, addr) = listener().await;
    let server = tokio::spawn(serve_tls(listener, acceptor(&certified)));
    for (name, said) in [("roots.pem", "hello"), ("missing.pem", "SSL_CERT_FILE names cannot be read")] {
        let mut child = Command::new(std::env::current_exe().expect("the tests"));
        child.args(["--exact", "dial::tests::child_that_dials", "--ignored", "--nocapture"]);
        child.env("DIALED", format!("wss://localhost:{}/ws", addr.port()));
        child.env("SSL_CERT_FILE", dir.path().join(name)).env_remove("SSL_CERT_DIR");
        let output = tokio::task::spawn_blocking(move || child.output()).await.expect("no panic").expect("it starts");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.contains(said), "{name}: {output}");
    }
    server.abort();
}

type Peer = WebSocketStream<tokio::io::DuplexStream>;

/// Both ends of a connection whose buffers hold so many bytes.
async fn pair(buffer: usize) -> (Socket, Peer) {
    let (near, far) = tokio::io::duplex(buffer);
    let target = Target::parse("ws://localhost/").expect("a URL");
    let limits = SocketLimits { message_bytes_max: 1000, ..SocketLimits::default() };
    let (near, far) = tokio::join!(handshake::handshake(&target, Box::new(near), &limits), accept_async(far));
    (near.expect("a handshake"), far.expect("a handshake"))
}

#[tokio::test]
async fn both_halves_can_be_dropped_at_any_time() {
    let (Socket { mut reader, mut writer }, peer) = pair(16).await;
    let (mut to, mut from) = peer.split();
    let texts: Vec<_> = (0..200).map(|n| format!("{n} {}", "x".repeat(n))).collect();
    let sent = texts.clone();
    let send = async move {
        for text in sent {
            to.send(Message::text(text)).await.expect("room");
        }
    };
    let receive = async move {
        let mut got = Vec::new();
        while got.len() < 200 {
            match from.next().await {
                Some(Ok(message)) => got.push(message.into_text().expect("text").to_string()),
                other => panic!("{other:?}"),
            }
        }
        got
    };
    let owner = async {
        let mut got = Vec::new();
        texts.iter().for_each(|text| writer.queue(text.clone()));
        while got.len() < 200 || writer.has_work() {
            tokio::select! {
                incoming = reader.next() => match incoming {
                    Incoming::Text(text) => got.push(text.to_string()),
                    other => panic!("{other:?}"),
                },
                result = writer.drive(), if writer.has_work() => result.expect("open"),
                // Drops both futures again and again, wherever they are.
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(!writer.has_work());
        got
    };
    let ((), received, got) = tokio::join!(send, receive, owner);
    assert!(received == texts && got == texts, "everything, once, in order");
}

#[tokio::test]
async fn what_comes_is_told_apart() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let check = async |message: Message, expect: Incoming| {
        let (mut socket, mut peer) = pair(1 << 16).await;
        peer.send(message).await.expect("room");
        assert_eq!(socket.reader.next().await, expect);
    };
    check(Message::text("x"), Incoming::Text("x".into())).await;
    check(Message::Ping("x".into()), Incoming::Alive).await;
    check(Message::Pong("x".into()), Incoming::Alive).await;
    check(Message::binary("x"), Incoming::Lost { reason: "a binary message".into() }).await;
    let frame = CloseFrame { code: 4002.into(), reason: "token expired".into() };
    check(Message::Close(Some(frame)), Incoming::Closed { code: 4002, reason: "token expired".into() }).await;
    check(Message::Close(None), Incoming::Closed { code: 1005, reason: String::new() }).await;
    let (mut socket, mut peer) = pair(1 << 16).await;
    peer.send(Message::text("x".repeat(1001))).await.expect("room");
    let Incoming::Lost { reason } = socket.reader.next().await else { panic!("over the limit") };
    assert!(reason.contains("1001 > 1000"), "{reason}");
    let (mut socket, peer) = pair(1 << 16).await;
    drop(peer);
    assert!(matches!(socket.reader.next().await, Incoming::Lost { .. }));
}

#[tokio::test]
async fn a_ping_is_answered_while_the_reader_is_driven() {
    let (mut socket, mut peer) = pair(1 << 16).await;
    peer.send(Message::Ping("life".into())).await.expect("room");
    assert_eq!(socket.reader.next().await, Incoming::Alive);
    tokio::select! {
        incoming = socket.reader.next() => panic!("{incoming:?}"),
        pong = peer.next() => assert_eq!(pong.expect("a frame").expect("a frame"), Message::Pong("life".into())),
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_nobody() {
    // A peer that reads: what was queued comes first.
    let (mut socket, mut peer) = pair(1 << 16).await;
    socket.writer.queue("last words");
    socket.close(1000, "").await;
    assert_eq!(peer.next().await.expect("a frame").expect("a frame"), Message::text("last words"));
    assert!(matches!(peer.next().await, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1000));
    // One that never reads.
    let (mut socket, _peer) = pair(16).await;
    socket.writer.queue("x".repeat(1000));
    let begun = Instant::now();
    socket.close(1000, "").await;
    assert!(begun.elapsed() <= Duration::from_millis(1001), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connections_have_no_nagle() {
    let (listener, addr) = listener().await;
    let target = Target::parse(&format!("ws://localhost:{}/", addr.port())).expect("a URL");
    let addrs = race::resolve(&target).await.expect("every system knows localhost");
    assert!(addrs.contains(&addr), "{addrs:?}");
    let stream = race::connect(&target, addrs).await.expect("it listens");
    assert!(stream.nodelay().expect("a socket"));
    drop(listener);
}
