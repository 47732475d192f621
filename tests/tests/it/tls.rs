//! TLS: what is spoken and what is not, large messages and slow readers, and a certificate that changes.

use std::io;

use futures_util::StreamExt;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use ws_server::config::Config;
use ws_tests::prelude::*;
use ws_tests::process::Signal;
use ws_tests::tls::{Certificate, TlsClient, Trust};

use crate::SERVER;

static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];

fn encrypt(config: &mut Config, certificate: &Certificate) {
    config.tls.cert_file = Some(certificate.cert_file());
    config.tls.key_file = Some(certificate.key_file());
}

async fn server(certificate: &Certificate) -> Server {
    Server::with(|config| encrypt(config, certificate)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_are_spoken() {
    let certificate = Certificate::new();
    let server = server(&certificate).await;
    for (versions, version) in [(&ONLY_12, 0x0303), (&ONLY_13, 0x0304)] {
        let trust = Trust::new(&certificate).versions(versions);
        let stream = trust.connect(server.addr()).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version().map(u16::from), Some(version));
        assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
        let mut client = trust.websocket(server.addr()).await;
        assert_eq!(client.ask("echo", json!({"message": "hi"})).await["data"]["echo"], "hi");
        let long = "é".repeat(30_000);
        assert_eq!(client.ask("echo", json!({"message": long})).await["data"]["echo"], long.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_is_served_as_without() {
    let certificate = Certificate::new();
    let server = server(&certificate).await;
    let mut stream = Trust::new(&certificate).connect(server.addr()).await.expect("a handshake");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.expect("an end in order");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""status":"ok""#), "{answer}");
}

/// Asks over TLS, since the port speaks nothing else.
async fn failures(server: &Server, trust: &Trust) -> f64 {
    let mut stream = trust.connect(server.addr()).await.expect("a handshake");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.expect("an end in order");
    let line = answer.lines().find_map(|line| line.strip_prefix("ws_tls_failures_total "));
    line.expect("the metric").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_is_cut_off() {
    let certificate = Certificate::new();
    let server = Server::with(|config| {
        encrypt(config, &certificate);
        config.limits.handshake_timeout = Duration::from_secs(3);
    })
    .await;
    let trust = Trust::new(&certificate);
    assert!(trust.clone().alpn("h2").connect(server.addr()).await.is_err(), "nothing is spoken above but HTTP/1.1");
    let other = Trust::new(&Certificate::new()).connect(server.addr()).await;
    assert!(other.is_err(), "another certificate is not trusted");
    let mut open = Vec::new();
    for first in ["GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}", ""] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(first.as_bytes()).await;
        open.push((first, raw));
    }
    for (first, mut raw) in open {
        let answer = raw.rest().await;
        assert!(!answer.starts_with(b"HTTP"), "{first:?}: {answer:?}");
    }
    until("all are counted", async || (failures(&server, &trust).await == 5.0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_everything() {
    const MESSAGES: u64 = 400;
    let certificate = Certificate::new();
    let server = Server::with(|config| {
        encrypt(config, &certificate);
        config.channels.history_size = 1000;
    })
    .await;
    let trust = Trust::new(&certificate);
    let mut slow = trust.clone().receive_bytes(8 * 1024).websocket(server.addr()).await;
    let mut quick = trust.websocket(server.addr()).await;
    for client in [&mut slow, &mut quick] {
        assert_eq!(client.ask("subscribe", json!({"channel": "a"})).await["type"], "response");
    }
    let filling = "x".repeat(20_000);
    for n in 0..MESSAGES {
        let payload = json!({"channel": "a", "data": {"n": n, "filling": filling}});
        quick.send("p", "publish", payload).await;
        read_publication(&mut quick, n + 1).await;
    }
    for offset in 1..=MESSAGES {
        read_publication(&mut slow, offset).await;
    }
}

async fn read_publication(client: &mut TlsClient, offset: u64) {
    loop {
        let frame = client.json().await;
        if frame["data"]["event"] == "publication" {
            assert_eq!(frame["data"]["offset"], offset);
            return;
        }
        assert_eq!(frame["type"], "response", "{frame}");
    }
}

/// The close frame arrives, followed by TLS's `close_notify`: nothing was cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_in_order() {
    let certificate = Certificate::new();
    let mut server = server(&certificate).await;
    let mut client = Trust::new(&certificate).websocket(server.addr()).await;
    server.begin_drain();
    let close = loop {
        match within("the close frame", client.0.next()).await {
            Some(Ok(Message::Close(Some(close)))) => break close,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    while let Some(Ok(_)) = within("the end", client.0.next()).await {}
    let mut rest = Vec::new();
    let end = within("the goodbye", client.0.get_mut().read_to_end(&mut rest)).await;
    assert!(!matches!(&end, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_taken_over_while_connections_go_on() {
    let (files, second) = (Certificate::new(), Certificate::new());
    let (cert_file, key_file) = (files.cert_file(), files.key_file());
    let variables = [
        ("WS_SERVER__TLS__CERT_FILE", cert_file.to_str().expect("UTF-8")),
        ("WS_SERVER__TLS__KEY_FILE", key_file.to_str().expect("UTF-8")),
    ];
    let mut server = Process::start(SERVER, &variables).await;
    let trust = Trust::new(&files);
    let mut before = trust.websocket(server.addr()).await;
    std::fs::write(&cert_file, "nonsense").expect("room");
    server.signal(Signal::Hup).await;
    server.logged("the previous certificate stays in use").await;
    assert!(trust.connect(server.addr()).await.is_ok());
    second.replace(&cert_file, &key_file);
    server.signal(Signal::Hup).await;
    server.logged("the certificate was read again").await;
    assert!(trust.connect(server.addr()).await.is_err(), "the old one is not shown any more");
    let mut after = Trust::new(&second).websocket(server.addr()).await;
    for client in [&mut before, &mut after] {
        assert_eq!(client.ask("echo", json!({"message": 1})).await["data"]["echo"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_ends_the_start() {
    let (first, second) = (Certificate::new(), Certificate::new());
    let told = async |cert_file: &std::path::Path, key_file: &std::path::Path| {
        let command = tokio::process::Command::new(SERVER)
            .arg("check-config")
            .env("WS_SERVER__TLS__CERT_FILE", cert_file)
            .env("WS_SERVER__TLS__KEY_FILE", key_file)
            .output();
        let output = within("the command to end", command).await.expect("the server's binary starts");
        assert_eq!(output.status.code(), Some(78));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let swapped = told(&first.key_file(), &first.cert_file()).await;
    assert!(swapped.contains("no certificate in it, but PRIVATE KEY"), "{swapped}");
    let missing = told("/nowhere.pem".as_ref(), &first.key_file()).await;
    assert!(
        missing.contains("WS_SERVER__TLS__CERT_FILE: tls.cert_file") && missing.contains("cannot be read"),
        "{missing}"
    );
    let mixed = told(&first.cert_file(), &second.key_file()).await;
    assert!(mixed.contains("not the key of the first certificate"), "{mixed}");
}
