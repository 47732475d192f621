//! What the operator and the server API see, and what nobody sees: the key.

use ws_tests::api::{Api, with_key};
use ws_tests::process::Signal;

use super::*;
use crate::SERVER;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_lists_runs_and_reads_streams() {
    let (claude, server) = with(with_key).await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("Half").until(&gate).stop("end_turn"));
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    follow(&mut client, &run).await;
    assert_eq!(next_in(&mut client, &stream_of(&run)).await["data"]["text"], "Half");
    client.ask("unsubscribe", json!({"channel": run["stream"]})).await;
    let stream = stream_of(&run).replace('/', "%2F");
    let mut api = Api::connect(server.addr()).await;
    let open = api.ok("GET", "/channels/room/runs", Value::Null).await;
    let one = &open["runs"][0];
    assert_eq!((&one["run_id"], &one["status"], &one["user"]), (&run["run_id"], &json!("running"), &Value::Null));
    assert_eq!(one["model"], "claude-sonnet-5-5");
    assert!(one["started_at"].as_u64().is_some_and(|at| at > 1_600_000_000_000), "{one}");
    assert_eq!(api.ok("GET", "/channels/other/runs", Value::Null).await, json!({"runs": []}));
    assert_eq!(api.refusal("GET", "/channels/nope:x/runs", Value::Null).await, (404, "unknown_namespace".to_owned()));
    assert_eq!(api.refusal("GET", "/channels/claude:a/runs", Value::Null).await, (400, "invalid_channel".to_owned()));

    let publications = format!("/channels/{stream}/publications");
    let denied = (403, "permission_denied".to_owned());
    assert_eq!(api.refusal("POST", &publications, json!({"data": 1})).await, denied);
    assert_eq!(api.refusal("DELETE", &publications, Value::Null).await, denied, "it is open");
    let batch = json!({"requests": [{"method": "POST", "path": publications, "body": {"data": 1}},
                                    {"method": "GET", "path": "/channels/room/runs"}]});
    let answers = api.ok("POST", "/batch", batch).await;
    let statuses: Vec<_> =
        answers["responses"].as_array().expect("a list").iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [json!(403), json!(200)]);
    let page = api.ok("GET", &publications, Value::Null).await;
    assert_eq!(page["publications"][0]["data"]["text"], "Half");
    assert_eq!(api.ok("GET", &format!("/channels/{stream}"), Value::Null).await["namespace"], "claude");
    let subscription = format!("/connections/{}/subscriptions/{stream}", client.id());
    api.ok("PUT", &subscription, Value::Null).await;
    assert_eq!(client.event("subscribed").await["channel"], run["stream"]);
    gate.open();
    finished(&mut client).await;
    server.wait_for_metric("ws_claude_runs_open", 0.0).await;
    assert_eq!(api.ok("GET", "/channels/room/runs", Value::Null).await, json!({"runs": []}));
    api.ok("DELETE", &publications, Value::Null).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_kept_for_a_while_after_its_end_and_not_from_its_beginning() {
    let (claude, server) = with(|config| config.claude.stream_ttl = Duration::from_secs(3)).await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("Old").until(&gate).text("New").stop("end_turn"));
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    let stream = stream_of(&run);
    follow(&mut client, &run).await;
    next_in(&mut client, &stream).await;
    // Longer than it is kept after the end.
    tokio::time::sleep(Duration::from_millis(3400)).await;
    assert_eq!(history(&mut client, &stream).await[0]["text"], "Old", "an open run loses nothing");
    gate.open();
    let end = finished(&mut client).await;
    let whole: String = history(&mut client, &stream).await.iter().filter_map(|data| data["text"].as_str()).collect();
    assert_eq!((whole.as_str(), &end["text"]), ("OldNew", &json!("OldNew")));
    until("the stream to be gone", async || history(&mut client, &stream).await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted() {
    let (claude, server) = start().await;
    claude.answer(Script::error(529, "overloaded_error", "Overloaded"));
    claude.answer(Script::answer(&["Yes"]));
    let mut client = member(&server).await;
    ask(&mut client, "Hi").await;
    finished(&mut client).await;
    let metrics = server.metrics().await;
    let counted = [
        ("ws_claude_runs_total{status=\"complete\"}", 1.0),
        ("ws_claude_runs_total{status=\"failed\"}", 0.0),
        ("ws_claude_retries_total", 1.0),
        ("ws_claude_errors_total{type=\"overloaded_error\"}", 1.0),
        ("ws_claude_first_text_seconds_count", 1.0),
    ];
    for (name, expect) in counted {
        assert_eq!(metrics.get(name), expect, "{name}");
    }
    assert!(metrics.get("ws_claude_tokens_total{model=\"claude-sonnet-5-5\",kind=\"output\"}") > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_key_nor_what_is_said_is_in_the_log() {
    let claude = FakeClaude::start().await;
    claude.answer(Script::error(401, "authentication_error", &format!("invalid x-api-key {KEY}")));
    claude.answer(Script::answer(&["the-answer"]));
    let variables = [("ANTHROPIC_API_KEY", KEY), ("WS_SERVER__CLAUDE__BASE_URL", &claude.url()), ("RUST_LOG", "debug")];
    let mut server = Process::start(SERVER, &variables).await;
    let log = server.follow_log();
    let mut client = Client::connect(server.addr(), "/ws").await;
    client.ask("subscribe", json!({"channel": ROOM})).await;
    let mut frames = Vec::new();
    for prompt in ["the-first-prompt", "the-second-prompt"] {
        ask(&mut client, prompt).await;
        frames.push(finished(&mut client).await.to_string());
    }
    assert!(frames[0].contains("failed") && frames[1].contains("the-answer"), "{frames:?}");
    server.signal(Signal::Term).await;
    client.event("draining").await;
    client.closed().await;
    assert_eq!(server.exit_code().await, Some(0));
    let log = log.await.expect("it reads").join("\n");
    assert!(log.contains("claude: started") && log.contains("claude: finished"), "ids are logged");
    for secret in [KEY, "the-first-prompt", "the-second-prompt", "the-answer"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(frames.iter().all(|frame| !frame.contains(KEY)), "{frames:?}");
}
