//! Who is in a channel, on all servers, and who is told of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use uuid::Uuid;
use ws_core::Limits;
use ws_proto::action::GetPresence;

use super::{Client, PLENTY, Servers, ask, events, joining, limits, say, seen};
use crate::client::settle;

fn ids(page: &Value) -> Vec<String> {
    let clients = page["clients"].as_array().expect("a page").iter();
    clients.map(|client| client["connection_id"].as_str().expect("an id").to_owned()).collect()
}

fn joined(id: Uuid) -> Value {
    json!({"event": "join", "channel": "a", "client": {"connection_id": id, "user": null, "info": null}})
}

fn left(id: Uuid) -> Value {
    json!({"event": "leave", "channel": "a", "client": {"connection_id": id, "user": null, "info": null}})
}

fn counts(connections: u64) -> Value {
    json!({"event": "presence", "channel": "a", "connections": connections, "users": 0})
}

async fn named(servers: &Servers, server: usize, token: &Value) -> Client {
    let connected = Client::connect_with(&servers.hubs[server], PLENTY, Some(&token.to_string()));
    let mut client = connected.map_err(|(code, _)| code).expect("it is let in");
    client.make_room(0);
    ask(&mut client, "subscribe", &json!({"channel": "a"})).await.expect("it is subscribed");
    client
}

