//! Positions to begin at: within, before and after what is retained, in this epoch and in others.

use ws_proto::action::GetHistory;

use super::*;

const CHANNEL: &str = "news";
/// By default.
const RETAINED: u64 = 100;

/// A channel with `n` publications: its server, the publisher, and the epoch.
async fn published(n: u64) -> (Server, Client, String) {
    let server = Server::start().await;
    let mut publisher = server.connect().await;
    let mut epoch = publish(&mut publisher, CHANNEL, 1..=n).await;
    if epoch.is_empty() {
        let data = server.connect().await.ask("subscribe", json!({"channel": CHANNEL})).await;
        data["epoch"].as_str().expect("an epoch").clone_into(&mut epoch);
    }
    (server, publisher, epoch)
}

/// Subscribes on a new connection. The answer is `expect` plus channel, epoch, newest offset, and where the cursor
/// stands, which is before `first`, and from where another client may go on; then come the publications from `first` to the newest, and one that is published afterwards.
async fn check(channel: &mut (Server, Client, String, u64), how: Value, expect: Value, first: u64) {
    let (server, publisher, epoch, top) = channel;
    let mut payload = how.clone();
    payload["channel"] = CHANNEL.into();
    let mut client = server.connect().await;
    let mut answer = subscribe(&mut client, payload).await;
    let fields = answer.as_object_mut().expect("an object");
    let position = ["channel", "epoch", "offset", "after"].map(|field| fields.remove(field));
    assert_eq!(position, [json!(CHANNEL), json!(epoch), json!(top), json!(first - 1)].map(Some), "{how}");
    assert_eq!(answer, expect, "{how}");
    let mut other = server.connect().await;
    let since = json!({"epoch": epoch, "offset": first - 1});
    let resumed = subscribe(&mut other, json!({"channel": CHANNEL, "since": since})).await;
    assert_eq!((&resumed["recovered"], &resumed["after"]), (&json!(true), &json!(first - 1)), "{how}");
    comes(&mut other, CHANNEL, first..=*top).await;
    // Before one more is published, which drops the oldest.
    comes(&mut client, CHANNEL, first..=*top).await;
    *top += 1;
    publish(publisher, CHANNEL, *top..=*top).await;
    comes(&mut client, CHANNEL, *top..=*top).await;
}

/// Checks `since` for each offset, in the channel's own epoch.
async fn check_offsets(published_before: u64, cases: &[(u64, Value, u64)]) {
    for (offset, expect, first) in cases {
        let (server, publisher, epoch) = published(published_before).await;
        let since = json!({"since": {"epoch": epoch, "offset": offset}});
        check(&mut (server, publisher, epoch, published_before), since, expect.clone(), *first).await;
    }
}

fn all_there() -> Value {
    json!({"recovered": true})
}

