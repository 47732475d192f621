//! An essential task panics: the server does not keep running half dead.

use std::sync::Arc;

use ws_tests::prelude::*;

use crate::held::Held;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_fan_out_has_panicked_reports_it_and_ends() {
    let engine = Arc::new(Held::new());
    let server = Server::over(engine.clone(), |_| {}).await;
    let mut client = server.connect().await;
    client
        .text(
            json!({"id": "1", "type": "request", "action": "publish", "payload": {"channel": "a", "data": 1}})
                .to_string(),
        )
        .await;
    until("it to be accepted", async || (engine.held() == 1).then_some(())).await;
    engine.let_go();
    client.answer("1").await;
    engine.panic();
    client.ask("subscribe", json!({"channel": "a", "rewind": 1})).await;
    let ready = until("a server that is not ready", async || {
        let ready = http::ask(server.addr(), "GET", "/ready", &[]).await;
        (ready.status != 200).then_some(ready)
    })
    .await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("a fan-out task has panicked"), "{}", ready.text());
    server.ended().await;
}
