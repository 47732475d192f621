//! While the store is away: what is refused, and what still works.

use serde_json::{Value, json};

use super::{Servers, ask, limits};

#[tokio::test(start_paused = true)]
async fn all_but_three_actions_are_refused_and_the_sockets_stay() {
    let servers = Servers::start(2, limits(), &[]);
    let mut client = servers.subscriber(0, "a").await;
    servers.set_away(0, true);
    let token = json!({"user": "ann"}).to_string();
    let refused = [
        ("subscribe", json!({"channel": "b"})),
        ("publish", json!({"channel": "a", "data": 1})),
        ("publish", json!({"channel": "b", "data": 1})),
        ("get_history", json!({"channel": "a"})),
        ("get_presence", json!({"channel": "a"})),
        ("get_connections", json!({})),
        ("broadcast", json!({"message": 1})),
    ];
    for (action, payload) in &refused {
        assert_eq!(ask(&mut client, action, payload).await, Err("engine_unavailable".to_owned()), "{action}");
    }
    let allowed = [
        ("echo", json!({"message": 1})),
        ("unsubscribe", json!({"channel": "a"})),
        ("authenticate", json!({"token": token})),
        ("authenticate", json!({"token": token})),
    ];
    for (action, payload) in &allowed {
        assert!(ask(&mut client, action, payload).await.is_ok(), "{action}");
    }
    assert!(client.attention().close.is_none());
    servers.set_away(0, false);
    for (action, payload) in &refused {
        assert!(ask(&mut client, action, payload).await.is_ok(), "{action}");
    }
    let page = ask(&mut client, "get_presence", &json!({"channel": "b"})).await.expect("a page");
    let users: Vec<&Value> =
        page["clients"].as_array().expect("clients").iter().map(|client| &client["user"]).collect();
    assert_eq!(users, ["ann"]);
}
