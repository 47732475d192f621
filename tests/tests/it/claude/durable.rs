//! Runs on a server with a data directory: what a kill leaves open is closed by the next start.

use std::path::Path;

use super::*;
use crate::SERVER;
use crate::durable::{directory, host};

async fn start_at(addr: std::net::SocketAddr, dir: &Path, claude: &FakeClaude, key: Option<&str>) -> Process {
    let url = claude.url();
    let mut variables = vec![
        ("WS_SERVER_DATA_DIR", dir.to_str().expect("a path in UTF-8")),
        ("WS_SERVER__CHANNELS__READ_HISTORY", "anyone"),
        ("WS_SERVER__CLAUDE__BASE_URL", &url),
        ("WS_SERVER__CLAUDE__STREAM_TTL", "1h"),
    ];
    variables.extend(key.map(|key| ("ANTHROPIC_API_KEY", key)));
    Process::start_at(addr, SERVER, &variables).await
}

/// The `finished` of each run in the room, once it is there.
async fn ends(client: &mut Client, count: usize) -> Vec<Value> {
    until("the ends of all runs", async || {
        let all = history(client, ROOM).await;
        let ends: Vec<_> = all.into_iter().filter(|data| data["claude"] == "finished").collect();
        (ends.len() == count).then_some(ends)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_is_an_interruption_with_the_stored_text() {
    let (dir, claude) = (directory("claude-killed"), FakeClaude::start().await);
    claude.answer(Script::new().begin().text("Stored ").text("text").stall());
    let server = start_at(host(), &dir, &claude, Some(KEY)).await;
    let addr = server.addr();
    let mut client = Client::connect(addr, "/ws").await;
    client.ask("subscribe", json!({"channel": ROOM})).await;
    let payload = json!({"channel": ROOM, "prompt": "Hi", "run_id": "one"});
    let run = client.ask("ask_claude", payload.clone()).await;
    let stream = stream_of(&run);
    until("the text", async || {
        let said: String =
            history(&mut client, &stream).await.iter().filter_map(|data| data["text"].as_str()).collect();
        (said == "Stored text").then_some(())
    })
    .await;
    server.kill().await;

    // Without a key, too.
    let server = start_at(addr, &dir, &claude, None).await;
    let mut client = Client::connect(addr, "/ws").await;
    let end = ends(&mut client, 1).await.remove(0);
    assert_eq!(
        (&end["status"], &end["text"], &end["run_id"]),
        (&json!("interrupted"), &json!("Stored text"), &json!("one"))
    );
    let said = history(&mut client, &stream).await;
    let last = said.last().expect("an end");
    assert_eq!((&last["claude"], &last["status"], last.get("text")), (&json!("finished"), &json!("interrupted"), None));
    let back = follow(&mut client, &run).await;
    assert_eq!((&back["epoch"], &back["recovered"]), (&run["stream_epoch"], &json!(true)));
    let cancel = json!({"channel": ROOM, "run_id": "one"});
    assert_eq!(client.ask("cancel_claude", cancel).await["status"], "interrupted");
    server.kill().await;

    // Once, however often it starts; and the id is still that of this request.
    let server = start_at(addr, &dir, &claude, Some(KEY)).await;
    let mut client = Client::connect(addr, "/ws").await;
    assert_eq!(client.ask("ask_claude", payload).await, run);
    let other = json!({"channel": ROOM, "prompt": "Ho", "run_id": "one"});
    assert_eq!(client.refusal("ask_claude", other).await, "conflict");
    ends(&mut client, 1).await;
    assert_eq!(history(&mut client, &stream).await.len(), said.len());
    assert_eq!(claude.requests().len(), 1);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_complete_on_disk_as_well() {
    let (dir, claude) = (directory("claude-complete"), FakeClaude::start().await);
    let server = start_at(host(), &dir, &claude, Some(KEY)).await;
    let addr = server.addr();
    let mut client = Client::connect(addr, "/ws").await;
    client.ask("subscribe", json!({"channel": ROOM})).await;
    let run = ask(&mut client, "Hi").await;
    follow(&mut client, &run).await;
    let (text, _) = read_stream(&mut client, &stream_of(&run)).await;
    let end = finished(&mut client).await;
    assert_eq!((&end["status"], end["text"].as_str()), (&json!("complete"), Some(text.as_str())));
    server.kill().await;
    let server = start_at(addr, &dir, &claude, Some(KEY)).await;
    let mut client = Client::connect(addr, "/ws").await;
    assert_eq!(ends(&mut client, 1).await, [end], "nothing is added to a run that had ended");
    drop(server);
}
