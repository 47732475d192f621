//! Connections: closed when nobody wants the answer any more, used again when the answer is whole, and what happens when
//! the other end closes them.

use ws_tests::fake_claude::{Gate, Request, Script};

use super::*;

/// Nothing but the dropped call can close these: the timeouts are longer than the test waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_closes_its_connection() {
    let claude = FakeClaude::start().await;
    let upstream = upstream(&claude);
    // Before the head.
    claude.answer(Script::silent());
    let mut call = upstream.ask(question("Hi"));
    tokio::select! {
        step = call.next() => panic!("{step:?}"),
        _ = claude.until_requests(1) => {}
    }
    drop(call);
    claude.until_closed(0).await;
    // In the middle, while it is silent.
    claude.answer(Script::new().begin().text("Hel").stall());
    let mut call = upstream.ask(question("Hi"));
    assert_eq!(first_text(&mut call).await, "Hel");
    assert_eq!(claude.closed()[1], None);
    drop(call);
    claude.until_closed(1).await;
    // In the middle, while pieces come in that nobody reads.
    let flood = (0..50_000).fold(Script::new().begin(), |script, _| script.text("herring "));
    claude.answer(flood.stall());
    let mut call = upstream.ask(question("Hi"));
    first_text(&mut call).await;
    drop(call);
    claude.until_closed(2).await;
    // While the body of an error does not come.
    claude.answer(Script::json(529, &json!({})).until(&Gate::new()));
    let mut call = upstream.ask(question("Hi"));
    tokio::select! {
        step = call.next() => panic!("{step:?}"),
        _ = claude.until_requests(4) => {}
    }
    drop(call);
    claude.until_closed(3).await;
    assert_eq!(claude.requests().len(), 4, "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_stop_ends_the_answer_of_a_body_that_does_not_end() {
    let claude = FakeClaude::start().await;
    claude.answer(Script::answer(&["Hello"]).stall());
    let (text, _, answer) = finish(upstream(&claude).ask(question("Hi"))).await;
    assert_eq!((text.as_str(), answer.end), ("Hello", End::Complete));
    claude.until_closed(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_off_has_failed_unless_it_said_why_it_ends() {
    let claude = FakeClaude::start().await;
    let upstream = upstream(&claude);
    let broken: [fn(Script) -> Script; 3] = [Script::eof, Script::cut, Script::reset];
    for end in broken {
        claude.answer(end(Script::new().begin().text("Hel")));
        let (text, retries, answer) = finish(upstream.ask(question("Hi"))).await;
        assert_eq!((failure(&answer).code.as_str(), text.as_str(), retries), ("upstream_failed", "Hel", 0));
        claude.answer(end(Script::new().begin().text("Hel").stop_reason("end_turn")));
        let (text, _, answer) = finish(upstream.ask(question("Hi"))).await;
        assert_eq!((answer.end, text.as_str()), (End::Complete, "Hel"));
    }
}

/// Asks for a whole answer, and once more with this script. Repeats it until the second request went over a connection
/// that had been used before: one that was given back in time. Returns what came of it, and the requests from then on. A
/// client that was just connecting when it was given back takes it for a new one, and does not ask for all scripts.
async fn on_a_used_connection(
    claude: &FakeClaude,
    upstream: &Upstream,
    scripts: &[Script],
) -> ((String, usize, Answer), Vec<Request>) {
    until("a request on a used connection", async || {
        finish(upstream.ask(question("Hi"))).await;
        let before = claude.requests();
        scripts.iter().for_each(|script| claude.answer(script.clone()));
        let outcome = finish(upstream.ask(question("Again"))).await;
        let requests = claude.requests();
        let is_used = before.iter().any(|request| request.connection == requests[before.len()].connection);
        if is_used && requests.len() - before.len() == scripts.len() {
            return Some((outcome, requests[before.len()..].to_vec()));
        }
        // Nothing is left over for the next round.
        for _ in requests.len() - before.len()..scripts.len() {
            finish(upstream.ask(question("Hi"))).await;
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_used_again() {
    let claude = FakeClaude::start().await;
    let whole = [Script::answer(&["Hello"])];
    let ((text, _, answer), requests) = on_a_used_connection(&claude, &upstream(&claude), &whole).await;
    assert_eq!((text.as_str(), answer.end, requests.len()), ("Hello", End::Complete, 1));
}

/// The other end may have closed it in the meantime, and only a request finds that out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_on_a_used_connection_is_sent_once_more_untold() {
    let claude = FakeClaude::start().await;
    let upstream = without_retries(&claude);
    let closed = [Script::hang_up(), Script::answer(&["Hello"])];
    let ((text, retries, answer), requests) = on_a_used_connection(&claude, &upstream, &closed).await;
    assert_eq!((text.as_str(), retries, answer.end), ("Hello", 0, End::Complete));
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
    // Once, and no more.
    let closed = [Script::hang_up(), Script::hang_up()];
    let ((_, retries, answer), requests) = on_a_used_connection(&claude, &upstream, &closed).await;
    assert_eq!((failure(&answer).status, retries, requests.len()), (None, 0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_connection_that_ends_before_the_head_is_a_connect_error() {
    let claude = FakeClaude::start().await;
    claude.answer(Script::hang_up());
    let (_, retries, answer) = finish(without_retries(&claude).ask(question("Hi"))).await;
    assert_eq!((failure(&answer).message.as_str(), retries), ("the provider cannot be reached", 0));
    assert_eq!(claude.requests().len(), 1, "sent once");
    claude.answer(Script::hang_up());
    let (_, retries, answer) = finish(upstream(&claude).ask(question("Hi"))).await;
    assert_eq!((answer.end, retries, claude.requests().len()), (End::Complete, 1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_a_connect_error() {
    let claude = FakeClaude::start().await;
    let upstream = without_retries(&claude);
    let addr = claude.addr();
    drop(claude);
    until("the port to be closed", async || tokio::net::TcpStream::connect(addr).await.is_err().then_some(())).await;
    let (_, _, answer) = finish(upstream.ask(question("Hi"))).await;
    let failure = failure(&answer);
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("upstream_failed", "the provider cannot be reached")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overloaded_twice_and_then_an_answer() {
    let claude = FakeClaude::start().await;
    for _ in 0..2 {
        claude.answer(Script::error(529, "overloaded_error", "Overloaded").header("retry-after", "0"));
    }
    let (text, retries, answer) = finish(upstream(&claude).ask(question("Hi"))).await;
    assert_eq!((text.as_str(), retries, answer.end), (fake_claude::TEXT, 2, End::Complete));
    assert_eq!(answer.request_id.as_deref(), Some("req_0002"));
    claude.answer(Script::spend_cap());
    let (_, retries, answer) = finish(upstream(&claude).ask(question("Hi"))).await;
    assert_eq!((failure(&answer).code.as_str(), retries), ("upstream_failed", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_do_not_mix() {
    let claude = FakeClaude::start().await;
    let upstream = upstream(&claude);
    let gate = Gate::new();
    for at in 0..100 {
        claude
            .answer(Script::new().begin().text(&format!("{at} ")).until(&gate).text(&format!("{at}")).stop("end_turn"));
    }
    let calls = (0..100).map(|_| tokio::spawn(finish(upstream.ask(question("Hi"))))).collect::<Vec<_>>();
    claude.until_requests(100).await;
    gate.open();
    for call in calls {
        let (text, _, answer) = call.await.expect("no panic");
        let (first, second) = text.split_once(' ').expect("two pieces");
        assert_eq!((first, answer.end), (second, End::Complete));
    }
}
