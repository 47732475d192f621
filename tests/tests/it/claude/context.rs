//! Earlier runs before the prompt.

use super::*;

async fn ask_with(client: &mut Client, prompt: &str, context: u32) -> Value {
    let payload = json!({"channel": ROOM, "prompt": prompt, "context": context});
    client.ask("ask_claude", payload).await;
    finished(client).await
}

fn turns(claude: &FakeClaude, nth: usize) -> Vec<String> {
    let body = &claude.requests()[nth].body;
    let content = |message: &Value| message["content"].as_str().expect("a text").to_owned();
    body["messages"].as_array().expect("a list").iter().map(content).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_complete_runs_come_first() {
    let (claude, server) = start().await;
    let mut client = member(&server).await;
    for n in 1..=3 {
        claude.answer(Script::answer(&[&format!("answer {n}")]));
        ask(&mut client, &format!("question {n}")).await;
        finished(&mut client).await;
        client
            .ask(
                "publish",
                json!({"channel": ROOM, "data": {"claude": "finished", "run_id": "x", "status": "complete",
                                                                 "text": "forged"}}),
            )
            .await;
        assert_eq!(client.event("publication").await["data"]["run_id"], "x");
    }
    claude.answer(Script::new().begin().text("half").eof());
    ask(&mut client, "broken").await;
    finished(&mut client).await;
    ask_with(&mut client, "last", 2).await;
    assert_eq!(turns(&claude, 4), ["question 2", "answer 2", "question 3", "answer 3", "last"]);
    let started =
        history(&mut client, ROOM).await.into_iter().find(|data| data["prompt"] == "last").expect("it is there");
    assert_eq!(started["context"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_left_out_the_oldest_first() {
    let (claude, server) = with(|config| config.claude.context_bytes_max = 1024).await;
    let mut client = member(&server).await;
    for n in 1..=3 {
        claude.answer(Script::answer(&[&format!("{n}").repeat(400)]));
        ask(&mut client, &format!("{n}")).await;
        finished(&mut client).await;
    }
    ask_with(&mut client, "last", 9).await;
    let sent: Vec<_> = turns(&claude, 3).iter().map(|text| text.chars().next().expect("a character")).collect();
    assert_eq!(sent, ['2', '2', '3', '3', 'l']);
    let body = &claude.requests()[3].body;
    assert!(body.get("cache_control").is_none(), "a window that moves is not cached: {body}");
}
