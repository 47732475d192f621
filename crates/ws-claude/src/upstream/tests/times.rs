//! What takes too long.

use super::*;

fn wait(seconds: u64) -> Part {
    Part::Wait(Duration::from_secs(seconds))
}

#[track_caller]
fn timed_out(outcome: &Outcome, seconds: u64, message: &str) {
    assert_eq!(outcome.failure().code, FailureCode::Timeout, "{outcome:?}");
    assert_eq!(outcome.failure().message, message);
    assert_eq!((outcome.took, outcome.sent_ms.len()), (Duration::from_secs(seconds), 1), "not sent again");
}

const NO_TOKEN: &str = "the provider sent no token within 300s";
const NOTHING: &str = "the provider sent nothing within 90s";

#[tokio::test(start_paused = true)]
async fn the_first_token_has_its_time() {
    timed_out(&ask(vec![Canned::Silent]).await, 300, NO_TOKEN);
    timed_out(&ask(vec![streaming(vec![wait(3600)])]).await, 300, NO_TOKEN);
    let pings = || (0..100).flat_map(|_| [bytes(&[ping()]), wait(10)]).collect::<Vec<_>>();
    timed_out(&ask(vec![streaming(pings())]).await, 300, NO_TOKEN);
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    timed_out(&ask(vec![streaming(vec![bytes(&[begin(), block]), wait(3600)])]).await, 300, NO_TOKEN);
    let late = vec![bytes(&[begin()]), wait(299), bytes(&[text("a"), stop_reason("end_turn"), stop()])];
    assert_eq!(ask(vec![streaming(late)]).await.answer.end, End::Complete);
}

#[tokio::test(start_paused = true)]
async fn each_request_has_the_whole_time() {
    let late = streaming(vec![wait(200), bytes(&[error("api_error")])]);
    let outcome =
        ask(vec![late.clone(), late, streaming(vec![wait(299), bytes(&[text("a"), stop_reason("end_turn")])])]).await;
    assert_eq!((outcome.answer.end, outcome.sent_ms.len()), (End::Complete, 3));
}

#[tokio::test(start_paused = true)]
async fn then_no_byte_may_be_missing_for_too_long() {
    timed_out(&ask(vec![streaming(vec![bytes(&[begin(), text("a")]), wait(3600)])]).await, 90, NOTHING);
    let thinking =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}});
    timed_out(&ask(vec![streaming(vec![bytes(&[begin(), thinking]), wait(3600)])]).await, 90, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reason_is_not_waited_behind_for_longer() {
    let outcome = ask(vec![streaming(vec![bytes(&[begin(), stop_reason("end_turn")]), wait(3600)])]).await;
    assert_eq!((outcome.answer.end, outcome.took), (End::Complete, Duration::from_secs(90)));
}

#[tokio::test(start_paused = true)]
async fn any_byte_is_one() {
    let mut parts = vec![bytes(&[begin(), text("a")])];
    for part in [bytes(&[ping()]), Part::Bytes(":".to_owned()), Part::Bytes(" still here\n".to_owned())] {
        parts.extend([wait(89), part]);
    }
    parts.extend([wait(89), bytes(&[stop_reason("end_turn"), stop()])]);
    let outcome = ask(vec![streaming(parts)]).await;
    assert_eq!((outcome.answer.end, outcome.took), (End::Complete, Duration::from_secs(4 * 89)));
}

/// Omitted thinking is silent but for pings.
#[tokio::test(start_paused = true)]
async fn long_thinking_is_not_killed() {
    let thinking =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}});
    let mut parts = vec![bytes(&[begin(), thinking])];
    parts.extend((0..20).flat_map(|_| [wait(80), bytes(&[ping()])]));
    parts.push(bytes(&[text("a"), stop_reason("end_turn"), stop()]));
    let outcome = ask(vec![streaming(parts)]).await;
    assert_eq!(outcome.steps, [Progress::Thinking(String::new()), Progress::Text("a".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_body_does_not_end_is_told_soon() {
    let body = error("overloaded_error").to_string();
    let outcome = ask_with(
        Settings { retries_max: 0, ..settings() },
        question(),
        vec![Canned::Head(529, vec![], vec![Part::Bytes(body), wait(3600)])],
    )
    .await;
    assert_eq!((outcome.took, outcome.failure().kind.as_deref()), (Duration::from_secs(5), Some("overloaded_error")));
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_error_is_bounded() {
    let parts = vec![Part::Bytes("x".repeat(40_000)); 1000];
    let outcome = ask(vec![Canned::Head(400, vec![], parts)]).await;
    assert_eq!(outcome.failure().message, "the provider answered 400");
    let body = json!({"type": "error", "error": {"type": "t".repeat(10_000), "message": "ü".repeat(10_000)}});
    let outcome = ask(vec![Canned::Head(400, vec![], vec![Part::Bytes(body.to_string())])]).await;
    let failure = outcome.failure();
    assert!(failure.message.len() < 1400 && failure.kind.as_ref().is_some_and(|kind| kind.len() == 256), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_nobody_fetched_is_not_lost() {
    let parts =
        vec![bytes(&[begin(), text("a"), text("b")]), wait(60), bytes(&[text("c"), stop_reason("end_turn"), stop()])];
    let memory = Memory::default();
    memory.0.lock().expect("no panic").answers.push_back(streaming(parts));
    let (settings, http) = (settings(), Arc::new(memory.clone()));
    let secrets = Secrets::of(&settings);
    let mut call = Upstream::with(Parts { http, settings, secrets, chance }).ask(question());
    let mut text = String::new();
    loop {
        // Drops most of the futures while they wait.
        match tokio::time::timeout(Duration::from_secs(7), call.next()).await {
            Ok(Progress::Text(piece)) => text.push_str(&piece),
            Ok(Progress::End(answer)) => break assert_eq!(answer.end, End::Complete),
            Ok(step) => panic!("{step:?}"),
            Err(_) => {}
        }
    }
    assert_eq!((text.as_str(), memory.0.lock().expect("no panic").sent.len()), ("abc", 1));
}
