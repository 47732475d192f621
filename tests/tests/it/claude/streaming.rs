//! What streams: fragments, thinking, retries, readers that come late.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_gets_two_publications_and_the_stream_the_words() {
    let (claude, server) = start().await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("Hel").until(&gate).text("lo").stop("end_turn"));
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    let (run_id, stream) = (run["run_id"].as_str().expect("an id"), stream_of(&run));
    assert_eq!(stream, format!("claude:{ROOM}/{run_id}"));
    assert_eq!((&run["channel"], &run["offset"]), (&json!(ROOM), &json!(1)));

    let event = next_in(&mut client, ROOM).await;
    let started = json!({"claude": "started", "run_id": run_id, "stream": stream, "stream_epoch": run["stream_epoch"],
                         "model": "claude-sonnet-5-5", "prompt": "Hi", "request_digest": event["data"]["request_digest"]});
    assert_eq!((&event["data"], &event["offset"]), (&started, &json!(1)));
    assert_eq!(event["from"], json!({"service": "claude", "user": null}));

    let subscribed = follow(&mut client, &run).await;
    assert_eq!((&subscribed["epoch"], &subscribed["recovered"]), (&run["stream_epoch"], &json!(true)));
    let first = next_in(&mut client, &stream).await;
    assert_eq!((&first["data"], &first["offset"]), (&json!({"claude": "text", "index": 0, "text": "Hel"}), &json!(1)));
    gate.open();
    let second = next_in(&mut client, &stream).await;
    assert_eq!(second["data"], json!({"claude": "text", "index": 1, "text": "lo"}));
    let in_stream = next_in(&mut client, &stream).await["data"].clone();
    let mut in_channel = finished(&mut client).await;
    assert_eq!(in_channel["text"], "Hello");
    in_channel.as_object_mut().expect("an object").remove("text");
    assert_eq!(in_channel, in_stream, "the same but for the text");
    assert_eq!((&in_stream["status"], &in_stream["stop_reason"]), (&json!("complete"), &json!("end_turn")));
    assert!(in_stream["usage"]["output_tokens"].as_u64().is_some(), "{in_stream}");

    let request = &claude.requests()[0];
    assert!(request.refused.is_none(), "{:?}", request.refused);
    assert_eq!(request.body["messages"], json!([{"role": "user", "content": "Hi"}]));
    assert_eq!(claude.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_browsers_read_the_same_and_one_of_them_reloads_in_the_middle() {
    let (claude, server) = start().await;
    let gates = [Gate::new(), Gate::new()];
    let script = (0..50).fold(Script::new().begin(), |script, n| script.text(&format!("{n} ä😀 ")));
    let script = (0..50).fold(script.until(&gates[0]), |script, n| script.text(&format!("{n} bis ")));
    let script = script.until(&gates[1]).text("Ende").stop("end_turn");
    let whole = script.full_text().to_owned();
    claude.answer(script);
    let (mut ann, mut bob) = (member(&server).await, member(&server).await);
    let run = ask(&mut ann, "Hi").await;
    let stream = stream_of(&run);
    follow(&mut ann, &run).await;
    follow(&mut bob, &run).await;
    let first = next_in(&mut bob, &stream).await;
    // The page is loaded again: it goes on from its position.
    bob.close().await;
    gates[0].open();
    let mut bob = member(&server).await;
    let since = json!({"epoch": run["stream_epoch"], "offset": first["offset"]});
    let back = bob.ask("subscribe", json!({"channel": stream, "since": since})).await;
    assert_eq!(back["recovered"], true);
    gates[1].open();
    let (of_ann, _) = read_stream(&mut ann, &stream).await;
    let (rest, _) = read_stream(&mut bob, &stream).await;
    let of_bob = format!("{}{rest}", first["data"]["text"].as_str().expect("text"));
    assert_eq!((of_ann.as_str(), of_bob.as_str()), (whole.as_str(), whole.as_str()));
    assert_eq!(finished(&mut bob).await["text"], whole.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reader_has_the_whole_text() {
    let (claude, server) = with(|config| config.claude.delta_interval = Duration::ZERO).await;
    let gate = Gate::new();
    let script = (0..900).fold(Script::new().begin(), |script, n| script.text(&format!("{n} ")));
    let script = (900..1000).fold(script.until(&gate), |script, n| script.text(&format!("{n} ")));
    let script = script.stop("end_turn");
    let whole = script.full_text().to_owned();
    claude.answer(script);
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    let stream = stream_of(&run);
    let mut late = member(&server).await;
    // As soon as the first 900 are there.
    until("the first part", async || {
        let said: String = history(&mut late, &stream).await.iter().filter_map(|data| data["text"].as_str()).collect();
        said.ends_with(" 899 ").then_some(())
    })
    .await;
    follow(&mut late, &run).await;
    gate.open();
    assert_eq!(read_stream(&mut late, &stream).await.0, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_leaves_the_history_of_its_channel_alone() {
    let (claude, server) = with(|config| config.claude.delta_interval = Duration::ZERO).await;
    claude.answer((0..1500).fold(Script::new().begin(), |script, n| script.text(&format!("{n} "))).stop("end_turn"));
    let mut client = member(&server).await;
    for n in 0..10 {
        client.ask("publish", json!({"channel": ROOM, "data": n})).await;
    }
    ask(&mut client, "Hi").await;
    while client.event("publication").await["data"]["claude"] != "finished" {}
    let kept = history(&mut client, ROOM).await;
    assert_eq!(kept[..10], (0..10).map(Value::from).collect::<Vec<_>>());
    assert_eq!(kept[10..].iter().map(|data| data["claude"].clone()).collect::<Vec<_>>(), ["started", "finished"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_follow_gets_two_publications() {
    let (claude, server) = start().await;
    claude.answer((0..200).fold(Script::new().begin(), |script, n| script.text(&format!("{n} "))).stop("end_turn"));
    let mut client = member(&server).await;
    let mut other = member(&server).await;
    ask(&mut client, "Hi").await;
    finished(&mut client).await;
    client.ask("publish", json!({"channel": ROOM, "data": "last"})).await;
    let mut seen = Vec::new();
    loop {
        let data = other.event("publication").await["data"].clone();
        if data == "last" {
            break;
        }
        seen.push(data["claude"].clone());
    }
    assert_eq!(seen, ["started", "finished"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thinking_is_told_once_where_it_is_omitted_and_streams_where_it_is_asked_for() {
    let (claude, server) = with(|config| config.claude.client_options = vec![ws_claude::ClientOption::Thinking]).await;
    let script = || Script::new().begin().thinking("hm ").thinking("so").text("Yes").stop("end_turn");
    let mut client = member(&server).await;
    for (thinking, expect) in [("omitted", ""), ("summarized", "hm so")] {
        claude.answer(script());
        let payload = json!({"channel": ROOM, "prompt": "Hi", "thinking": thinking});
        let run = client.ask("ask_claude", payload).await;
        follow(&mut client, &run).await;
        finished(&mut client).await;
        let said = history(&mut client, &stream_of(&run)).await;
        let thoughts: Vec<_> = said.iter().filter(|data| data["claude"] == "thinking").collect();
        let joined: String = thoughts.iter().filter_map(|data| data["text"].as_str()).collect();
        assert_eq!(joined, expect, "{said:?}");
        assert!(thinking == "summarized" || thoughts.len() == 1, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_are_told_and_there_is_one_started() {
    let (claude, server) = start().await;
    for _ in 0..2 {
        claude.answer(Script::error(529, "overloaded_error", "Overloaded"));
    }
    claude.answer(Script::answer(&["Yes"]));
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    assert_eq!(finished(&mut client).await["status"], "complete");
    let said = history(&mut client, &stream_of(&run)).await;
    let kinds: Vec<_> = said.iter().map(|data| data["claude"].as_str().expect("a name")).collect();
    assert_eq!(kinds, ["retrying", "retrying", "text", "finished"]);
    let error = &said[0]["error"];
    assert_eq!(
        (&error["code"], &error["details"]),
        (&json!("overloaded"), &json!({"type": "overloaded_error", "status": 529}))
    );
    assert!(said[0]["after_ms"].as_u64().is_some());
    let in_room = history(&mut client, ROOM).await;
    assert_eq!(in_room.len(), 2, "{in_room:?}");
    assert_eq!(claude.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_are_joined() {
    let (claude, server) = with(|config| config.claude.delta_interval = Duration::from_secs(60)).await;
    claude.answer((0..100).fold(Script::new().begin(), |script, n| script.text(&format!("{n} "))).stop("end_turn"));
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    finished(&mut client).await;
    let said = history(&mut client, &stream_of(&run)).await;
    let kinds: Vec<_> = said.iter().map(|data| data["claude"].as_str().expect("a name")).collect();
    assert_eq!(kinds, ["text", "text", "finished"], "the first at once, the rest with the end");
}
