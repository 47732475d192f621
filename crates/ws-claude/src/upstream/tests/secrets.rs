//! What is in no failure, no name and no log: the key, the password in the URL, questions and answers; and what is in the
//! log alone.

use std::io::Write;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Asks with everything logged. Also returns the log.
async fn logged(answers: Vec<Canned>) -> (Outcome, String) {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).with_ansi(false);
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let outcome = ask(answers).await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    (outcome, log)
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_of_the_account_is_in_the_log_alone() {
    let says = |kind: &str| {
        let message = format!("{kind}: key {KEY} of Ann's Bakery");
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_7"}).to_string()
    };
    for (status, kind) in
        [(401, "authentication_error"), (402, "billing_error"), (403, "permission_error"), (403, "other")]
    {
        let (outcome, log) = logged(vec![Canned::Head(status, vec![], vec![Part::Bytes(says(kind))])]).await;
        let failure = outcome.failure();
        assert!(!failure.message.contains("Bakery") && failure.message.contains("the server's log"), "{failure:?}");
        assert_eq!((failure.kind.as_deref(), outcome.answer.request_id.as_deref()), (Some(kind), Some("req_7")));
        assert!(log.contains("Bakery") && log.contains("req_7") && log.contains("ERROR"), "{log}");
        assert!(!log.contains("swordfish") && !format!("{outcome:?}").contains("swordfish"), "{log}");
    }
    // The same in other clothes.
    for canned in [
        streaming(vec![Part::Bytes(format!("data: {}\n\n", says("authentication_error")))]),
        Canned::Head(200, vec![("content-type", "application/json")], vec![Part::Bytes(says("billing_error"))]),
    ] {
        let (outcome, log) = logged(vec![canned]).await;
        assert!(!outcome.failure().message.contains("Bakery") && log.contains("Bakery"), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_masked_wherever_they_come_back() {
    let message = format!("bad key {KEY}, password trout-and-salmon, basic YW5uOnRyb3V0LWFuZC1zYWxtb24=");
    let body = json!({"error": {"type": KEY, "message": message}, "request_id": KEY}).to_string();
    let begun = json!({"type": "message_start", "message": {"id": KEY, "model": KEY}});
    for answers in [
        vec![Canned::Head(400, vec![("request-id", KEY)], vec![Part::Bytes(body.clone())])],
        vec![Canned::Head(401, vec![("request-id", KEY)], vec![Part::Bytes(body.clone())])],
        vec![Canned::Head(200, vec![("content-type", KEY)], vec![Part::Bytes(body.clone())])],
        vec![streaming(vec![bytes(&[begun.clone(), text("a"), error(KEY)])])],
        vec![events(&[begun, text("a"), stop_reason(KEY), stop()])],
        vec![Canned::Unreachable(KEY); 3],
        vec![streaming(vec![Part::Break])],
    ] {
        let (outcome, log) = logged(answers).await;
        let shown = format!("{outcome:?}{log}");
        for secret in ["swordfish", "trout", "YW5uOnRyb3V0"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_question_and_no_answer_is_logged() {
    let refused =
        json!({"error": {"type": "invalid_request_error", "message": "messages.0: Where do the herring go?"}});
    for answers in [
        vec![whole()],
        vec![failing(529, "overloaded_error", &[]), events(&[begin(), text("Nor"), text("th."), error("api_error")])],
        vec![Canned::Head(400, vec![], vec![Part::Bytes(refused.to_string())])],
        vec![streaming(vec![bytes(&[begin(), text("North.")]), Part::Break])],
    ] {
        let (_, log) = logged(answers).await;
        assert!(!log.contains("herring") && !log.contains("North") && !log.contains("th."), "{log}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let settings = settings();
    let upstream = Upstream::new(settings.clone()).expect("a client");
    let shown = format!("{settings:?} {upstream:?}");
    assert!(shown.contains("api.example"), "{shown}");
    for secret in ["swordfish", "trout", "YW5uOnRyb3V0"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    let bearer = Settings { auth: Auth::Bearer, ..settings };
    assert!(matches!(Upstream::new(bearer), Err(SetupError::TwoAuthorizations)));
}
