//! The dashboard and the alert rules in `docs/`: they ask for metrics that servers have, and a Prometheus that scrapes
//! them has an answer to each of their queries.

mod names;
mod prometheus;
mod queries;
mod rules;

use ws_server::config::{Config, EngineType};
use ws_tests::api::{self, Api};
use ws_tests::prelude::*;
use ws_tests::redis::Redis;

use crate::durable::directory;

/// Two servers that together have every metric: one keeps what is published in a database, one in Redis.
async fn servers(name: &str, redis: &Redis) -> [Server; 2] {
    let dir = directory(name);
    let sqlite = |config: &mut Config| {
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = dir;
    };
    [server(sqlite).await, server(|config| redis.configure(config)).await]
}

/// A server with this engine, which has keys for tokens and for the API.
async fn server(engine: impl FnOnce(&mut Config)) -> Server {
    Server::with(|config| {
        engine(config);
        config.canary.interval = Duration::from_millis(200);
        config.heartbeat.interval = Duration::from_millis(200);
        config.channels.history_size = 50;
        token::accept(config);
        api::with_key(config);
    })
    .await
}

/// Some of everything: a user and one whose token is wrong, publications, histories, errors, the HTTP API with the right
/// key and a wrong one.
async fn traffic(server: &Server) {
    let mut user = Client::with_token(server.addr(), &token::of("ann", &json!({}))).await;
    let mut reader = server.connect().await;
    reader.ask("subscribe", json!({"channel": "room"})).await;
    user.ask("echo", json!({"message": 1})).await;
    user.ask("broadcast", json!({"message": 1})).await;
    reader.event("broadcast").await;
    for n in 0..20 {
        user.ask("publish", json!({"channel": "room", "data": n})).await;
    }
    for _ in 0..20 {
        reader.event("publication").await;
    }
    reader.ask("get_history", json!({"channel": "room"})).await;
    reader.ask("get_presence", json!({"channel": "room"})).await;
    reader.ask("unsubscribe", json!({"channel": "room"})).await;
    reader.ask("subscribe", json!({"channel": "room", "rewind": 10})).await;
    assert_eq!(user.refusal("publish", json!({"channel": "", "data": 1})).await, "invalid_channel");
    user.ask("get_connections", json!({})).await;
    assert_eq!(user.refusal("authenticate", json!({"token": "nonsense"})).await, "invalid_token");
    Api::connect(server.addr()).await.ok("POST", "/channels/room/publications", json!({"data": 1})).await;
    assert_eq!(Api::with(server.addr(), "wrong").await.ask("GET", "/channels", Value::Null).await.status, 401);
    user.close().await;
    reader.close().await;
}
