//! How many runs there may be.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_runs_are_overloaded() {
    let (claude, server) = with(|config| {
        (config.claude.runs_max, config.claude.runs_per_user_max, config.claude.runs_per_channel_max) = (4, 2, 3);
        accept(config);
    })
    .await;
    claude.otherwise(Script::new().begin().stall());
    let connect = async |user: &str| Client::with_token(server.addr(), &token::of(user, &json!({}))).await;
    let (mut ann, mut ann_again, mut bob) = (connect("ann").await, connect("ann").await, connect("bob").await);
    let (mut anonymous, mut other) = (server.connect().await, server.connect().await);
    let in_channel = |channel: &str, prompt: &str| json!({"channel": channel, "prompt": prompt});
    let first = ann.ask("ask_claude", in_channel("a", "1")).await;
    ann_again.ask("ask_claude", in_channel("b", "2")).await;
    let refused = ann.request("x", "ask_claude", in_channel("c", "3")).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["retryable"]), (&json!("overloaded"), &json!(true)));
    assert!(refused["error"]["message"].as_str().expect("a text").contains("runs_per_user_max"), "{refused}");
    bob.ask("ask_claude", in_channel("a", "4")).await;
    anonymous.ask("ask_claude", in_channel("a", "5")).await;
    let refused = other.request("x", "ask_claude", in_channel("a", "6")).await;
    assert!(refused["error"]["message"].as_str().expect("a text").contains("runs_max"), "{refused}");
    // One less in all, and in the channel.
    ann.ask("cancel_claude", json!({"channel": "a", "run_id": first["run_id"]})).await;
    server.wait_for_metric("ws_claude_runs_open", 3.0).await;
    other.ask("ask_claude", in_channel("a", "7")).await;
    assert_eq!(server.metrics().await.get("ws_claude_runs_open"), 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_has_so_many_runs() {
    let (claude, server) = with(|config| config.claude.runs_per_channel_max = 1).await;
    claude.otherwise(Script::new().begin().stall());
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    ask(&mut ann, "1").await;
    let refused = bob.request("x", "ask_claude", json!({"channel": ROOM, "prompt": "2"})).await;
    assert!(refused["error"]["message"].as_str().expect("a text").contains("runs_per_channel_max"), "{refused}");
    bob.ask("ask_claude", json!({"channel": "other", "prompt": "3"})).await;
}
