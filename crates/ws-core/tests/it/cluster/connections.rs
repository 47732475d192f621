//! How many connections there are, on all servers.

use serde_json::json;

use super::{Servers, answer_of, ask, limits, say, seen};

#[tokio::test(start_paused = true)]
async fn those_of_all_servers_count() {
    let servers = Servers::start(3, limits(), &[]);
    let (mut here, there) = (servers.connect(0), servers.connect(1));
    let _others = [1, 2].map(|server| servers.connect(server));
    assert_eq!(ask(&mut here, "get_connections", &json!({})).await, Ok(json!({"count": 4})));
    drop(there);
    assert_eq!(ask(&mut here, "get_connections", &json!({})).await, Ok(json!({"count": 3})));
    servers.store.kill(&servers.nodes[1]);
    assert_eq!(ask(&mut here, "get_connections", &json!({})).await, Ok(json!({"count": 2})));
}

#[tokio::test(start_paused = true)]
async fn answers_keep_their_order_while_one_is_late() {
    let servers = Servers::start(2, limits(), &[]);
    let mut here = servers.connect(0);
    servers.store.hold();
    say(&mut here, "get_connections", &json!({}));
    assert!(here.session.is_holding());
    let gone = servers.connect(0);
    let mut gone = gone;
    say(&mut gone, "get_presence", &json!({"channel": "a"}));
    drop(gone);
    assert!(seen(&mut here).await.is_empty());
    servers.store.release();
    assert_eq!(answer_of(&seen(&mut here).await, "get_connections"), Some(Ok(json!({"count": 1}))));
    assert!(ask(&mut here, "echo", &json!({"message": 1})).await.is_ok());
}
