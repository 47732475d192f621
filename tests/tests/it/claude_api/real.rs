//! The real API, for a few tokens: `WS_TEST_ANTHROPIC_API_KEY=… cargo test -p ws-tests --test it -- claude_api::real`.
//! `WS_TEST_ANTHROPIC_BASE_URL` and `WS_TEST_ANTHROPIC_MODEL` ask another endpoint and another model.

use super::*;

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_claude), ignore = "asks the real API for a few tokens: set WS_TEST_ANTHROPIC_API_KEY")]
async fn it_answers() {
    let key = std::env::var("WS_TEST_ANTHROPIC_API_KEY").expect("a key in WS_TEST_ANTHROPIC_API_KEY");
    let url = variable("WS_TEST_ANTHROPIC_BASE_URL", "https://api.anthropic.com");
    let key = Key::new(&key).expect("a key");
    let upstream = Upstream::new(Settings { key, ..settings(&url) }).expect("a client");
    let model = variable("WS_TEST_ANTHROPIC_MODEL", "claude-haiku-5-5");
    let asked = Question { model, system: Some("Answer in one word.".to_owned()), ..question("Say hello.") };
    let (text, _, answer) = finish(upstream.ask(asked.clone())).await;
    assert_eq!((&answer.end, answer.stop_reason.as_deref()), (&End::Complete, Some("end_turn")), "{answer:?}");
    assert!(!text.trim().is_empty() && answer.usage.output_tokens > Some(0), "{text:?} {answer:?}");
    assert!(answer.message_id.is_some() && answer.request_id.is_some() && answer.model.is_some(), "{answer:?}");
    // Everything that may be sent.
    let thinking = Thinking::Summarized;
    let all = Question { effort: Some("low".to_owned()), thinking, is_cut: true, max_tokens: 4000, ..asked };
    assert_eq!(finish(upstream.ask(all)).await.2.end, End::Complete);
    let wrong = Key::new("sk-ant-api03-wrong").expect("a key");
    let upstream = Upstream::new(Settings { key: wrong, ..settings(&url) }).expect("a client");
    assert_eq!(failure(&finish(upstream.ask(question("Hi"))).await.2).status, Some(401));
}