#[tokio::test(start_paused = true)]
async fn pages_cover_all_servers() {
    let servers = Servers::start(3, limits(), &[]);
    let mut clients = Vec::new();
    for server in [0, 1, 2, 2, 1] {
        clients.push(servers.subscriber(server, "a").await);
    }
    for server in [0, 2] {
        clients.push(named(&servers, server, &json!({"user": "ann", "info": {"age": 7}})).await);
    }
    let all: BTreeSet<_> = clients.iter().map(|client| client.connection.id().to_string()).collect();
    let (mut found, mut after) = (Vec::new(), Value::Null);
    for more in [true, true, false] {
        let query = json!({"channel": "a", "limit": 3, "after": after});
        let page = ask(&mut clients[1], "get_presence", &query).await.expect("a page");
        assert_eq!((&page["connections"], &page["users"]), (&json!(7), &json!(1)));
        found.extend(ids(&page));
        after = page["next"].clone();
        assert_eq!(after.is_string(), more);
    }
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (7, all));
    let query = GetPresence { channel: "a".into(), ..GetPresence::default() };
    let page = servers.hubs[1].presence(&query).await.expect("a page");
    let page = serde_json::to_value(&page).expect("it is encoded");
    let is_ann = |client: &&Value| client["user"] == "ann" && client["info"] == json!({"age": 7});
    assert_eq!(page["clients"].as_array().expect("clients").iter().filter(is_ann).count(), 2);
    for wrong in ["", "a b", "x-y", &"a".repeat(300)] {
        let query = json!({"channel": "a", "after": wrong});
        assert_eq!(ask(&mut clients[0], "get_presence", &query).await, Err("invalid_payload".to_owned()), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_where_the_answer_is_full() {
    let servers = Servers::start(2, Limits { outbox_bytes_max: 4096, ..limits() }, &[]);
    let info = json!({"fill": "x".repeat(600)});
    let mut clients = Vec::new();
    for n in 0..8 {
        clients.push(named(&servers, n % 2, &json!({"user": n.to_string(), "info": info})).await);
    }
    let (mut found, mut after, mut pages) = (BTreeSet::new(), Value::Null, 0);
    loop {
        let page =
            ask(&mut clients[0], "get_presence", &json!({"channel": "a", "after": after})).await.expect("a page");
        assert!(page.to_string().len() <= 4096);
        found.extend(ids(&page));
        (after, pages) = (page["next"].clone(), pages + 1);
        if after.is_null() {
            break;
        }
    }
    assert_eq!((found.len(), pages), (8, 4));
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_is_told_once_and_not_to_itself() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut here = servers.subscriber(0, "a").await;
    let mut there = servers.subscriber(1, "a").await;
    let mut beside = servers.subscriber(0, "a").await;
    let [a, b, c] = [&here, &there, &beside].map(|client| client.connection.id());
    assert_eq!(events(&mut here).await, [joined(b), joined(c)]);
    assert_eq!(events(&mut there).await, [joined(c)]);
    assert!(events(&mut beside).await.is_empty());
    // What is published meanwhile is between, for everybody.
    say(&mut there, "publish", &json!({"channel": "a", "data": 1}));
    ask(&mut beside, "unsubscribe", &json!({"channel": "a"})).await.expect("it was subscribed");
    assert_eq!(events(&mut here).await, [left(c)]);
    assert_eq!(events(&mut there).await, [left(c)]);
    ask(&mut beside, "subscribe", &json!({"channel": "a"})).await.expect("it is subscribed");
    drop(here);
    assert_eq!(events(&mut there).await, [joined(c), left(a)]);
    assert_eq!(events(&mut beside).await, [left(a)]);
    // A slow reader gets around its own event, too.
    let mut slow = Client::connect(&servers.hubs[1], 0);
    say(&mut slow, "subscribe", &json!({"channel": "a"}));
    slow.go_on();
    for n in 0..3 {
        ask(&mut there, "publish", &json!({"channel": "a", "data": n})).await.expect("it is published");
    }
    slow.make_room(PLENTY);
    let frames = seen(&mut slow).await;
    let data: Vec<_> = frames.iter().filter_map(|frame| frame["data"]["data"].as_u64()).collect();
    assert_eq!((data, frames.len()), (vec![0, 1, 2], 4), "its answer, and what was published");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_before_it_was_told_to_be_gone_hears_neither() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut there = servers.subscriber(1, "a").await;
    let mut here = servers.subscriber(0, "a").await;
    let id = here.connection.id();
    assert_eq!(events(&mut there).await, [joined(id)]);
    servers.store.hold();
    say(&mut here, "unsubscribe", &json!({"channel": "a"}));
    say(&mut here, "subscribe", &json!({"channel": "a"}));
    servers.store.release();
    advance(Duration::from_secs(2)).await;
    let own = events(&mut here).await;
    assert!(own.iter().all(|event| event["event"] == "presence"), "{own:?}");
    let told = events(&mut there).await;
    assert!(told == [left(id), joined(id)] || told.last() == Some(&counts(2)), "{told:?}");
}

/// The counts that a server tells may be older than a join that its own connection is not told.
#[tokio::test(start_paused = true)]
async fn counts_without_the_own_join_are_told_again() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let _there = servers.subscriber(1, "a").await;
    servers.store.hold();
    let mut here = servers.connect(0);
    say(&mut here, "subscribe", &json!({"channel": "a"}));
    assert!(servers.store.let_go(), "the position");
    servers.set_away(0, true);
    servers.set_away(0, false);
    seen(&mut here).await;
    servers.store.release();
    assert_eq!(events(&mut here).await, [counts(1)], "it is not among them yet");
    advance(Duration::from_secs(2)).await;
    assert_eq!(events(&mut here).await, [counts(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_large_channel_gets_the_counts() {
    let servers = Servers::start(2, limits(), &[("", joining(2))]);
    let mut first = servers.subscriber(0, "a").await;
    let second = servers.subscriber(1, "a").await;
    assert_eq!(events(&mut first).await, [joined(second.connection.id())]);
    let _others = (servers.subscriber(1, "a").await, servers.subscriber(0, "a").await);
    assert!(events(&mut first).await.is_empty());
    let mut last = servers.subscriber(1, "a").await;
    say(&mut first, "publish", &json!({"channel": "a", "data": 7}));
    let got = seen(&mut last).await;
    assert_eq!(got.iter().map(|frame| &frame["data"]["data"]).collect::<Vec<_>>(), [7], "nothing else is kept from it");
    advance(Duration::from_secs(2)).await;
    assert_eq!(events(&mut first).await, [counts(5)]);
}

#[tokio::test(start_paused = true)]
async fn who_logs_in_is_seen_under_its_name() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut there = servers.subscriber(1, "a").await;
    let mut here = servers.subscriber(0, "a").await;
    let token = json!({"user": "ann", "info": 1}).to_string();
    ask(&mut here, "authenticate", &json!({"token": token})).await.expect("it is let in");
    let page = ask(&mut there, "get_presence", &json!({"channel": "a"})).await.expect("a page");
    assert_eq!((&page["connections"], &page["users"]), (&json!(2), &json!(1)));
    let ann = json!({"connection_id": here.connection.id(), "user": "ann", "info": 1});
    assert!(page["clients"].as_array().expect("clients").contains(&ann), "{page}");
    drop(here);
    assert_eq!(events(&mut there).await.last(), Some(&json!({"event": "leave", "channel": "a", "client": ann})));
}

#[tokio::test(start_paused = true)]
async fn who_was_on_a_server_that_died_has_left() {
    let servers = Servers::start(3, limits(), &[("", joining(100))]);
    let mut here = servers.subscriber(0, "a").await;
    let mut there = servers.subscriber(1, "a").await;
    let (a, b) = (here.connection.id(), there.connection.id());
    assert_eq!(events(&mut here).await, [joined(b)]);
    servers.store.kill(&servers.nodes[1]);
    assert_eq!(events(&mut here).await, [left(b)]);
    let page = ask(&mut here, "get_presence", &json!({"channel": "a"})).await.expect("a page");
    assert_eq!(ids(&page), [a.to_string()]);
    // It was only cut off: its sockets have stayed, and so have their ids.
    servers.set_away(1, false);
    assert_eq!(events(&mut here).await, [joined(b)]);
    let told = events(&mut there).await;
    assert_eq!(told, [counts(2)], "not its own join");
    let page = ask(&mut there, "get_presence", &json!({"channel": "a"})).await.expect("a page");
    assert_eq!(page["connections"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_is_told_to_nobody_and_ends_nothing_of_what_is_told() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut here = servers.subscriber(0, "a").await;
    let mut there = servers.subscriber(1, "a").await;
    events(&mut here).await;
    let token = json!({"user": "ann", "info": 1}).to_string();
    ask(&mut there, "authenticate", &json!({"token": token})).await.expect("it is let in");
    assert!(events(&mut here).await.is_empty(), "nobody has come or gone");
    let ann = json!({"connection_id": there.connection.id(), "user": "ann", "info": 1});
    servers.store.kill(&servers.nodes[1]);
    assert_eq!(events(&mut here).await, [json!({"event": "leave", "channel": "a", "client": ann})]);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_missed_it_tells_with_the_counts() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut here = servers.subscriber(0, "a").await;
    let gone = servers.subscriber(0, "a").await;
    let mut there = servers.subscriber(1, "a").await;
    events(&mut here).await;
    let (g, t) = (gone.connection.id(), there.connection.id());
    servers.set_away(0, true);
    drop(gone);
    let late = servers.subscriber(1, "a").await;
    assert_eq!(events(&mut there).await, [joined(late.connection.id())]);
    assert!(events(&mut here).await.is_empty());
    drop(late);
    servers.set_away(0, false);
    let told = events(&mut here).await;
    assert!(told.contains(&counts(2)), "{told:?}");
    assert_eq!(events(&mut there).await.last(), Some(&left(g)));
    drop(there);
    assert_eq!(events(&mut here).await, [left(t)], "what follows counts on from there");
}

#[tokio::test(start_paused = true)]
async fn who_left_while_it_was_asked_leaves_nothing_behind() {
    let servers = Servers::start(2, limits(), &[("", joining(100))]);
    let mut there = servers.subscriber(1, "a").await;
    servers.store.hold();
    let mut here = servers.connect(0);
    say(&mut here, "subscribe", &json!({"channel": "a"}));
    drop(here);
    servers.store.release();
    settle().await;
    assert!(events(&mut there).await.is_empty(), "it was never there");
    let page = ask(&mut there, "get_presence", &json!({"channel": "a"})).await.expect("a page");
    assert_eq!((&page["connections"], servers.hubs[0].channels()), (&json!(1), 0));
}

/// An engine tells under locks that it also takes when a subscription begins: nothing that it needs to tell may be locked
/// then.
#[test]
fn who_subscribes_again_while_its_leave_is_told_does_not_wait_for_itself() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let servers = Servers::start(1, limits(), &[("", joining(10))]);
            let (mut other, mut client) = (servers.subscriber(0, "a").await, servers.subscriber(0, "a").await);
            assert_eq!(events(&mut other).await, [joined(client.connection.id())]);
            servers.store.hold();
            say(&mut client, "unsubscribe", &json!({"channel": "a"}));
            servers.store.tell_before_interest();
            say(&mut client, "subscribe", &json!({"channel": "a"}));
            servers.store.release();
            seen(&mut client).await;
            let id = client.connection.id();
            assert_eq!(events(&mut other).await, [left(id), joined(id)]);
        });
        done.send(()).expect("the test waits");
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(()), "it failed, or waits for itself");
}

#[tokio::test(start_paused = true)]
async fn members_are_looked_for_in_the_channels_that_are_wanted() {
    let servers = Servers::start(1, limits(), &[]);
    let mut clients = Vec::new();
    for channel in ["a", "b", "a", "b"] {
        clients.push(servers.subscriber(0, channel).await);
    }
    let (asked, mut told) = (RefCell::new(Vec::new()), Vec::new());
    let is_wanted = |channel: &str| {
        asked.borrow_mut().push(channel.to_owned());
        channel == "a"
    };
    servers.nodes[0].cluster_sink().members(&is_wanted, &mut |channel, member, _| {
        told.push((channel.to_owned(), member.connection));
    });
    told.sort_unstable();
    let mut expect = [0, 2].map(|n| ("a".to_owned(), clients[n].connection.id()));
    expect.sort_unstable();
    assert_eq!(told, expect);
    assert_eq!(asked.borrow().iter().filter(|channel| *channel == "b").count(), 1, "not for each member");
}
