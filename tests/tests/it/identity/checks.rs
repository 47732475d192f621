//! How many tokens of a connection are checked, and how it ends for one that has too many.

use ws_tests::prelude::*;

use super::granting;

/// Sends the same token until the connection is closed; the codes of the answers, `""` for a login, and the close code.
async fn until_closed(server: &Server, token: &str) -> (Vec<String>, u16) {
    let mut client = server.connect().await;
    let request = |n: usize| {
        let payload = json!({"token": token});
        json!({"id": n.to_string(), "type": "request", "action": "authenticate", "payload": payload}).to_string()
    };
    client.texts((0..100).map(request)).await;
    let (close, answers) = client.closed().await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], n.to_string(), "{answer}");
        let is_refused_by_rate = answer["error"]["code"] == "rate_limited";
        assert_eq!(answer["error"]["retry_after_ms"].is_u64(), is_refused_by_rate, "{answer}");
    }
    (answers.iter().map(|answer| super::code(answer).to_owned()).collect(), close)
}

fn count(codes: &[String], code: &str) -> usize {
    codes.iter().filter(|given| *given == code).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_checked_at_a_rate_whether_they_are_valid_or_not() {
    let server = Server::with(granting).await;
    let valid = token::of("ann", &json!({}));
    let expired = token::of("ann", &json!({"exp": token::in_seconds(-60.0)}));
    for (token, code) in [(&valid, ""), (&expired, "token_expired")] {
        let (codes, close) = until_closed(&server, token).await;
        assert!((20..60).contains(&count(&codes, code)), "20 at once, by default: {codes:?}");
        assert_eq!((count(&codes, "rate_limited"), close), (21, 4006), "{codes:?}");
    }
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_connections_closed_total{code="4006"}"#), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_ends_for_good_although_most_checks_are_refused() {
    let server = Server::with(|config| {
        granting(config);
        config.limits.token_checks_per_second = 2;
    })
    .await;
    let valid = token::of("ann", &json!({}));
    let (codes, close) = until_closed(&server, &valid[..valid.len() - 2]).await;
    assert_eq!((codes.len(), close), (21, 4504), "{codes:?}");
    assert!((2..11).contains(&count(&codes, "invalid_token")), "{codes:?}");
}
