//! Unauthenticated connections, and the limit of connections per user.

use std::time::Duration;

use serde_json::json;
use ws_core::{Flow, Limits, Refusal};
use ws_proto::CloseCode;

use super::{connect, hub_in, pass, terms};
use crate::client::{Client, LOCAL, limits, settle};

#[tokio::test(start_paused = true)]
async fn unauthenticated_connections_get_nothing_and_count_nowhere() {
    let hub = hub_in(terms(false), limits());
    let mut unauthenticated = Client::connect_greeted(&hub, 1 << 20);
    let mut ann = connect(&hub, &json!({"user": "ann"}));
    assert_eq!((hub.connections(), hub.unauthenticated(), hub.admitted()), (1, 1, 2));
    assert_eq!(ann.ask("get_connections", &json!({})), Ok(json!({"count": 1})));
    assert_eq!(ann.ask("broadcast", &json!({"message": "first"})), Ok(json!({"recipients": 1})));
    assert_eq!(unauthenticated.ask("echo", &json!({"message": 1})), Ok(json!({"echo": 1})));
    for action in
        ["fly", "unsubscribe", "broadcast", "get_connections", "subscribe", "publish", "get_history", "get_presence"]
    {
        let refused = unauthenticated.ask(action, &json!({"message": 1, "channel": "a", "data": 1}));
        assert_eq!(refused, Err("unauthenticated".to_owned()), "{action}");
    }
    settle().await;
    assert_eq!(unauthenticated.events(), [""; 0]);
    assert_eq!(unauthenticated.say(r#"{"type":"ping"}"#), Flow::Continue);
    unauthenticated.authenticate(&json!({"user": "bob"})).expect("it is in order");
    assert_eq!((hub.connections(), hub.unauthenticated()), (2, 0));
    assert_eq!(ann.ask("broadcast", &json!({"message": "second"})), Ok(json!({"recipients": 2})));
    settle().await;
    assert_eq!(unauthenticated.read_broadcasts().len(), 0);
    ann.request("broadcast", &json!({"message": 3}));
    settle().await;
    assert_eq!(unauthenticated.read_broadcasts(), [3]);
    pass(Duration::from_secs(20), &mut unauthenticated).await;
    unauthenticated.is_closed_with(None);
    drop(unauthenticated);
    settle().await;
    assert_eq!((hub.connections(), hub.unauthenticated(), hub.admitted()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_connections_have_a_deadline() {
    let hub = hub_in(terms(false), limits());
    let mut unauthenticated = Client::connect_greeted(&hub, 1 << 20);
    assert_eq!(
        unauthenticated.authenticate(&json!({"user": "ann", "within": -6_000})),
        Err("token_expired".to_owned())
    );
    pass(Duration::from_secs(9), &mut unauthenticated).await;
    unauthenticated.is_closed_with(None);
    pass(Duration::from_secs(2), &mut unauthenticated).await;
    unauthenticated.is_closed_with(Some(CloseCode::NotAuthenticated));
    let late = r#"{"id":"1","type":"request","action":"authenticate","payload":{"token":"{\"user\":\"ann\"}"}}"#;
    assert_eq!(unauthenticated.say(late), Flow::Close(CloseCode::NotAuthenticated), "it comes too late");
    assert_eq!(hub.connections(), 0);
    let mut known = connect(&hub, &json!({"user": "ann"}));
    pass(Duration::from_secs(20), &mut known).await;
    known.is_closed_with(None);
}

/// A flood of unauthenticated connections does not shut users out; one that authenticates learns whether there is a
/// free slot.
#[tokio::test(start_paused = true)]
async fn unauthenticated_connections_take_no_slots() {
    let limits = Limits { connections_max: 1, unauthenticated_max: 2, ..limits() };
    let hub = hub_in(terms(false), limits);
    let mut unauthenticated = [(); 2].map(|()| Client::connect_greeted(&hub, 1 << 20));
    let ann = connect(&hub, &json!({"user": "ann"}));
    assert_eq!(hub.admit(LOCAL, true).err(), Some(Refusal::Full));
    assert_eq!((hub.connections(), hub.unauthenticated(), hub.admitted()), (1, 2, 3));
    unauthenticated[0].request("authenticate", &json!({"token": r#"{"user":"bob"}"#}));
    let refused = unauthenticated[0].read().pop().expect("an answer");
    assert_eq!((&refused["error"]["code"], &refused["error"]["retry_after_ms"]), (&json!("overloaded"), &json!(1000)));
    assert!(unauthenticated[0].session.is_unauthenticated());
    drop(ann);
    let bob = json!({"user": "bob"});
    assert!(unauthenticated[0].authenticate(&bob).is_ok(), "there is a place now");
    assert_eq!(unauthenticated[1].authenticate(&bob), Err("overloaded".to_owned()));
    assert!(unauthenticated[0].authenticate(&bob).is_ok(), "a refresh takes no other place");
    drop(unauthenticated);
    assert_eq!((hub.connections(), hub.unauthenticated(), hub.admitted()), (0, 0, 0));
    drop(connect(&hub, &bob));

    let hub = hub_in(terms(false), Limits { unauthenticated_max: 0, ..limits });
    let mut only = Client::connect_greeted(&hub, 1 << 20);
    assert_eq!(hub.admit(LOCAL, true).err(), Some(Refusal::Full), "without a limit of their own");
    assert!(only.authenticate(&bob).is_ok(), "it has its place");
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_connections_have_a_limit() {
    let hub = hub_in(terms(false), Limits { unauthenticated_max: 2, ..limits() });
    let first = Client::connect_greeted(&hub, 1 << 20);
    let mut second = Client::connect_greeted(&hub, 1 << 20);
    assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::Unauthenticated));
    let _known = connect(&hub, &json!({"user": "ann"}));
    second.authenticate(&json!({"user": "bob"})).expect("it is in order");
    let third = Client::connect_greeted(&hub, 1 << 20);
    assert!(hub.admit(LOCAL, false).is_err());
    drop((first, third));
    assert!(hub.admit(LOCAL, false).is_ok());
    assert_eq!(hub.unauthenticated(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_has_so_many_connections() {
    let hub = hub_in(terms(true), Limits { connections_per_user_max: 2, ..limits() });
    let ann = json!({"user": "ann"});
    let first = connect(&hub, &ann);
    let mut second = Client::connect(&hub, 1 << 20);
    second.authenticate(&ann).expect("it is in order");
    second.authenticate(&ann).expect("a refresh is no further connection");
    let (code, error) =
        Client::connect_with(&hub, 1 << 20, Some(&ann.to_string())).map(drop).expect_err("one too many");
    assert_eq!((code, error["error"]["code"].as_str()), (CloseCode::UserConnectionLimit, Some("limit_exceeded")));
    let mut third = Client::connect(&hub, 1 << 20);
    let flow = third.request("authenticate", &json!({"token": ann.to_string()}));
    assert_eq!(flow, Flow::Close(CloseCode::UserConnectionLimit));
    assert_eq!(third.read()[0]["error"]["code"], "limit_exceeded");
    assert!(third.connection.identity().is_none());
    connect(&hub, &json!({"user": "bob"}));
    drop(first);
    connect(&hub, &ann);
}
