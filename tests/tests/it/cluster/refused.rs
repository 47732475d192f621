//! What one server cannot know about all of them is refused, not answered for one.

use ws_tests::api::Api;

use super::*;

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_shared_yet_is_not_available() {
    let redis = Redis::start().await;
    let server = server(&redis).await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "c"})).await;
    for (action, payload) in [
        ("broadcast", json!({"message": 1})),
        ("get_connections", json!({})),
        ("get_presence", json!({"channel": "c"})),
    ] {
        assert_eq!(client.refusal(action, payload).await, "not_available", "{action}");
    }
    let mut api = Api::connect(server.addr()).await;
    let connection = format!("/connections/{}", client.id());
    for (method, path) in [
        ("GET", "/channels"),
        ("GET", "/channels/c"),
        ("GET", "/channels/c/presence"),
        ("GET", "/connections"),
        ("GET", &connection),
        ("DELETE", &connection),
        ("PUT", &format!("{connection}/subscriptions/d")),
        ("DELETE", &format!("{connection}/subscriptions/c")),
        ("PUT", "/users/ann/subscriptions/c"),
        ("DELETE", "/users/ann/subscriptions/c"),
        ("DELETE", "/users/ann/connections"),
    ] {
        let refusal = api.refusal(method, path, Value::Null).await;
        assert_eq!(refusal, (403, "not_available".to_owned()), "{method} {path}");
    }
    let refusal = api.refusal("POST", "/broadcast", json!({"message": 1})).await;
    assert_eq!(refusal, (403, "not_available".to_owned()));
    assert_eq!(api.ok("GET", "/node", Value::Null).await["engine"], "redis");
}
