//! A client that shuts down its sending side gets the answers to everything it sent, as over HTTP.

use std::sync::Arc;

use ws_tests::prelude::*;

use crate::held::Held;

fn publish(id: usize) -> Vec<u8> {
    let payload = json!({"channel": "a", "data": id});
    raw::text(&json!({"id": id.to_string(), "type": "request", "action": "publish", "payload": payload}).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_the_end_is_answered() {
    const PUBLISHED: usize = 20;
    let engine = Arc::new(Held::new());
    let server = Server::over(engine.clone(), |_| {}).await;
    let mut client = Raw::websocket(server.addr()).await;
    client.write(&(1..=PUBLISHED).flat_map(publish).collect::<Vec<_>>()).await;
    client.finish().await;
    until("all to be accepted", async || (engine.held() == PUBLISHED).then_some(())).await;
    engine.let_go();
    for id in 1..=PUBLISHED {
        assert_eq!(client.json().await["id"], id.to_string());
    }
    assert!(client.rest().await.is_empty(), "and then the server ends its side");
    server.wait_for_metric("ws_connections", 0.0).await;
}

/// Also if the answers fill the socket, and if no answer is due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_wait_for_the_socket_arrive() {
    const ECHOES: usize = 200;
    let server = Server::start().await;
    let mut idle = Raw::websocket(server.addr()).await;
    idle.finish().await;
    assert!(idle.rest().await.is_empty());

    let mut client = Raw::websocket(server.addr()).await;
    let message = "x".repeat(50_000);
    let echo = move |id: &str| {
        json!({"id": id, "type": "request", "action": "echo", "payload": {"message": message}}).to_string()
    };
    client.write(&raw::text(&echo("first"))).await;
    assert_eq!(client.json().await["id"], "first");
    let (mut reader, mut writer) = client.into_inner().into_split();
    let sent = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        for id in 0..ECHOES {
            writer.write_all(&raw::text(&echo(&id.to_string()))).await.expect("the server reads");
        }
        writer.shutdown().await.expect("a socket");
    });
    let mut bytes = Vec::new();
    within("the end", tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes)).await.expect("no reset");
    sent.await.expect("all was sent");
    assert!(bytes.len() > ECHOES * 50_000, "all echoes are there: {} bytes", bytes.len());
}
