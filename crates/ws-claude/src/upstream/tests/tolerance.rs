//! What streams may contain: kinds that nobody knows, lines of gateways, and bytes cut anywhere.

use proptest::prelude::*;

use super::super::event::Event;
use super::*;

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_passed_over() {
    let parts = [
        ": connected\n\nretry: 5\nid: 7\nevent: ping\ndata: {\"type\":\"ping\"}\n\n".to_owned(),
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n".to_owned(),
        "event: nonsense\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"No\"}}\n\n".to_owned(),
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"citations_delta\",\"citation\":{}}}\n\n".to_owned(),
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"hologram_delta\",\"text\":\"x\"}}\n\n".to_owned(),
        "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"hologram\"}}\n\n".to_owned(),
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":17}}\n\n".to_owned(),
        "data: {\"type\":\"hologram\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n".to_owned(),
        "data: [DONE]\n\ndata: {broken\n\ndata: 7\n\ndata: null\n\ndata: []\n\ndata: {}\n\n".to_owned(),
        format!("data: {}\n\n", "[".repeat(10_000)),
        "data: {\"type\":\"content_block_delta\",\ndata: \"delta\":{\"type\":\"text_delta\",\"text\":\"rth.\"}}\r\n\r\n".to_owned(),
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":null}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    let outcome = ask(vec![streaming(parts.map(Part::Bytes).to_vec())]).await;
    assert_eq!((outcome.answer.end.clone(), outcome.text().as_str()), (End::Complete, "North."));
    assert_eq!(outcome.answer.usage, Usage::default(), "no usage is no mistake");
}

#[tokio::test(start_paused = true)]
async fn the_last_number_of_each_count_is_told() {
    let delta = |usage: Value| json!({"type": "message_delta", "delta": {}, "usage": usage});
    let outcome = ask(vec![events(&[
        begin(),
        text("a"),
        delta(json!({"output_tokens": 3, "input_tokens": 11, "cache_creation_input_tokens": 2})),
        delta(json!({"output_tokens": null, "input_tokens": "12", "cache_read_input_tokens": 0})),
        stop_reason("end_turn"),
        delta(json!({"output_tokens": -1, "server_tool_use": {}})),
        stop(),
    ])])
    .await;
    let expect = Usage {
        input_tokens: Some(11),
        output_tokens: Some(7),
        cache_creation_input_tokens: Some(2),
        cache_read_input_tokens: Some(0),
    };
    assert_eq!(outcome.answer.usage, expect);
}

#[tokio::test(start_paused = true)]
async fn errors_without_a_type_are_errors() {
    let outcome = ask(vec![events(&[begin(), text("a"), json!({"error": {"message": "gateway down"}})])]).await;
    assert!(outcome.failure().message.contains("gateway down"), "{outcome:?}");
    let outcome = ask(vec![events(&[begin(), text("a"), json!({"type": "error", "error": null})])]).await;
    assert_eq!(outcome.failure().message, "the provider answered 200 and then an error");
}

#[tokio::test(start_paused = true)]
async fn thinking_is_told_as_it_was_asked_for() {
    let block = json!({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}});
    let delta =
        |text: &str| json!({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": text}});
    let sign = json!({"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "x"}});
    let stream = || {
        let all = [begin(), block.clone(), delta("Her"), delta("ring"), sign.clone(), block.clone(), text("a")];
        vec![events(&[&all[..], &[stop_reason("end_turn"), stop()]].concat())]
    };
    let thought = |text: &str| Progress::Thinking(text.to_owned());
    let answer = Progress::Text("a".to_owned());
    assert_eq!(ask(stream()).await.steps, [thought(""), answer.clone()]);
    let summarized = Question { thinking: Thinking::Summarized, ..question() };
    let outcome = ask_with(settings(), summarized, stream()).await;
    assert_eq!(outcome.steps, [thought("Her"), thought("ring"), answer]);
}

/// Reads a stream in these pieces.
fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Option<EventTooLong>) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, |event| events.push(event)) {
            return (events, Some(error));
        }
    }
    decoder.finish(|event| events.push(event));
    (events, None)
}

#[test]
fn half_a_surrogate_pair_costs_one_character() {
    let check = |escaped: &str, expect: &str| {
        let data =
            format!(r#"data: {{"type":"content_block_delta","delta":{{"type":"text_delta","text":"{escaped}"}}}}"#);
        assert_eq!(decode(&[data.as_bytes()]).0, [Event::Text(expect.to_owned())], "{escaped}");
    };
    check(r"a\ud83d\ude00b", "a😀b");
    check(r"a\ud83db", "a\u{fffd}b");
    check(r"a\ude00b", "a\u{fffd}b");
    check(r"\ude00\ud83d", "\u{fffd}\u{fffd}");
    check(r"\ud83d\ud83d\ude00", "\u{fffd}😀");
    check(r"\\ud83d\ud83d\\", "\\ud83d\u{fffd}\\");
    check(r"\ud83dé\ud83d", "\u{fffd}é\u{fffd}");
}

#[test]
fn bytes_that_are_no_utf8_cost_one_character() {
    let data = b"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\xff\"}}\n\n";
    assert_eq!(decode(&[data]).0, [Event::Text("a\u{fffd}".to_owned())]);
}

#[test]
fn nothing_follows_the_stop() {
    let stream = format!("data: {}\n\ndata: {}\n\n", stop(), text("a"));
    assert_eq!(decode(&[stream.as_bytes()]), (vec![Event::Stop], None));
    let long = vec![b'x'; super::super::limits::EVENT_BYTES_MAX + 1];
    assert_eq!(decode(&[stream.as_bytes(), &long]), (vec![Event::Stop], None));
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        texts in proptest::collection::vec(".{0,8}", 0..6),
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        len in 1..12_usize,
    ) {
        let mut events = vec![begin(), ping()];
        events.extend(texts.iter().map(|piece| text(piece)));
        events.extend([stop_reason("end_turn"), stop()]);
        let stream: String = events.iter().map(|event| format!("data: {event}{line_end}{line_end}")).collect();
        let (read, error) = decode(&stream.as_bytes().chunks(len).collect::<Vec<_>>());
        prop_assert_eq!(error, None);
        let said: String = read.iter().filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None }).collect();
        prop_assert_eq!(said, texts.concat());
        prop_assert_eq!(read, decode(&[stream.as_bytes()]).0);
    }
}
