//! `X-Forwarded-For` and `Forwarded`, in the log and in the limits.

use ws_tests::prelude::*;
use ws_transport::ClientHeader;

use super::{handshake, logged_address, logging, trusted};

const FOR: &str = "X-Forwarded-For";

const TRUSTED: (&str, &str) = ("WS_SERVER__PROXY__TRUSTED", "loopback,10.0.0.0/8");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_the_client() {
    let mut server = logging(&[TRUSTED]).await;
    for (lines, client) in [
        (&[][..], "127.0.0.1"),
        (&[(FOR, "203.0.113.7")], "203.0.113.7"),
        (&[(FOR, "6.6.6.6, 203.0.113.7"), (FOR, "10.0.0.2")], "203.0.113.7"),
        (&[(FOR, "203.0.113.7, nonsense, 10.0.0.2")], "10.0.0.2"),
        (&[(FOR, "[2001:db8::7]:4711")], "2001:db8::7"),
        (&[("Forwarded", "for=203.0.113.7")], "127.0.0.1"),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, b"", lines).await, 101);
        assert_eq!(logged_address(&mut server, "connection opened").await, client, "{lines:?}");
        drop(raw);
        assert_eq!(logged_address(&mut server, "connection closed").await, client, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_can_be_chosen() {
    let forwarded = ("Forwarded", "for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https");
    for (header, client) in [("forwarded", "2001:db8::7"), ("none", "127.0.0.1")] {
        let mut server = logging(&[TRUSTED, ("WS_SERVER__PROXY__HEADER", header)]).await;
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, b"", &[forwarded, (FOR, "203.0.113.7")]).await, 101);
        assert_eq!(logged_address(&mut server, "connection opened").await, client, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_a_connection_has_its_own_client() {
    let mut server = logging(&[TRUSTED]).await;
    let mut raw = Raw::connect(server.addr()).await;
    for client in ["203.0.113.7", "203.0.113.8"] {
        assert_eq!(raw.ask("GET", "/ws", &[(FOR, client)]).await.status, 426);
        assert_eq!(logged_address(&mut server, "connection refused").await, client);
    }
    assert_eq!(handshake(&mut raw, b"", &[(FOR, "203.0.113.9")]).await, 101);
    assert_eq!(logged_address(&mut server, "connection opened").await, "203.0.113.9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_those_of_the_client() {
    let server = Server::with(|config| {
        config.limits.connections_per_ip_max = 1;
        config.proxy.trusted = trusted(&["loopback"]);
    })
    .await;
    let mut open = Vec::new();
    for (line, status) in [
        ("203.0.113.7", 101),
        ("203.0.113.7", 503),
        ("203.0.113.8", 101),
        ("::ffff:203.0.113.8", 503),
        ("203.0.113.9, 203.0.113.7", 503),
        ("2001:db8::1", 101),
        ("2001:db8::2", 503),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, b"", &[(FOR, line)]).await, status, "{line}");
        open.push(raw);
    }
    // The proxy itself is a client too.
    let mut raw = Raw::connect(server.addr()).await;
    assert_eq!(handshake(&mut raw, b"", &[]).await, 101);
}

/// A proxy may have any number of sockets. Each counts for the client of its last request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_those_of_the_client() {
    let server = Server::with(|config| {
        config.limits.sockets_per_ip_max = 2;
        config.proxy.trusted = trusted(&["loopback"]);
    })
    .await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(Raw::connect(server.addr()).await);
    }
    for (socket, client, status) in [
        (0, Some("203.0.113.7"), 200),
        (1, Some("203.0.113.7"), 200),
        (2, Some("203.0.113.7"), 503),
        (3, Some("203.0.113.8"), 200),
        (0, Some("203.0.113.7"), 200),
        (0, Some("203.0.113.9"), 200),
        (4, Some("203.0.113.7"), 200),
        (5, Some("203.0.113.7"), 503),
        (3, None, 200),
    ] {
        let line: Vec<_> = client.map(|client| (FOR, client)).into_iter().collect();
        let response = sockets[socket].ask("GET", "/health", &line).await;
        assert_eq!(response.status, status, "{socket}: {client:?}");
    }
    // A socket that has become a WebSocket does not count.
    for socket in [1, 4] {
        assert_eq!(handshake(&mut sockets[socket], b"", &[(FOR, "203.0.113.7")]).await, 101);
    }
    let refused = r#"ws_handshakes_refused_total{reason="address_sockets"}"#;
    server.wait_for_metric(refused, 2.0).await;
    let mut raw = Raw::connect(server.addr()).await;
    assert_eq!(raw.ask("GET", "/health", &[(FOR, "203.0.113.7")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_send_is_ignored() {
    for header in [ClientHeader::XForwardedFor, ClientHeader::Forwarded] {
        for networks in [&[][..], &["10.0.0.0/8"]] {
            let server = Server::with(|config| {
                config.limits.connections_per_ip_max = 1;
                config.proxy.header = header;
                config.proxy.trusted = trusted(networks);
            })
            .await;
            let _first = server.connect().await;
            for spoofed in [(FOR, "203.0.113.7"), ("Forwarded", "for=203.0.113.7"), ("X-Real-IP", "203.0.113.7")] {
                let mut raw = Raw::connect(server.addr()).await;
                assert_eq!(handshake(&mut raw, b"", &[spoofed]).await, 503, "{header:?} {networks:?} {spoofed:?}");
            }
        }
    }
}

/// The check of origins compares with `Host`, which a proxy passes on. No other header changes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_is_the_one_of_the_request() {
    let server = Server::with(|config| config.proxy.trusted = trusted(&["loopback"])).await;
    let host = ("X-Forwarded-Host", "chat.example.org");
    for (more, status) in
        [(&[("Origin", "https://localhost")][..], 101), (&[("Origin", "https://chat.example.org"), host], 403)]
    {
        let mut raw = Raw::connect(server.addr()).await;
        assert_eq!(handshake(&mut raw, b"", more).await, status, "{more:?}");
    }
}
