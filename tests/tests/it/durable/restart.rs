//! A server that is stopped and started: its clients only notice the pause.

use ws_tests::process::Signal;

use super::*;

fn since(channel: &str, epoch: &Value, offset: u64) -> Value {
    json!({"channel": channel, "since": {"epoch": epoch, "offset": offset}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_recovers_as_if_nothing_had_happened() {
    let dir = directory("restart");
    let server = start(host(), &dir).await;
    let addr = server.addr();
    let mut client = connect(&server).await;
    let empty = client.ask("subscribe", json!({"channel": "empty"})).await;
    let full = client.ask("subscribe", json!({"channel": "full"})).await;
    let mut publisher = connect(&server).await;
    for n in 1..=3 {
        let answer = publisher.ask("publish", json!({"channel": "full", "data": n, "msg_id": n.to_string()})).await;
        assert_eq!((&answer["offset"], &answer["ack"]), (&json!(n), &json!("durable")), "{answer}");
        assert_eq!(client.event("publication").await["offset"], n);
    }
    server.signal(Signal::Term).await;
    assert_eq!(client.closed().await.0, 1001);
    assert_eq!(publisher.closed().await.0, 1001);
    assert_eq!(server.exit_code().await, Some(0));

    let server = start(addr, &dir).await;
    let mut client = connect(&server).await;
    for (channel, epoch, offset, top) in [("empty", &empty["epoch"], 0, 0), ("full", &full["epoch"], 1, 3)] {
        let answer = client.ask("subscribe", since(channel, epoch, offset)).await;
        assert_eq!((&answer["epoch"], &answer["offset"]), (epoch, &json!(top)), "{answer}");
        assert_eq!(answer["recovered"], true, "{answer}");
    }
    for n in [2, 3] {
        assert_eq!(client.event("publication").await["offset"], n);
    }
    let answer = client.ask("publish", json!({"channel": "full", "data": 3, "msg_id": "3"})).await;
    assert_eq!((&answer["offset"], &answer["duplicate"]), (&json!(3), &json!(true)), "{answer}");
    assert_eq!(client.refusal("publish", json!({"channel": "full", "data": 4, "msg_id": "3"})).await, "conflict");
    let answer = client.ask("publish", json!({"channel": "full", "data": 4})).await;
    assert_eq!(answer["offset"], 4, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_namespace_does_not_keep_is_not_durable() {
    let dir = directory("passing");
    let variables = [("WS_SERVER__NAMESPACES__CURSOR__HISTORY_SIZE", "0"), ("WS_SERVER__CANARY__INTERVAL", "0s")];
    let server = start_with(host(), &dir, &variables).await;
    let mut client = connect(&server).await;
    client.ask("subscribe", json!({"channel": "cursor:1"})).await;
    let answer = client.ask("publish", json!({"channel": "cursor:1", "data": [1, 2]})).await;
    assert_eq!((&answer["ack"], &answer["offset"]), (&json!("memory"), &Value::Null), "{answer}");
    assert_eq!(client.event("publication").await["data"], json!([1, 2]));
    let metrics = http::metrics(server.addr()).await;
    assert_eq!(metrics.get("ws_engine_committed_total"), 0.0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_history_holds_for_channels_that_nobody_uses() {
    let dir = directory("shorter");
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    for n in 0..40 {
        client.ask("publish", json!({"channel": format!("idle{}", n % 10), "data": n})).await;
    }
    server.kill().await;
    let _server = start_with(host(), &dir, &[("WS_SERVER__CHANNELS__HISTORY_SIZE", "1")]).await;
    let inspect = async || {
        let output = std::process::Command::new(SERVER).arg("inspect").arg(&dir).output().expect("it starts");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        out.contains("10 channels, 10 publications").then_some(())
    };
    until("one of each is left on the disk", inspect).await;
}

/// Most of it comes from the disk, in pages, while publishing goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_far_behind_catches_up() {
    const STORED: u64 = 20_000;
    let dir = directory("behind");
    let server = start(host(), &dir).await;
    let mut publisher = connect(&server).await;
    let publish = |n: u64| request("p", "publish", json!({"channel": "far", "data": n}));
    let mut epoch = Value::Null;
    for chunk in (1..=STORED).collect::<Vec<_>>().chunks(500) {
        publisher.texts(chunk.iter().map(|n| publish(*n))).await;
        for n in chunk {
            let mut answer = publisher.answer("p").await;
            assert_eq!(answer["data"]["offset"], *n);
            epoch = answer["data"]["epoch"].take();
        }
    }
    let mut readers = Vec::new();
    for offset in [0, 1, 10_000, STORED - 1, STORED] {
        let mut client = connect(&server).await;
        let answer = client.ask("subscribe", since("far", &epoch, offset)).await;
        assert_eq!(answer["recovered"], true, "{answer}");
        readers.push((client, offset));
    }
    publisher.texts((STORED + 1..=STORED + 100).map(publish)).await;
    for (mut client, offset) in readers {
        for n in offset + 1..=STORED + 100 {
            assert_eq!(client.event("publication").await["offset"], n);
        }
    }
}
