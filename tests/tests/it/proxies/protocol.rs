//! The PROXY protocol.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use ws_tests::prelude::*;
use ws_tests::tls::{Certificate, Trust};

use super::{handshake, logged_address, logging, trusted};

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n";

const ON: [(&str, &str); 2] = [("WS_SERVER__PROXY__TRUSTED", "loopback"), ("WS_SERVER__PROXY__PROTOCOL", "true")];

/// A header of version 2: the command, the family, and what follows the length.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, family], &length, rest].concat()
}

/// Version 2 for 203.0.113.8.
fn v2_of_ipv4() -> Vec<u8> {
    v2(1, 0x11, &[203, 0, 113, 8, 192, 0, 2, 1, 0x12, 0x34, 1, 187])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_name_the_client() {
    let mut server = logging(&ON).await;
    let ipv6 = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 20]].concat();
    for (header, client) in [
        (V1.to_vec(), "203.0.113.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2_of_ipv4(), "203.0.113.8"),
        (v2(1, 0x21, &ipv6), "2001:db8::7"),
        (v2(0, 0x11, &[203, 0, 113, 8, 192, 0, 2, 1, 0x12, 0x34, 1, 187]), "127.0.0.1"),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, &header, &[]).await, 101);
        assert_eq!(logged_address(&mut server, "connection opened").await, client);
    }
}

/// Behind the PROXY header of a proxy that is not the first one, the header of the request goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_goes_on_in_the_request_only_if_the_named_one_is_trusted() {
    let mut server = logging(&[("WS_SERVER__PROXY__TRUSTED", "loopback,203.0.113.8"), ON[1]]).await;
    let forged = [("X-Forwarded-For", "198.51.100.1")];
    for (header, client) in [(V1.to_vec(), "203.0.113.7"), (v2_of_ipv4(), "198.51.100.1")] {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, &header, &forged).await, 101);
        assert_eq!(logged_address(&mut server, "connection opened").await, client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_sends_none_is_refused() {
    let mut server = logging(&ON).await;
    for (wrong, why) in [
        (raw::handshake("/ws").into_bytes(), "the connection does not begin with a PROXY header"),
        (b"PROXY TCP4 nonsense\r\n".to_vec(), "the PROXY header is not valid"),
        ([b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(), "the PROXY header is too long"),
        (v2(1, 0x11, &[0; 5000]), "the PROXY header is too long"),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.try_write(&wrong).await;
        let line = server.logged("connection refused").await;
        assert!(line.contains(why) && line.contains("\"address\":\"127.0.0.1\""), "{line}");
        assert!(closed(raw.into_inner()).await.is_empty());
    }
    let mut raw = Raw::connect(server.addr()).await;
    let open = [("Accept", "application/openmetrics-text")];
    raw.write(&[V1, raw::request("GET", "/metrics", &open).as_bytes()].concat()).await;
    let metrics = Metrics::parse(raw.response(true).await.text());
    assert_eq!(metrics.get("ws_proxy_failures_total"), 4.0);
}

/// What the server sends until the socket ends, by a reset too.
async fn closed(mut stream: TcpStream) -> Vec<u8> {
    let mut sent = Vec::new();
    let _: std::io::Result<usize> = within("the end of the socket", stream.read_to_end(&mut sent)).await;
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_those_of_the_named_client() {
    let server = Server::with(|config| {
        config.proxy.trusted = trusted(&["loopback"]);
        config.proxy.protocol = true;
        config.limits.sockets_per_ip_max = 2;
    })
    .await;
    let health = [V1, raw::request("GET", "/health", &[]).as_bytes()].concat();
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(&health).await;
        assert_eq!(raw.response(true).await.status, 200);
        open.push(raw);
    }
    let mut raw = Raw::connect(server.addr()).await;
    raw.try_write(&health).await;
    assert!(closed(raw.into_inner()).await.is_empty());
    let mut raw = Raw::connect(server.addr()).await;
    assert_eq!(handshake(&mut raw, &v2_of_ipv4(), &[]).await, 101, "another client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_must_come_in_time() {
    let server = Server::with(|config| {
        config.proxy.trusted = trusted(&["loopback"]);
        config.proxy.protocol = true;
        config.limits.handshake_timeout = Duration::from_millis(200);
    })
    .await;
    for begun in [&b""[..], &V1[..20], &v2_of_ipv4()[..14]] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(begun).await;
        assert!(closed(raw.into_inner()).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_connect_directly_and_cannot_claim_an_address() {
    let mut server = logging(&[("WS_SERVER__PROXY__TRUSTED", "10.0.0.0/8"), ON[1]]).await;
    let mut raw = Raw::connect(server.addr()).await;
    assert_eq!(handshake(&mut raw, b"", &[]).await, 101);
    assert_eq!(logged_address(&mut server, "connection opened").await, "127.0.0.1");
    for header in [V1.to_vec(), v2_of_ipv4()] {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, &header, &[]).await, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_it_comes_before_the_handshake() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.cert_file(), certificate.key_file());
    let files = [("WS_SERVER__TLS__CERT_FILE", cert.to_str()), ("WS_SERVER__TLS__KEY_FILE", key.to_str())];
    let files = files.map(|(name, path)| (name, path.expect("a path in UTF-8")));
    let mut server = logging(&[&ON[..], &files].concat()).await;
    for header in [V1.to_vec(), v2_of_ipv4()] {
        let mut stream = tls_behind(&certificate, server.addr(), &header).await;
        stream.write_all(raw::handshake("/ws").as_bytes()).await.expect("it is open");
        let mut answer = [0; 12];
        within("an answer", stream.read_exact(&mut answer)).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101");
        let client = logged_address(&mut server, "connection opened").await;
        assert_eq!(client, if header == V1 { "203.0.113.7" } else { "203.0.113.8" });
    }
}

/// A TLS session, after a PROXY header on the same socket.
async fn tls_behind(
    certificate: &Certificate,
    addr: SocketAddr,
    header: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut stream = TcpStream::connect(addr).await.expect("the server listens");
    stream.write_all(header).await.expect("room");
    Trust::new(certificate).over(stream).await.expect("a handshake")
}
