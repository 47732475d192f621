//! Who gets in, and who does not and how soon.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::fixture::{Files, Trust, serve, start, tcp, within};

const ALERT: u8 = 21;
const FATAL: u8 = 2;
const PROTOCOL_VERSION: u8 = 70;

/// A ClientHello of TLS 1.1 (RFC 4346, section 7.4.1.2): one cipher, and the signatures that it understands, which
/// only later versions ask for.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0xc0, 0x13, 1, 0]);
    hello.extend_from_slice(&[0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend_from_slice(&hello);
    record
}

/// Sends `bytes` and reads to the end, which may be a reset.
async fn answer(addr: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = tcp(addr).await;
    stream.write_all(bytes).await.expect("the server takes it");
    let mut answer = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_are_refused() {
    let (addr, _) = start();
    let answer = answer(addr, &hello_of_tls_1_1()).await;
    assert_eq!((answer.first(), answer.get(5..)), (Some(&ALERT), Some(&[FATAL, PROTOCOL_VERSION][..])), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_1_is_agreed_on_or_nothing() {
    let (addr, trust) = start();
    let check = async |offered: &[&str], expect: Result<Option<&str>, &str>| {
        let connected = trust.clone().speaking(offered).tls(addr).await;
        let agreed = connected.as_ref().map(|stream| stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy));
        match (agreed, expect) {
            (Ok(agreed), Ok(expect)) => assert_eq!(agreed.as_deref(), expect, "{offered:?}"),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{offered:?}: {error}"),
            (agreed, expect) => panic!("{offered:?}: {agreed:?} instead of {expect:?}"),
        }
    };
    check(&[], Ok(None)).await;
    check(&["http/1.1"], Ok(Some("http/1.1"))).await;
    check(&["h2", "http/1.1"], Ok(Some("http/1.1"))).await;
    check(&["h2"], Err("NoApplicationProtocol")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_gets_an_alert_at_once() {
    let (addr, trust) = start();
    let began = Instant::now();
    let answer = answer(addr, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(began.elapsed() < Duration::from_secs(5), "long before the timeout of handshakes");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    trust.connect(addr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_handshake_is_cut_off() {
    let files = Files::new();
    let trust = Trust::in_certificate(&files.renew());
    let addr = serve(files.load(), Duration::from_millis(300));
    let hello = hello_of_tls_1_1();
    // Nothing, half a record, and TLS without a request.
    for bytes in [&[], &hello[..20]] {
        assert!(answer(addr, bytes).await.is_empty());
    }
    let mut stream = trust.tls(addr).await.expect("TLS");
    let mut rest = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut rest)).await;
    let mut stream = trust.tls(addr).await.expect("TLS");
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.expect("the server takes it");
    let _ = within("the end", stream.read_to_end(&mut rest)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_resumed() {
    let (addr, trust) = start();
    for version in crate::fixture::VERSIONS {
        let mut trust = trust.clone();
        trust.0.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let kind = async || {
            let mut socket = trust.connect(addr).await;
            let kind = socket.get_ref().get_ref().1.handshake_kind();
            // The ticket comes with what is read.
            let _ = within("the close", socket.close(None)).await;
            while let Some(Ok(_)) = within("the end", futures_util::StreamExt::next(&mut socket)).await {}
            kind
        };
        assert_eq!(kind().await, Some(rustls::HandshakeKind::Full), "{version:?}");
        assert_eq!(kind().await, Some(rustls::HandshakeKind::Resumed), "{version:?}");
    }
}
