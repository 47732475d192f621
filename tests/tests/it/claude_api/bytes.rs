//! The same answer, however its bytes are cut and its lines end.

use ws_tests::fake_claude::{Gate, Script, Split};

use super::*;

const PIECES: [&str; 5] = ["Grüße, ", "世界 ", "👩‍👩‍👧‍👦", " \u{2028}\"quoted\"\\\n", "end"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_they_are_cut() {
    let claude = FakeClaude::start().await;
    let upstream = without_retries(&claude);
    let splits = [Split::Events, Split::Joined, Split::Bytes(1), Split::Bytes(7), Split::Random(1), Split::Random(2)];
    for split in splits {
        for line_end in ["\n", "\r\n", "\r"] {
            let begun = Script::new().split(split).line_end(line_end).begin();
            let script = PIECES.iter().fold(begun, |script, piece| script.text(piece).ping()).stop("end_turn");
            claude.answer(script);
            let (text, _, answer) = finish(upstream.ask(question("Hi"))).await;
            assert_eq!((text, &answer.end), (PIECES.concat(), &End::Complete), "{split:?}, {line_end:?}");
            assert_eq!(answer.usage.output_tokens, Some(6), "{split:?}, {line_end:?}");
        }
    }
    assert!(claude.requests().iter().all(|request| request.refused.is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_is_told_before_the_next_one_comes() {
    let claude = FakeClaude::start().await;
    let (first, second) = (Gate::new(), Gate::new());
    claude.answer(Script::new().begin().text("a").until(&first).text("b").until(&second).text("c").stop("end_turn"));
    let mut call = upstream(&claude).ask(question("Hi"));
    assert_eq!(first_text(&mut call).await, "a");
    first.open();
    assert_eq!(first_text(&mut call).await, "b");
    second.open();
    assert_eq!(finish(call).await.0, "c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_answer_is_whole() {
    let claude = FakeClaude::start().await;
    let pieces: Vec<_> = (0..20_000).map(|at| format!("{at} ")).collect();
    let script = pieces.iter().fold(Script::new().split(Split::Joined).begin(), |script, piece| script.text(piece));
    claude.answer(script.stop("max_tokens"));
    let (text, _, answer) = finish(upstream(&claude).ask(question("Count."))).await;
    assert_eq!((text == pieces.concat(), answer.stop_reason.as_deref()), (true, Some("max_tokens")));
    // All of it in one event, as from an endpoint that does not really stream.
    let long = "0123456789abcdef".repeat(60_000);
    claude.answer(Script::answer(&[&long]));
    assert!(finish(upstream(&claude).ask(question("Count."))).await.0 == long);
}