fn gone(from: u64, to: u64) -> Value {
    json!({"recovered": false, "gap": {"from": from, "to": to}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retained_is_recovered() {
    let missed = |k: u64| (RETAINED - k, all_there(), RETAINED - k + 1);
    check_offsets(RETAINED, &[missed(0), missed(1), missed(50), missed(99), missed(100)]).await;
    check_offsets(0, &[(0, all_there(), 1)]).await;
    check_offsets(1, &[(0, all_there(), 1), (1, all_there(), 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_retained_is_a_gap_with_its_numbers() {
    check_offsets(250, &[(0, gone(1, 150), 151), (100, gone(101, 150), 151), (149, gone(150, 150), 151)]).await;
    check_offsets(250, &[(150, all_there(), 151), (249, all_there(), 250), (250, all_there(), 251)]).await;
    check_offsets(101, &[(0, gone(1, 1), 2), (1, all_there(), 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_epoch_begins_at_the_oldest() {
    let (server, publisher, epoch) = published(250).await;
    let mut channel = (server, publisher, epoch.clone(), 250);
    let upper = epoch.to_uppercase() + "F";
    for (other, offset) in [("0123456789abcdef", 200), ("", 0), ("no epoch", 250), (&upper, 1), ("\"\u{e9}", u64::MAX)]
    {
        let since = json!({"since": {"epoch": other, "offset": offset}});
        let first = channel.3 - RETAINED + 1;
        check(&mut channel, since, json!({"recovered": false, "gap": {"epoch": other}}), first).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_after_the_newest_is_of_another_stream() {
    let above = |epoch: &str| json!({"recovered": false, "gap": {"epoch": epoch}});
    for (top, offset) in [(0, 1), (0, u64::MAX), (3, 4), (250, 251), (250, u64::MAX)] {
        let (server, publisher, epoch) = published(top).await;
        let since = json!({"since": {"epoch": epoch, "offset": offset}});
        let (expect, first) = (above(&epoch), top.saturating_sub(RETAINED) + 1);
        check(&mut (server, publisher, epoch, top), since, expect, first).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewind_gives_the_last_or_as_many_as_there_are() {
    let (server, publisher, epoch) = published(250).await;
    let mut channel = (server, publisher, epoch, 250);
    for n in [0, 1, 50, 99, 100, 101, 1000, u64::from(u32::MAX)] {
        let first = channel.3 - n.min(RETAINED) + 1;
        check(&mut channel, json!({"rewind": n}), json!({}), first).await;
    }
    for top in [0, 3] {
        let (server, publisher, epoch) = published(top).await;
        check(&mut (server, publisher, epoch, top), json!({"rewind": 10}), json!({}), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_of_many_pages_comes_whole() {
    const MANY: u64 = 5000;
    let server = Server::with(|config| config.channels.history_size = MANY as usize).await;
    let mut publisher = server.connect().await;
    let epoch = publish(&mut publisher, CHANNEL, 1..=MANY + 1).await;
    let mut clients = server.connect_many(3).await;
    let since = |offset: u64| json!({"channel": CHANNEL, "since": {"epoch": epoch, "offset": offset}});
    assert_eq!(subscribe(&mut clients[0], since(0)).await["gap"], json!({"from": 1, "to": 1}));
    assert_eq!(subscribe(&mut clients[1], since(1)).await["recovered"], true);
    subscribe(&mut clients[2], json!({"channel": CHANNEL, "rewind": MANY + 7})).await;
    for client in &mut clients {
        comes(client, CHANNEL, 2..=MANY + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_connection_comes_back_to_a_channel() {
    let (server, mut publisher, epoch) = published(10).await;
    let mut client = server.connect().await;
    let payload = |offset: u64| json!({"channel": CHANNEL, "since": {"epoch": epoch, "offset": offset}});
    for top in 10..40 {
        assert_eq!(subscribe(&mut client, payload(top - 5)).await["recovered"], true);
        comes(&mut client, CHANNEL, top - 4..=top).await;
        client.ask("unsubscribe", json!({"channel": CHANNEL})).await;
        publish(&mut publisher, CHANNEL, top + 1..=top + 1).await;
    }
}

/// A channel whose publications have expired: server, a subscriber, the epoch, and how many there were.
async fn expired() -> (Server, Client, String, u64) {
    let server = Server::with(|config| {
        config.channels.history_ttl = Duration::from_millis(50);
        config.engine.memory.idle_channels_max = 0;
    })
    .await;
    let mut client = server.connect().await;
    subscribe(&mut client, json!({"channel": CHANNEL})).await;
    let epoch = publish(&mut client, CHANNEL, 1..=5).await;
    comes(&mut client, CHANNEL, 1..=5).await;
    until("the history to expire", async || {
        let page = client.ask(<GetHistory<'_> as ws_proto::action::Action>::NAME, json!({"channel": CHANNEL})).await;
        page["publications"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    (server, client, epoch, 5)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_gone_and_the_offsets_go_on() {
    for (how, expect) in [(3, gone(4, 5)), (0, gone(1, 5)), (5, all_there())] {
        let mut channel = expired().await;
        let since = json!({"since": {"epoch": channel.2, "offset": how}});
        check(&mut channel, since, expect, 6).await;
    }
    let mut channel = expired().await;
    check(&mut channel, json!({"rewind": 5}), json!({}), 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_was_forgotten_begins_a_new_epoch() {
    let (server, mut client, epoch, top) = expired().await;
    client.ask("unsubscribe", json!({"channel": CHANNEL})).await;
    let mut answer = Value::Null;
    // The client that left may not be removed from the channel yet.
    until("the channel to be forgotten", async || {
        let mut other = server.connect().await;
        answer = subscribe(&mut other, json!({"channel": CHANNEL, "since": {"epoch": epoch, "offset": top}})).await;
        other.close().await;
        (answer["epoch"] != json!(epoch)).then_some(())
    })
    .await;
    assert_eq!((&answer["offset"], &answer["recovered"]), (&json!(0), &json!(false)));
    assert_eq!(answer["gap"], json!({"epoch": epoch}));
}
