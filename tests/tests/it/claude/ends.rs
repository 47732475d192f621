//! How runs end: one `finished` each.

use super::*;

/// The `finished` of a run that is answered with this.
async fn end_of(script: Script) -> (FakeClaude, Value) {
    let (claude, server) = start().await;
    claude.answer(script);
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    let finished = finished(&mut client).await;
    let ends = |list: Vec<Value>| list.iter().filter(|data| data["claude"] == "finished").count();
    assert_eq!(ends(history(&mut client, ROOM).await), 1);
    let said = history(&mut client, &stream_of(&run)).await;
    assert_eq!(said.last().expect("an end")["claude"], "finished");
    assert_eq!(ends(said), 1);
    (claude, finished)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spend_cap_is_not_retried() {
    let (claude, finished) = end_of(Script::spend_cap()).await;
    assert_eq!((&finished["status"], &finished["error"]["code"]), (&json!("failed"), &json!("upstream_failed")));
    assert_eq!(claude.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_text_keeps_the_part_and_is_not_retried() {
    let (claude, finished) = end_of(Script::new().begin().text("Half").fail("overloaded_error", "Overloaded")).await;
    assert_eq!((&finished["status"], &finished["text"]), (&json!("failed"), &json!("Half")));
    assert_eq!(finished["error"]["code"], "overloaded");
    assert!(finished["usage"]["output_tokens"].is_null(), "{finished}");
    assert_eq!(claude.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_without_a_stop_reason_is_a_failure() {
    let (_, finished) = end_of(Script::new().begin().text("Half").eof()).await;
    assert_eq!((&finished["status"], &finished["text"]), (&json!("failed"), &json!("Half")));
    assert_eq!(finished["error"]["code"], "upstream_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_declines_is_no_part_of_the_conversation() {
    let (claude, server) = start().await;
    claude.answer(Script::new().begin().text("I will").stop("refusal"));
    claude.answer(Script::answer(&["Yes"]));
    let mut client = member(&server).await;
    ask(&mut client, "Bad").await;
    let refused = finished(&mut client).await;
    assert_eq!((&refused["status"], &refused["text"]), (&json!("refused"), &json!("")));
    let payload = json!({"channel": ROOM, "prompt": "Good", "context": 5});
    client.ask("ask_claude", payload).await;
    finished(&mut client).await;
    assert_eq!(claude.requests()[1].body["messages"], json!([{"role": "user", "content": "Good"}]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_stops_a_run() {
    let (claude, server) = start().await;
    claude.answer(Script::new().begin().text("Half").stall());
    let (mut ann, mut bob) = (member(&server).await, member(&server).await);
    let run = ask(&mut ann, "Hi").await;
    follow(&mut ann, &run).await;
    next_in(&mut ann, &stream_of(&run)).await;
    let cancel = json!({"channel": ROOM, "run_id": run["run_id"]});
    let asked = tokio::time::Instant::now();
    let answer = bob.ask("cancel_claude", cancel.clone()).await;
    assert_eq!(answer, json!({"run_id": run["run_id"], "status": "cancelling"}));
    let closed = claude.until_closed(0).await;
    assert!(closed.duration_since(asked) < Duration::from_secs(4), "the provider is left long before it is idle");
    let end = finished(&mut bob).await;
    assert_eq!((&end["status"], &end["text"]), (&json!("cancelled"), &json!("Half")));
    assert!(end["message_id"].is_string() && end["usage"]["output_tokens"].is_null(), "{end}");
    server.wait_for_metric("ws_claude_runs_open", 0.0).await;
    assert_eq!(bob.ask("cancel_claude", cancel).await["status"], "cancelled");
    let unknown = json!({"channel": ROOM, "run_id": "nobody-knows"});
    assert_eq!(bob.refusal("cancel_claude", unknown).await, "not_found");
}

/// It is promised within a second. A machine may be too busy for that now and then, but not each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_its_provider_within_a_second() {
    const TIMES: usize = 3;
    let (claude, server) = start().await;
    let mut ann = member(&server).await;
    let mut late = Vec::new();
    while late.len() < TIMES {
        claude.answer(Script::new().begin().text("Half").stall());
        let run = ask(&mut ann, "Hi").await;
        claude.until_requests(late.len() + 1).await;
        let asked = tokio::time::Instant::now();
        ann.ask("cancel_claude", json!({"channel": ROOM, "run_id": run["run_id"]})).await;
        let took = claude.until_closed(late.len()).await.duration_since(asked);
        if took < Duration::from_secs(1) {
            return;
        }
        late.push(took);
        finished(&mut ann).await;
    }
    panic!("left after {late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_without_its_asker() {
    let (claude, server) = start().await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("a").until(&gate).text("b").stop("end_turn"));
    let (mut ann, mut bob) = (server.connect().await, member(&server).await);
    ask(&mut ann, "Hi").await;
    ann.close().await;
    server.wait_for_metric("ws_connections", 1.0).await;
    gate.open();
    assert_eq!(finished(&mut bob).await["text"], "ab");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_takes_too_long_fails() {
    let (claude, server) = with(|config| config.claude.run_timeout = Duration::from_secs(3)).await;
    claude.answer(Script::new().begin().text("Half").stall());
    let mut client = member(&server).await;
    ask(&mut client, "Hi").await;
    let end = finished(&mut client).await;
    assert_eq!(
        (&end["status"], &end["text"], &end["error"]["code"]),
        (&json!("failed"), &json!("Half"), &json!("timeout"))
    );
    claude.until_closed(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_keep_a_thinking_model_alive() {
    // The idle time is below what the thinking takes; each ping is a byte.
    let (claude, server) = with(|config| config.claude.idle_timeout = Duration::from_millis(2500)).await;
    let thinking =
        (0..30).fold(Script::new().begin().think(), |script, _| script.wait(Duration::from_millis(100)).ping());
    claude.answer(thinking.text("Yes").stop("end_turn"));
    let mut client = member(&server).await;
    ask(&mut client, "Hi").await;
    assert_eq!(finished(&mut client).await["status"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_all_runs_before_it_closes() {
    let (claude, mut server) = with(|config| {
        (config.claude.runs_per_user_max, config.claude.runs_per_channel_max) = (1000, 1000);
    })
    .await;
    claude.otherwise(Script::new().begin().text("Half").stall());
    let mut client = member(&server).await;
    let mut runs = std::collections::HashSet::new();
    for n in 0..100 {
        let run = ask(&mut client, &format!("question {n}")).await;
        runs.insert(run["run_id"].as_str().expect("an id").to_owned());
    }
    server.wait_for_metric("ws_claude_runs_open", 100.0).await;
    server.begin_drain();
    let (code, frames) = client.closed().await;
    assert_eq!(code, 1001);
    let ends = frames.iter().map(|frame| &frame["data"]["data"]).filter(|data| data["claude"] == "finished");
    let mut ended = std::collections::HashSet::new();
    for data in ends {
        assert_eq!(data["status"], "interrupted");
        assert!(ended.insert(data["run_id"].as_str().expect("an id").to_owned()), "{data}");
    }
    assert_eq!(ended, runs, "every end comes before the close");
    server.ended().await;
}
