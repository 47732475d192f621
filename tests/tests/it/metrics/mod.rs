//! `/metrics`: its two formats, labels that no request can add to, and gauges that go back to where they were.

mod histograms;
mod promtool;
mod table;

use std::net::SocketAddr;

use ws_tests::prelude::*;
use ws_tests::raw::{FIN, frame, handshake_headers, opcode, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openmetrics_is_for_those_who_ask_for_it() {
    let server = Server::start().await;
    let ask = async |accept: &[(&'static str, &'static str)]| {
        let page = http::ask(server.addr(), "GET", "/metrics", accept).await;
        (page.header("content-type").unwrap_or_default().to_owned(), page.text().to_owned())
    };
    // As Prometheus asks.
    let scrape = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let (content_type, body) = ask(&[("Accept", scrape)]).await;
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(body.contains("# TYPE ws_pings counter\n") && body.ends_with("# EOF\n"));
    let open = Metrics::parse(&body);
    for accept in [&[][..], &[("Accept", "*/*")], &[("Accept", "application/openmetrics-text;q=0, text/plain")]] {
        let (content_type, body) = ask(accept).await;
        assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8", "{accept:?}");
        assert!(body.contains("# TYPE ws_pings_total counter\nws_pings_total 0\n") && !body.contains("# EOF"));
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(samples.count(), open.count(), "the same samples");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_adds_a_series() {
    let server = Server::with(|config| config.limits.errors_max = 0).await;
    let before = server.metrics().await.count();
    let mut raw = Raw::connect(server.addr()).await;
    for n in 0..500 {
        assert_eq!(raw.ask("GET", &format!("/unknown/{n}?x={n}"), &[]).await.status, 404);
    }
    let mut raw = Raw::connect(server.addr()).await;
    for n in 0..50 {
        assert_eq!(raw.ask(&format!("METHOD{n}"), "/health", &[("Content-Length", "0")]).await.status, 405);
    }
    let mut client = server.connect().await;
    for n in 0..300 {
        assert_eq!(client.refusal(&format!("action_{n}"), json!({})).await, "unknown_action");
    }
    for code in 4000..4050_u16 {
        let mut closing = Raw::websocket(server.addr()).await;
        closing.write(&frame(FIN | opcode::CLOSE, &code.to_be_bytes())).await;
        closing.rest().await;
    }
    let after = server.metrics().await;
    assert_eq!(after.get(r#"ws_errors_total{code="unknown_action"}"#), 300.0);
    assert!(after.count() < before + 20, "{} series, and {before} before", after.count());
}

const ENDS: [&str; 24] = [
    "nothing sent",
    "reset at once",
    "half a head",
    "half a head, reset",
    "not HTTP",
    "too large a head",
    "an unknown path",
    "a keep-alive connection, reset",
    "half a body",
    "no handshake",
    "a bad handshake",
    "a forbidden origin",
    "a refused token",
    "a refused token, reset",
    "an expired token",
    "reset right after the handshake",
    "no close frame",
    "reset with a subscription",
    "half a frame, reset",
    "1009",
    "1009 within fragments",
    "1002, reset",
    "too many errors",
    "closed by the peer, not waited for",
];

/// One connection, ended like this.
async fn end(addr: SocketAddr, how: &str) {
    let head = raw::handshake("/ws");
    let with = |more: &[(&'static str, &str)]| raw::request("GET", "/ws", &[&handshake_headers()[..], more].concat());
    let subscribe = text(r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"a"}}"#);
    let mut raw = Raw::connect(addr).await;
    match how {
        "nothing sent" => {}
        "reset at once" => raw.reset(),
        "half a head" => raw.write(&head.as_bytes()[..40]).await,
        "half a head, reset" => {
            raw.write(&head.as_bytes()[..40]).await;
            raw.reset();
        }
        "not HTTP" => {
            raw.write(b"\x16\x03\x01\r\n\r\n").await;
            raw.rest().await;
        }
        "too large a head" => {
            raw.try_write(raw::request("GET", "/", &[("X", &"x".repeat(20_000))]).as_bytes()).await;
            assert_eq!(raw.response(true).await.status, 431);
        }
        "an unknown path" => assert_eq!(raw.ask("GET", "/nothing", &[]).await.status, 404),
        "a keep-alive connection, reset" => {
            assert_eq!(raw.ask("GET", "/health", &[]).await.status, 200);
            raw.reset();
        }
        "half a body" => {
            raw.write(raw::request("GET", "/health", &[("Content-Length", "100")]).as_bytes()).await;
            raw.reset();
        }
        "no handshake" => assert_eq!(raw.ask("GET", "/ws", &[]).await.status, 426),
        "a bad handshake" => {
            raw.write(with(&[("Sec-WebSocket-Version", "7")]).as_bytes()).await;
            raw.response(true).await;
        }
        "a forbidden origin" => {
            raw.write(with(&[("Origin", "https://evil.example")]).as_bytes()).await;
            assert_eq!(raw.response(true).await.status, 403);
        }
        "a refused token" | "a refused token, reset" | "an expired token" => {
            let expired = token::of("ann", &json!({"exp": token::in_seconds(-3600.0)}));
            let token = if how == "an expired token" { &expired } else { "nonsense" };
            raw.write(with(&[("Authorization", &format!("Bearer {token}"))]).as_bytes()).await;
            assert_eq!(raw.response(false).await.status, 101);
            if how.ends_with("reset") {
                return raw.reset();
            }
            assert!([4501, 4002].contains(&raw.closed().await));
        }
        "reset right after the handshake" => {
            raw.write(head.as_bytes()).await;
            raw.reset();
        }
        _ => {
            let mut raw = raw.shaken().await;
            match how {
                "no close frame" => {}
                "reset with a subscription" => {
                    raw.write(&subscribe).await;
                    raw.json().await;
                    raw.reset();
                }
                "half a frame, reset" => {
                    raw.write(&subscribe[..subscribe.len() / 2]).await;
                    raw.reset();
                }
                "1009" => {
                    raw.try_write(&text(&"x".repeat(70_000))).await;
                    assert_eq!(raw.closed().await, 1009);
                }
                "1009 within fragments" => {
                    let piece = [b' '; 40_000];
                    raw.try_write(&[frame(opcode::TEXT, &piece), frame(opcode::CONTINUATION, &piece)].concat()).await;
                    assert_eq!(raw.closed().await, 1009);
                }
                "1002, reset" => {
                    raw.write(&[0x81, 2, b'{', b'}']).await;
                    raw.reset();
                }
                "too many errors" => {
                    raw.try_write(&text("nonsense").repeat(30)).await;
                    assert_eq!(raw.closed().await, 4504);
                }
                "closed by the peer, not waited for" => {
                    raw.write(&[subscribe, frame(FIN | opcode::CLOSE, &1000_u16.to_be_bytes())].concat()).await;
                }
                other => panic!("no such end: {other}"),
            }
        }
    }
}

/// Waits until every gauge has the value that it had.
async fn is_back(server: &Server, before: &Metrics, how: &str) {
    let mut last = String::new();
    let back = until(how, async || {
        let now = server.metrics().await;
        last = format!("{:?}", now.gauges());
        (now.gauges() == before.gauges()).then_some(())
    });
    tokio::select! {
        () = back => {}
        () = tokio::time::sleep(DEADLINE / 2) => panic!("{how}: {last}, and before {:?}", before.gauges()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gauge_is_back_however_a_connection_ends() {
    let server = Server::with(|config| {
        token::accept(config);
        config.limits.connections_per_user_max = 1;
    })
    .await;
    let before = server.metrics().await;
    assert!(before.gauges().len() >= 6 && before.gauges()["ws_sockets"] == 1.0, "the one that asks");
    for how in ENDS {
        for _ in 0..5 {
            end(server.addr(), how).await;
        }
        is_back(&server, &before, how).await;
    }
}

/// The same for connections that a limit refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gauge_is_back_after_refusals() {
    type Change = fn(&mut ws_server::config::Config);
    let limits: [(&str, Change); 4] = [
        ("connections_max", |config| config.limits.connections_max = 2),
        ("connections_per_ip_max", |config| config.limits.connections_per_ip_max = 2),
        ("handshakes_per_second", |config| config.limits.handshakes_per_second = 1),
        ("handshakes_per_ip_per_second", |config| config.limits.handshakes_per_ip_per_second = 1),
    ];
    for (limit, change) in limits {
        let server = Server::with(change).await;
        let before = server.metrics().await;
        let (mut open, mut refused) = (Vec::new(), 0);
        for _ in 0..6 {
            let mut raw = Raw::connect(server.addr()).await;
            raw.write(raw::handshake("/ws").as_bytes()).await;
            let status = raw.response(false).await.status;
            refused += usize::from(status == 503);
            open.push(raw);
        }
        assert!(refused > 0, "{limit}");
        drop(open);
        is_back(&server, &before, limit).await;
    }
}
