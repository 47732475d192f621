//! Lists of modes: any of them suffices.

use ws_core::Mode;

use super::*;

/// Rooms in which subscribers publish, and whoever is granted it.
fn rooms(config: &mut Config) {
    token::accept(config);
    let publish = Access::SUBSCRIBER.or(Mode::Granted);
    let room = Channels { subscribe: Access::AUTHENTICATED, publish, read_history: publish, ..Channels::default() };
    config.namespaces.insert("room".to_owned(), room);
    config.actions.broadcast = Access::AUTHENTICATED.or(Mode::Granted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_publishes_where_subscribers_do() {
    let server = Server::with(rooms).await;
    let (say, read) = (json!({"channel": "room:a", "data": 1}), json!({"channel": "room:a"}));
    let mut nobody = server.connect().await;
    let mut ann = connect(&server, "ann", &json!({})).await;
    let mut backend = connect(&server, "backend", &json!({"publish": ["room:*"], "history": ["room:*"]})).await;
    for (action, payload) in [("publish", &say), ("get_history", &read)] {
        assert_eq!(nobody.refusal(action, payload.clone()).await, "unauthenticated", "{action}");
        assert_eq!(ann.refusal(action, payload.clone()).await, "permission_denied", "{action}");
        backend.ask(action, payload.clone()).await;
    }
    assert_eq!(nobody.refusal("subscribe", read.clone()).await, "unauthenticated");
    ann.ask("subscribe", read.clone()).await;
    assert_eq!(ann.ask("publish", say).await["offset"], 2);
    assert_eq!(ann.ask("get_history", read).await["offset"], 2);
    assert_eq!(nobody.refusal("broadcast", json!({"message": 1})).await, "unauthenticated");
    ann.ask("broadcast", json!({"message": 1})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_for_users_is_denied_to_others_and_asks_the_anonymous_to_authenticate() {
    let server = Server::with(token::accept).await;
    let payload = json!({"channel": "pair#ann,bob", "data": 1});
    let mut eve = connect(&server, "eve", &json!({"publish": ["*"]})).await;
    assert_eq!(eve.refusal("publish", payload.clone()).await, "permission_denied");
    let mut ann = server.connect().await;
    let answer = ann.request("1", "publish", payload.clone()).await;
    assert_eq!(code(&answer), "unauthenticated");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(message.ends_with("for the users after its `#`: authenticate first"), "{message}");
    authenticate(&mut ann, &token::of("ann", &json!({}))).await;
    ann.ask("publish", payload).await;
}
