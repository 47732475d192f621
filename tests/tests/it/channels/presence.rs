//! `get_presence`: who is subscribed, page by page, and that those who left are gone.

use ws_server::config::Access;
use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

/// A server on which everybody may read the presence.
async fn open_house() -> Server {
    Server::with(|config| {
        config.limits.errors_max = 0;
        config.channels.read_presence = Access::ANYONE;
    })
    .await
}

/// Waits until the presence of the room has this many connections.
async fn wait_for(client: &mut Client, connections: u64) -> Value {
    until(&format!("{connections} in the room"), async || {
        let page = presence(client, ROOM).await;
        (page["connections"] == connections).then_some(page)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_there_once_and_anonymous_connections_are_no_users() {
    let server = open_house().await;
    let mut watcher = server.connect().await;
    let nobody = json!({"channel": ROOM, "connections": 0, "users": 0, "clients": []});
    assert_eq!(presence(&mut watcher, ROOM).await, nobody, "a channel that nobody knows is empty");
    let mut members = server.connect_many(3).await;
    for (n, member) in members.iter_mut().enumerate() {
        subscribe(member, ROOM).await;
        let page = presence(member, ROOM).await;
        assert_eq!(page["connections"], n + 1, "oneself is there when the answer has come");
        assert!(ids(&page).contains(&member.id()));
    }
    let page = presence(&mut watcher, ROOM).await;
    assert_eq!((&page["connections"], &page["users"]), (&json!(3), &json!(0)));
    assert!(page.get("next").is_none(), "{page}");
    let mut clients = page["clients"].as_array().expect("a list").clone();
    let mut expect: Vec<_> =
        members.iter().map(|member| json!({"connection_id": member.id(), "user": null, "info": null})).collect();
    let key = |client: &Value| client["connection_id"].to_string();
    clients.sort_by_key(key);
    expect.sort_by_key(key);
    assert_eq!(clients, expect);
    assert_eq!(presence(&mut watcher, "elsewhere").await["connections"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_leave_ends_the_presence() {
    let server = open_house().await;
    let mut watcher = server.connect().await;
    subscribe(&mut watcher, ROOM).await;
    let mut members = server.connect_many(3).await;
    let mut killed = Raw::websocket(server.addr()).await;
    for member in &mut members {
        subscribe(member, ROOM).await;
    }
    let request = r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"room"}}"#;
    killed.write(&raw::text(request)).await;
    assert_eq!(killed.json().await["type"], "response");
    wait_for(&mut watcher, 5).await;

    let mut member = members.pop().expect("one of three");
    unsubscribe(&mut member, ROOM).await;
    assert_eq!(presence(&mut watcher, ROOM).await["connections"], 4, "gone when the answer has come");
    members.pop().expect("one of two").close().await;
    wait_for(&mut watcher, 3).await;
    drop(members.pop().expect("the last").into_inner());
    wait_for(&mut watcher, 2).await;
    killed.reset();
    let page = wait_for(&mut watcher, 1).await;
    assert_eq!(ids(&page), [watcher.id()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_join_to_the_whole() {
    const MEMBERS: usize = 120;
    let server = open_house().await;
    let mut watcher = server.connect().await;
    let mut members = server.connect_many(MEMBERS).await;
    for member in &mut members {
        subscribe(member, ROOM).await;
    }
    let mut all: Vec<_> = members.iter().map(|member| member.id().to_owned()).collect();
    all.sort();
    for (limit, pages) in [
        (json!(1), 120),
        (json!(7), 18),
        (json!(60), 2),
        (json!(119), 2),
        (json!(120), 1),
        (json!(1000), 1),
        (Value::Null, 2),
    ] {
        let (mut seen, mut turned) = (Vec::new(), 0);
        let mut payload = json!({"channel": ROOM, "limit": limit});
        loop {
            let page = watcher.ask("get_presence", payload.clone()).await;
            turned += 1;
            assert_eq!((&page["connections"], &page["users"]), (&json!(MEMBERS), &json!(0)), "of the whole channel");
            assert!(ids(&page).len() <= limit.as_u64().unwrap_or(100) as usize);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            match page.get("next") {
                Some(next) => payload["after"] = next.clone(),
                None => break,
            }
        }
        seen.sort();
        assert_eq!((seen, turned), (all.clone(), pages), "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_stays_is_listed_once_while_others_leave() {
    let server = open_house().await;
    let mut watcher = server.connect().await;
    let mut members = server.connect_many(40).await;
    for member in &mut members {
        subscribe(member, ROOM).await;
    }
    let first = watcher.ask("get_presence", json!({"channel": ROOM, "limit": 10})).await;
    let mut seen: Vec<_> = ids(&first).into_iter().map(str::to_owned).collect();
    let (stay, go): (Vec<_>, Vec<_>) = members.into_iter().enumerate().partition(|(n, _)| n % 4 == 0);
    for (_, mut member) in go {
        unsubscribe(&mut member, ROOM).await;
    }
    let mut after = first["next"].clone();
    while !after.is_null() {
        let page = watcher.ask("get_presence", json!({"channel": ROOM, "limit": 3, "after": after})).await;
        assert_eq!(page["connections"], 10);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        after = page.get("next").cloned().unwrap_or_default();
    }
    for (_, member) in &stay {
        assert_eq!(seen.iter().filter(|id| *id == member.id()).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_payloads() {
    let server = open_house().await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    for (payload, field) in [
        (json!({}), "channel"),
        (json!({"channel": 1}), "channel"),
        (json!({"channel": ROOM, "limit": 0}), "limit"),
        (json!({"channel": ROOM, "limit": 1001}), "limit"),
        (json!({"channel": ROOM, "limit": -1}), "limit"),
        (json!({"channel": ROOM, "limit": "1"}), "limit"),
        (json!({"channel": ROOM, "after": 1}), "after"),
        (json!({"channel": ROOM, "after": ""}), "after"),
        (json!({"channel": ROOM, "after": "nonsense"}), "after"),
        (json!({"channel": ROOM, "after": "-1"}), "after"),
        (json!({"channel": ROOM, "after": "99999999999999999999999"}), "after"),
        (json!({"channel": "unknown", "after": "nonsense"}), "after"),
    ] {
        let answer = client.request("1", "get_presence", payload.clone()).await;
        assert_eq!(error_of(&answer).1, "invalid_payload", "{payload}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{payload}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_available_if_it_is_off() {
    let server = Server::with(|config| namespace(config, "dark", |options| options.presence = false)).await;
    let mut client = server.connect().await;
    subscribe(&mut client, "dark:a").await;
    assert_eq!(client.refusal("get_presence", json!({"channel": "dark:a"})).await, "not_available");
    publish(&mut client, "dark:a", 1).await;
    assert_eq!(client.event("publication").await["data"], 1);
}
