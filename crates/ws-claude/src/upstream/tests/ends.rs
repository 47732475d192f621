//! How an answer ends, and what is told of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_complete() {
    let outcome = ask(vec![whole()]).await;
    assert_eq!(outcome.steps, [Progress::Text("Nor".to_owned()), Progress::Text("th.".to_owned())]);
    let usage = Usage {
        input_tokens: Some(10),
        output_tokens: Some(7),
        cache_read_input_tokens: Some(5),
        cache_creation_input_tokens: None,
    };
    let expect = Answer {
        end: End::Complete,
        stop_reason: Some("end_turn".to_owned()),
        model: Some("claude-sonnet-5-5-x".to_owned()),
        usage,
        message_id: Some("msg_1".to_owned()),
        request_id: Some("req_1".to_owned()),
    };
    assert_eq!(outcome.answer, expect);
}

#[tokio::test(start_paused = true)]
async fn every_stop_reason_but_a_refusal_is_an_end() {
    for reason in [
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "model_context_window_exceeded",
        "one_of_next_year",
    ] {
        let answer = ask(vec![events(&[begin(), text("a"), stop_reason(reason), stop()])]).await.answer;
        assert_eq!((answer.end, answer.stop_reason.as_deref()), (End::Complete, Some(reason)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_one_also_after_a_part_of_the_text() {
    for parts in [vec![], vec![text("I can")]] {
        let mut all = vec![begin()];
        all.extend(parts);
        all.extend([stop_reason("refusal"), stop()]);
        let outcome = ask(vec![events(&all)]).await;
        assert_eq!((outcome.answer.end, outcome.answer.usage.output_tokens), (End::Refused, Some(7)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_stop_reason_is_a_failure() {
    let begun = || bytes(&[begin(), text("Nor")]);
    for parts in [
        vec![begun()],
        vec![begun(), Part::Break],
        vec![begun(), bytes(&[stop()])],
        vec![begun(), bytes(&[json!({"type": "message_delta", "delta": {"stop_reason": null}})])],
        vec![],
        vec![Part::Break],
    ] {
        let shown = format!("{parts:?}");
        let outcome = ask(vec![streaming(parts)]).await;
        let failure = outcome.failure();
        assert_eq!((failure.code, failure.status), (FailureCode::UpstreamFailed, Some(200)), "{shown}");
        assert_eq!(outcome.answer.usage.output_tokens, None, "{shown}");
        assert_eq!(outcome.sent_ms.len(), 1, "not sent again: {shown}");
    }
    assert_eq!(ask(vec![streaming(vec![begun()])]).await.text(), "Nor", "the part that came is kept");
}

#[tokio::test(start_paused = true)]
async fn with_a_stop_reason_it_ends_as_that_says_however_it_ends() {
    let told = || bytes(&[begin(), text("a"), stop_reason("end_turn")]);
    let hour = || Part::Wait(Duration::from_secs(3600));
    for parts in [
        vec![told()],
        vec![told(), Part::Break],
        vec![told(), hour()],
        vec![told(), bytes(&[error("overloaded_error")])],
        vec![told(), bytes(&[stop()]), Part::Break],
        vec![told(), bytes(&[stop(), error("api_error"), text("b")])],
        vec![told(), Part::Bytes("x".repeat(super::super::limits::EVENT_BYTES_MAX + 1))],
    ] {
        let outcome = ask(vec![streaming(parts)]).await;
        assert_eq!((outcome.answer.end.clone(), outcome.text().as_str()), (End::Complete, "a"));
        assert_eq!(outcome.answer.usage.output_tokens, Some(7));
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_message_stop_whether_or_not_the_body_does() {
    let parts =
        vec![bytes(&[begin(), text("a"), stop_reason("end_turn"), stop()]), Part::Wait(Duration::from_secs(60))];
    let outcome = ask(vec![streaming(parts)]).await;
    assert_eq!((outcome.answer.end, outcome.took), (End::Complete, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_error_after_text_is_a_failure_and_the_part_is_kept() {
    for (kind, code) in [
        ("overloaded_error", FailureCode::Overloaded),
        ("rate_limit_error", FailureCode::RateLimited),
        ("timeout_error", FailureCode::Timeout),
        ("api_error", FailureCode::UpstreamFailed),
        ("one_of_next_year", FailureCode::UpstreamFailed),
    ] {
        let outcome = ask(vec![events(&[begin(), text("Nor"), error(kind)])]).await;
        let failure = outcome.failure();
        assert_eq!((failure.code, failure.kind.as_deref(), failure.status), (code, Some(kind), Some(200)));
        assert!(failure.message.contains("Sorry."), "{failure:?}");
        assert_eq!((outcome.text().as_str(), outcome.sent_ms.len()), ("Nor", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_long_is_a_failure() {
    let long = "x".repeat(super::super::limits::EVENT_BYTES_MAX);
    let outcome = ask(vec![streaming(vec![bytes(&[begin(), text("a")]), Part::Bytes(format!("data: {long}"))])]).await;
    assert_eq!((outcome.failure().code, outcome.text().as_str()), (FailureCode::UpstreamFailed, "a"));
    assert!(outcome.failure().message.contains("4194304"), "{:?}", outcome.failure());
}

#[tokio::test(start_paused = true)]
async fn no_event_stream_is_a_failure_with_the_error_of_the_body() {
    let check = async |kind: &'static str, body: String, expect: &str| {
        let outcome = ask(vec![Canned::Head(200, vec![("content-type", kind)], vec![Part::Bytes(body)])]).await;
        let failure = outcome.failure();
        assert_eq!((failure.code, failure.status), (FailureCode::UpstreamFailed, Some(200)));
        assert!(failure.message.contains(expect), "{failure:?}");
    };
    check("application/json", error("overloaded_error").to_string(), "overloaded_error: Sorry.").await;
    check("application/json", json!({"error": "no such route"}).to_string(), "no such route").await;
    check("application/json", json!({"id": "msg_1", "content": []}).to_string(), "application/json in place of").await;
    check("text/html", "<html>".to_owned(), "text/html in place of").await;
    check("text/event-streams", String::new(), "text/event-streams in place of").await;
    let parameters = Canned::Head(200, vec![("content-type", "Text/Event-Stream ; charset=utf-8")], vec![]);
    assert!(ask(vec![parameters]).await.failure().message.contains("without a stop reason"));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_told_before_the_end() {
    let memory = Memory::default();
    let parts = vec![bytes(&[begin(), text("Nor")]), Part::Wait(Duration::from_secs(5))];
    memory.0.lock().expect("no panic").answers.push_back(streaming(parts));
    let (settings, http) = (settings(), Arc::new(memory));
    let secrets = Secrets::of(&settings);
    let upstream = Upstream::with(Parts { http, settings, secrets, chance });
    let mut call = upstream.ask(question());
    assert_eq!(call.known(), Known::default());
    assert_eq!(call.next().await, Progress::Text("Nor".to_owned()));
    let known = call.known();
    assert_eq!((known.usage.input_tokens, known.usage.output_tokens), (Some(10), None));
    assert_eq!((known.message_id.as_deref(), known.request_id.as_deref()), (Some("msg_1"), Some("req_1")));
    assert_eq!(known.model.as_deref(), Some("claude-sonnet-5-5-x"));
}

#[test]
fn chances_are_spread() {
    let chances: Vec<_> = std::iter::repeat_with(chance).take(1000).collect();
    assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
    let below = |most: f64| chances.iter().filter(|chance| **chance < most).count();
    assert!((350..650).contains(&below(0.5)) && below(0.1) > 40 && below(0.9) < 960, "{}", below(0.5));
}
