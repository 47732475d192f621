//! The limit of connections per user, in the whole cluster.

use std::pin::pin;
use std::task::Poll;

use serde_json::json;
use ws_core::{Authentication, Limits, Refusal};
use ws_proto::CloseCode;

use super::{Client, PLENTY, Servers, answer_of, ask, limits, say, seen};
use crate::client::{LOCAL, look, settle};

const ANN: &str = r#"{"user":"ann"}"#;

fn servers(max: usize) -> Servers {
    Servers::start(2, Limits { connections_per_user_max: max, ..limits() }, &[])
}

fn ann(servers: &Servers, server: usize) -> Result<Client, CloseCode> {
    Client::connect_with(&servers.hubs[server], PLENTY, Some(ANN)).map_err(|(code, error)| {
        assert_eq!(error["error"]["code"], "limit_exceeded");
        code
    })
}

#[tokio::test(start_paused = true)]
async fn it_counts_on_all_servers() {
    let servers = servers(2);
    let (first, second) = (ann(&servers, 0).expect("room"), ann(&servers, 1).expect("room"));
    for server in 0..2 {
        assert_eq!(ann(&servers, server).map(drop), Err(CloseCode::UserConnectionLimit));
        let mut client = servers.connect(server);
        assert_eq!(ask(&mut client, "authenticate", &json!({"token": ANN})).await, Err("limit_exceeded".to_owned()));
    }
    assert_eq!(servers.store.counted("ann"), 2);
    drop(first);
    let mut third = servers.connect(1);
    assert!(ask(&mut third, "authenticate", &json!({"token": ANN})).await.is_ok());
    // A refresh is no connection.
    assert!(ask(&mut third, "authenticate", &json!({"token": ANN})).await.is_ok());
    assert_eq!(ann(&servers, 0).map(drop), Err(CloseCode::UserConnectionLimit));
    // A server that died has none any more; what it has, it counts again when it is back.
    servers.store.kill(&servers.nodes[1]);
    let fourth = ann(&servers, 0).expect("room");
    servers.set_away(1, false);
    assert_eq!(servers.store.counted("ann"), 3);
    drop((second, third, fourth));
    assert_eq!(servers.store.counted("ann"), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nobody_is_asked() {
    let servers = servers(0);
    servers.set_away(0, true);
    let _client = ann(&servers, 0).expect("there is no limit");
    assert_eq!(servers.store.counted("ann"), 0);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_nobody_is_let_in() {
    let servers = servers(2);
    let hub = &servers.hubs[0];
    let mut waiting = servers.connect(0);
    servers.set_away(0, true);
    let mut permit = hub.admit(LOCAL, true).expect("room");
    assert_eq!(hub.log_in(&mut permit, ANN).await.map(drop), Err(Refusal::Engine));
    assert_eq!(hub.counters().refused(Refusal::Engine).get(), 1);
    let refused = ask(&mut waiting, "authenticate", &json!({"token": ANN})).await;
    assert_eq!(refused, Err("engine_unavailable".to_owned()));
    assert_eq!(hub.counters().authentications(Authentication::Unavailable).get(), 2);
    servers.set_away(0, false);
    assert!(ask(&mut waiting, "authenticate", &json!({"token": ANN})).await.is_ok());
    assert_eq!(servers.store.counted("ann"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_who_has_gone_gives_the_place_back() {
    let servers = servers(1);
    servers.store.hold();
    // In the handshake, and in a session; the second one has to wait for what the first one gave back.
    let mut permit = servers.hubs[0].admit(LOCAL, true).expect("room");
    let mut login = Box::pin(servers.hubs[0].log_in(&mut permit, ANN));
    assert!(look(login.as_mut()).await.is_pending());
    drop(login);
    drop(permit);
    assert!(servers.store.let_go());
    assert_eq!(servers.store.counted("ann"), 0);
    let mut client = servers.connect(1);
    say(&mut client, "authenticate", &json!({"token": ANN}));
    assert!(client.session.is_holding());
    assert_eq!(servers.store.counted("ann"), 1);
    drop(client);
    assert!(servers.store.let_go());
    assert_eq!(servers.store.counted("ann"), 0);
    // In time.
    let mut client = servers.connect(1);
    say(&mut client, "authenticate", &json!({"token": ANN, "since": {"a": {"epoch": "x", "offset": 1}}}));
    servers.store.release();
    assert_eq!(answer_of(&seen(&mut client).await, "authenticate"), Some(Ok(json!({"user": "ann"}))));
    settle().await;
    let mut permit = servers.hubs[0].admit(LOCAL, true).expect("room");
    let login = pin!(servers.hubs[0].log_in(&mut permit, ANN));
    assert!(matches!(look(login).await, Poll::Ready(Ok(Err(_)))));
}
