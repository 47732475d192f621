//! What is sent again, and when.

use super::*;

/// Milliseconds of the first waits where the provider names none, with a chance of a half.
const FIRST: u128 = 375;
const SECOND: u128 = 750;

#[tokio::test(start_paused = true)]
async fn what_passes_is_sent_again_and_told() {
    for (status, kind, code) in [
        (408, "timeout_error", FailureCode::Timeout),
        (409, "conflict_error", FailureCode::UpstreamFailed),
        (429, "rate_limit_error", FailureCode::RateLimited),
        (500, "api_error", FailureCode::UpstreamFailed),
        (502, "api_error", FailureCode::UpstreamFailed),
        (503, "api_error", FailureCode::Overloaded),
        (504, "timeout_error", FailureCode::Timeout),
        (529, "overloaded_error", FailureCode::Overloaded),
    ] {
        let outcome = ask(vec![failing(status, kind, &[]), failing(status, kind, &[]), whole()]).await;
        assert_eq!((outcome.answer.end.clone(), outcome.text().as_str()), (End::Complete, "North."), "{status}");
        assert_eq!(outcome.sent_ms, [0, FIRST, FIRST + SECOND], "{status}");
        assert_eq!(outcome.retried(), [code, code], "{status}");
        let Progress::Retrying { after_ms, failure } = &outcome.steps[0] else { panic!("{outcome:?}") };
        assert_eq!((u128::from(*after_ms), failure.status, failure.kind.as_deref()), (FIRST, Some(status), Some(kind)));
        assert!(failure.message.contains(&format!("About {kind}.")), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_not_sent_again() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (418, "teapot_error"),
        (307, "moved"),
        (204, "nothing"),
    ] {
        let outcome = ask(vec![failing(status, kind, &[("request-id", "req_9")])]).await;
        let failure = outcome.failure();
        assert_eq!((failure.code, failure.status), (FailureCode::UpstreamFailed, Some(status)), "{status}");
        assert_eq!((failure.kind.as_deref(), outcome.steps.len()), (Some(kind), 0), "{status}");
        assert_eq!(outcome.answer.request_id.as_deref(), Some("req_9"));
    }
    let redirect = ask(vec![failing(307, "moved", &[("location", "https://elsewhere.example")])]).await;
    assert!(redirect.failure().message.contains("redirect"), "{redirect:?}");
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_sent_again() {
    let outcome = ask(vec![Canned::Unreachable("refused"), Canned::Unreachable("refused"), whole()]).await;
    assert_eq!((outcome.sent_ms, outcome.answer.end), (vec![0, FIRST, FIRST + SECOND], End::Complete));
    let outcome = ask(vec![Canned::Unreachable("refused"); 3]).await;
    let failure = outcome.failure();
    assert_eq!((failure.code, failure.status), (FailureCode::UpstreamFailed, None));
    assert!(!failure.message.contains("refused"), "the cause is for the log: {failure:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_have_a_limit() {
    for retries_max in [0, 1, 5] {
        let answers = vec![failing(529, "overloaded_error", &[]); retries_max as usize + 1];
        let outcome = ask_with(Settings { retries_max, ..settings() }, question(), answers).await;
        assert_eq!(outcome.failure().code, FailureCode::Overloaded);
        assert_eq!(outcome.retried().len(), retries_max as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn the_provider_names_the_wait() {
    let check = async |said: &'static str, expect_ms: u128| {
        let outcome = ask(vec![failing(429, "rate_limit_error", &[("retry-after", said)]), whole()]).await;
        assert_eq!(outcome.sent_ms, [0, expect_ms], "{said}");
    };
    check("2", 2_200).await;
    check("0.5", 550).await;
    check("0", 0).await;
    check("30", 33_000).await;
    check("nonsense", FIRST).await;
    check("-3", FIRST).await;
    let date = [("retry-after", "Sun, 29 Nov 2026 12:00:10 GMT"), ("date", "Sun, 29 Nov 2026 12:00:00 GMT")];
    let outcome = ask(vec![failing(503, "overloaded_error", &date), whole()]).await;
    assert_eq!(outcome.sent_ms, [0, 11_000]);
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_not_waited_for() {
    let outcome = ask(vec![failing(429, "rate_limit_error", &[("retry-after", "30.1")])]).await;
    assert_eq!((outcome.failure().code, outcome.failure().retry_after_ms), (FailureCode::RateLimited, Some(30_100)));
    let outcome = ask(vec![failing(429, "rate_limit_error", &[("retry-after", "1e18")])]).await;
    assert_eq!(outcome.failure().retry_after_ms, Some((1 << 53) - 1), "as large as JSON numbers are exact");
    let outcome = ask(vec![failing(529, "overloaded_error", &[("retry-after", "7")]); 3]).await;
    assert_eq!(outcome.failure().retry_after_ms, Some(7_000), "the last failure has it too");
}

#[tokio::test(start_paused = true)]
async fn x_should_retry_counts_more_than_the_status() {
    let outcome = ask(vec![failing(529, "overloaded_error", &[("x-should-retry", "false")])]).await;
    assert_eq!((outcome.failure().code, outcome.sent_ms.len()), (FailureCode::Overloaded, 1));
    let outcome = ask(vec![failing(400, "invalid_request_error", &[("x-should-retry", "true")]), whole()]).await;
    assert_eq!((outcome.answer.end, outcome.sent_ms.len()), (End::Complete, 2));
}

#[tokio::test(start_paused = true)]
async fn a_spend_cap_is_not_sent_again() {
    let details = json!({"error_code": "enforced_spend_limit_reached"});
    let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Cap.", "details": details}});
    for headers in [vec![], vec![("x-should-retry", "true")], vec![("retry-after", "1")]] {
        let outcome = ask(vec![Canned::Head(429, headers, vec![Part::Bytes(body.to_string())])]).await;
        let failure = outcome.failure();
        assert_eq!((failure.code, failure.kind.as_deref()), (FailureCode::UpstreamFailed, Some("rate_limit_error")));
    }
    let outcome = ask(vec![events(&[begin(), body])]).await;
    assert_eq!((outcome.failure().code, outcome.sent_ms.len()), (FailureCode::UpstreamFailed, 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_before_content_is_sent_again() {
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    for first in [vec![], vec![begin()], vec![begin(), ping(), block]] {
        let mut failed = first;
        failed.push(error("overloaded_error"));
        let outcome = ask(vec![events(&failed), whole()]).await;
        assert_eq!((outcome.retried(), outcome.answer.end), (vec![FailureCode::Overloaded], End::Complete));
    }
    for kind in
        ["invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error"]
    {
        let outcome = ask(vec![events(&[begin(), error(kind)])]).await;
        assert_eq!((outcome.failure().kind.as_deref(), outcome.sent_ms.len()), (Some(kind), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn begun_thinking_and_content_of_any_kind_end_the_retries() {
    let block = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    for content in [
        block(json!({"type": "thinking", "thinking": ""})),
        block(json!({"type": "redacted_thinking", "data": "x"})),
        block(json!({"type": "tool_use", "name": "x"})),
        block(json!({"type": "text", "text": "a"})),
        delta(json!({"type": "text_delta", "text": "a"})),
        delta(json!({"type": "input_json_delta", "partial_json": "{"})),
    ] {
        let outcome = ask(vec![events(&[begin(), content.clone(), error("overloaded_error")])]).await;
        assert_eq!((outcome.failure().code, outcome.sent_ms.len()), (FailureCode::Overloaded, 1), "{content}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_forgets_what_the_failed_request_told() {
    let other =
        json!({"type": "message_start", "message": {"id": "msg_0", "model": "m", "usage": {"input_tokens": 99}}});
    let outcome = ask(vec![
        Canned::Head(
            200,
            vec![("content-type", "text/event-stream"), ("request-id", "req_0")],
            vec![bytes(&[other, error("api_error")])],
        ),
        Canned::Head(
            200,
            vec![("content-type", "text/event-stream")],
            vec![bytes(&[text("a"), stop_reason("end_turn")])],
        ),
    ])
    .await;
    let Answer { model, message_id, request_id, usage, .. } = outcome.answer;
    assert_eq!((model, message_id, request_id, usage.input_tokens), (None, None, None, None));
}
