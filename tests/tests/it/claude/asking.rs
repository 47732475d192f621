//! Requests: ids, options, what is refused.

use ws_claude::ClientOption;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_run_from_two_devices_is_asked_once() {
    let (claude, server) = start().await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().until(&gate).text("Yes").stop("end_turn"));
    let payload = json!({"channel": ROOM, "prompt": "Hi", "run_id": "one"});
    let (mut ann, mut bob) = (member(&server).await, member(&server).await);
    let first = ann.ask("ask_claude", payload.clone()).await;
    assert_eq!(bob.ask("ask_claude", payload.clone()).await, first, "while it is open");
    // As values: numbers may be written differently, null is nothing, and other fields do not count.
    let text = format!(
        r#"{{"id":"x","type":"request","action":"ask_claude","payload":{{"run_id":"one","more":1,"system":null,"context":0e0,"prompt":"\u0048i","channel":"{ROOM}"}}}}"#
    );
    bob.text(text).await;
    assert_eq!(bob.answer("x").await["data"], first);
    let other = json!({"channel": ROOM, "prompt": "Ho", "run_id": "one"});
    assert_eq!(bob.refusal("ask_claude", other.clone()).await, "conflict");
    gate.open();
    finished(&mut ann).await;
    server.wait_for_metric("ws_claude_runs_open", 0.0).await;
    assert_eq!(bob.ask("ask_claude", payload).await, first, "while its beginning is retained");
    assert_eq!(bob.refusal("ask_claude", other).await, "conflict");
    assert_eq!(claude.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_free_again_has_a_new_stream() {
    let (claude, server) = with(|config| config.channels.history_size = 2).await;
    let mut client = member(&server).await;
    let payload = json!({"channel": ROOM, "prompt": "Hi", "run_id": "one"});
    let first = client.ask("ask_claude", payload.clone()).await;
    finished(&mut client).await;
    server.wait_for_metric("ws_claude_runs_open", 0.0).await;
    for n in 0..2 {
        client.ask("publish", json!({"channel": ROOM, "data": n})).await;
    }
    let mut reader = server.connect().await;
    follow(&mut reader, &first).await;
    read_stream(&mut reader, &stream_of(&first)).await;
    let second = client.ask("ask_claude", payload).await;
    assert_eq!(second["stream"], first["stream"]);
    assert_ne!(second["stream_epoch"], first["stream_epoch"]);
    let gap = reader.event("gap").await;
    assert_eq!((&gap["epoch"], &gap["after"]), (&second["stream_epoch"], &json!(0)));
    assert_eq!(read_stream(&mut reader, &stream_of(&second)).await.1["status"], "complete");
    assert_eq!(claude.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request() {
    let (claude, server) = start().await;
    let mut client = member(&server).await;
    let mut check = async |payload: Value, code: &str| {
        assert_eq!(client.refusal("ask_claude", payload.clone()).await, code, "{payload}");
    };
    check(json!({"channel": ROOM}), "invalid_payload").await;
    check(json!({"channel": ROOM, "prompt": "  "}), "invalid_payload").await;
    check(json!({"channel": ROOM, "prompt": 1}), "invalid_payload").await;
    check(json!({"channel": ROOM, "prompt": "Hi", "run_id": "a/b"}), "invalid_payload").await;
    check(json!({"channel": ROOM, "messages": [["user", "Hi"]]}), "invalid_payload").await;
    check(json!({"channel": ROOM, "messages": [{"role": "system", "content": "Hi"}]}), "invalid_payload").await;
    check(json!({"channel": "x".repeat(184), "prompt": "Hi"}), "invalid_channel").await;
    check(json!({"channel": "claude:room/1", "prompt": "Hi"}), "invalid_channel").await;
    check(json!({"channel": "claude:room", "prompt": "Hi"}), "invalid_channel").await;
    check(json!({"channel": "nope:room", "prompt": "Hi"}), "unknown_namespace").await;
    let half = format!(
        r#"{{"id":"x","type":"request","action":"ask_claude","payload":{{"channel":"{ROOM}","prompt":"\ud83d"}}}}"#
    );
    client.text(half).await;
    let answer = client.answer("x").await;
    assert_eq!(answer["error"]["code"], "invalid_payload", "{answer}");
    assert!(claude.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_set_only_what_they_may() {
    let (claude, server) = start().await;
    let mut client = member(&server).await;
    let options = [
        json!({"system": "Be rude"}),
        json!({"model": "claude-sonnet-5-5"}),
        json!({"max_tokens": 1}),
        json!({"effort": "low"}),
        json!({"thinking": "omitted"}),
    ];
    for option in options {
        let mut payload = json!({"channel": ROOM, "prompt": "Hi"});
        payload.as_object_mut().expect("an object").extend(option.as_object().expect("an object").clone());
        assert_eq!(client.refusal("ask_claude", payload).await, "permission_denied", "{option}");
    }
    assert!(claude.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_reach_the_provider() {
    let (claude, server) = with(|config| {
        config.claude.client_options =
            vec![ClientOption::System, ClientOption::Model, ClientOption::MaxTokens, ClientOption::Effort];
        config.claude.models_allowed = vec!["claude-haiku-5-5".to_owned()];
        config.claude.system = Some("Be kind".to_owned());
        config.claude.max_tokens = 500;
    })
    .await;
    let mut client = member(&server).await;
    ask(&mut client, "Hi").await;
    finished(&mut client).await;
    let set = json!({"channel": ROOM, "prompt": "Hi", "system": "Be brief", "model": "claude-haiku-5-5", "max_tokens": 77,
                     "effort": "low"});
    client.ask("ask_claude", set).await;
    finished(&mut client).await;
    let bodies: Vec<_> = claude.requests().into_iter().map(|request| request.body).collect();
    assert!(
        bodies[0]["system"].to_string().contains("Be kind") && bodies[1]["system"].to_string().contains("Be brief")
    );
    assert_eq!((&bodies[0]["model"], &bodies[0]["max_tokens"]), (&json!("claude-sonnet-5-5"), &json!(500)));
    assert_eq!((&bodies[1]["model"], &bodies[1]["max_tokens"]), (&json!("claude-haiku-5-5"), &json!(77)));
    assert_eq!(bodies[1]["output_config"]["effort"], "low");
    let wrong = json!({"channel": ROOM, "prompt": "Hi", "model": "claude-opus-5-5"});
    assert_eq!(client.refusal("ask_claude", wrong).await, "permission_denied");
    let wrong = json!({"channel": ROOM, "prompt": "Hi", "max_tokens": 501});
    assert_eq!(client.refusal("ask_claude", wrong).await, "invalid_payload");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_sent_as_it_is() {
    let (claude, server) = start().await;
    let mut client = member(&server).await;
    let messages = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                          {"role": "user", "content": "c"}]);
    client.ask("ask_claude", json!({"channel": ROOM, "messages": messages})).await;
    let started = next_in(&mut client, ROOM).await["data"].clone();
    assert_eq!((&started["messages"], &started["prompt"]), (&messages, &Value::Null));
    finished(&mut client).await;
    assert_eq!(claude.requests()[0].body["messages"], messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_it_is_not_available_and_says_how() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let answer = client.request("a", "ask_claude", json!({"channel": ROOM, "prompt": "Hi"})).await;
    assert_eq!(answer["error"]["code"], "not_available");
    assert!(answer["error"]["message"].as_str().expect("a text").contains("ANTHROPIC_API_KEY"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_without_history_has_runs_too() {
    let (claude, server) = with(|config| config.channels.history_size = 0).await;
    let gate = Gate::new();
    claude.answer(Script::new().begin().text("Ye").until(&gate).text("s").stop("end_turn"));
    let mut client = member(&server).await;
    let payload = json!({"channel": ROOM, "prompt": "Hi", "run_id": "one", "context": 3});
    let run = client.ask("ask_claude", payload.clone()).await;
    assert!(run.get("offset").is_none() && run.get("epoch").is_none(), "{run}");
    assert_eq!(client.ask("ask_claude", payload).await, run);
    follow(&mut client, &run).await;
    gate.open();
    assert_eq!(read_stream(&mut client, &stream_of(&run)).await.0, "Yes");
    assert_eq!(finished(&mut client).await["text"], "Yes");
    server.wait_for_metric("ws_claude_runs_open", 0.0).await;
    let cancel = json!({"channel": ROOM, "run_id": "one"});
    assert_eq!(client.ask("cancel_claude", cancel).await["status"], "complete", "as its stream says");
}
