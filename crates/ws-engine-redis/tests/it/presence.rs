//! Who is in a channel, on several servers.

use std::collections::BTreeSet;
use std::time::Duration;

use ws_core::engine::Engine;
use ws_core::engine::cluster::{Change, MemberKey};
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options, until};
use crate::peer::{Peer, counts, member, short};
use crate::proxy::Proxy;

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_all_servers_are_one_presence() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    a.enter("c", 1, Some("u"));
    a.enter("c", 2, None);
    b.enter("c", 3, Some("u"));
    b.enter("c", 4, Some("v"));
    b.enter("other", 4, Some("v"));
    for peer in [&a, &b] {
        peer.sees("c", counts(4, 2), &[1, 2, 3, 4]).await;
        peer.sees("other", counts(1, 1), &[4]).await;
        peer.sees("empty", counts(0, 0), &[]).await;
    }
    let page = a.page("other", None, 1).await.expect("a page");
    assert_eq!(page.members[0].1, member(4, Some("v")), "it is as it was given");
    a.leave("c", 1);
    a.leave("c", 99);
    b.sees("c", counts(3, 2), &[2, 3, 4]).await;
    b.leave("c", 3);
    a.sees("c", counts(2, 1), &[2, 4]).await;
    // An anonymous connection has become a user.
    a.enter("c", 2, Some("v"));
    b.sees("c", counts(2, 1), &[2, 4]).await;
    a.leave("c", 2);
    b.leave("c", 4);
    b.leave("other", 4);
    a.sees("c", counts(0, 0), &[]).await;
    b.sees("other", counts(0, 0), &[]).await;
    let is_of_presence =
        |key: &String| ["p", "q", "v", "w", "x"].iter().any(|kind| key.contains(&format!("}}:{kind}:")));
    let keys: Vec<_> = redis.keys().await.into_iter().filter(is_of_presence).collect();
    assert_eq!(keys, Vec::<String>::new(), "nothing is left of a presence");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_everybody_once() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    (0..500).for_each(|n| if n % 3 == 0 { a.enter("c", n, None) } else { b.enter("c", n, None) });
    let all: Vec<_> = (0..500).collect();
    a.sees("c", counts(500, 0), &all).await;
    b.sees("c", counts(500, 0), &all).await;
    for limit in [1, 7, 499, 500, 501] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = b.page("c", after, limit).await.expect("a page");
            assert_eq!(page.counts, counts(500, 0));
            assert!(page.members.len() == limit || !page.more, "pages are full");
            seen.extend(page.members.iter().map(|(_, member)| member.connection.as_u128()));
            let last = page.members.last();
            after = last.map(|(node, member)| MemberKey { node: *node, connection: member.connection });
            if !page.more {
                break;
            }
        }
        assert_eq!(seen.len(), 500, "{limit}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 500, "{limit}");
    }
    let page = a.page("c", None, 0).await.expect("a page");
    assert_eq!((page.counts, page.members.len(), page.more), (counts(500, 0), 0, false), "the counts alone");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_interest_is_told_who_comes_and_goes() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    for peer in [&a, &b] {
        peer.node.follow("c").await;
        peer.node.follow("silent").await;
    }
    let mut expect = Vec::new();
    a.enter("silent", 1, None);
    a.enter("c", 1, Some("u"));
    expect.push((Change::Joined(member(1, Some("u"))), counts(1, 1)));
    a.is_told("c", 1).await;
    b.enter("c", 2, None);
    expect.push((Change::Joined(member(2, None)), counts(2, 1)));
    b.is_told("c", 2).await;
    b.enter("c", 2, None);
    b.enter("c", 2, Some("u"));
    b.leave("c", 2);
    expect.push((Change::Left(member(2, Some("u"))), counts(1, 1)));
    b.is_told("c", 3).await;
    a.leave("c", 1);
    expect.push((Change::Left(member(1, Some("u"))), counts(0, 0)));
    for peer in [&a, &b] {
        assert_eq!(peer.is_told("c", 4).await, expect);
        assert_eq!(peer.changed("silent"), []);
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_have_missed_changes_is_told_the_counts() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    for channel in ["c", "pass", "silent"] {
        b.node.follow(channel).await;
        a.enter(channel, 1, Some("u"));
    }
    b.is_told("c", 1).await;
    b.is_told("pass", 1).await;
    b.forget_changes();
    redis.ask(&["CLIENT", "KILL", "TYPE", "PUBSUB"]).await;
    for channel in ["c", "pass", "silent"] {
        let told = b.is_told(channel, 1).await;
        assert_eq!(told[0], (Change::Unknown, counts(1, 1)), "{channel}: {told:?}");
    }
    a.leave("c", 1);
    let told = until("the leave", async || {
        let told = b.changed("c");
        told.contains(&(Change::Left(member(1, Some("u"))), counts(0, 0))).then_some(told)
    });
    told.await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_while_redis_was_away_is_not_left_in_the_counts() {
    let mut redis = Redis::start().await;
    let a = Peer::start(short(&redis)).await;
    a.node.follow("c").await;
    a.enter("c", 1, None);
    a.is_told("c", 1).await;
    redis.kill().await;
    until("the trouble to be noticed", async || a.node.engine.health().err()).await;
    a.forget_changes();
    a.leave("c", 1);
    redis.restart().await;
    assert_eq!(a.is_told("c", 1).await[0], (Change::Unknown, counts(0, 0)));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_need_not_wait_for_memory() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    a.enter("c", 1, None);
    a.enter("c", 2, None);
    b.sees("c", counts(2, 0), &[1, 2]).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    a.enter("c", 3, None);
    a.leave("c", 1);
    b.sees("c", counts(1, 0), &[2]).await;
    let (first, second) = (a.id(), b.id());
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    b.sees("c", counts(2, 0), &[2, 3]).await;
    assert_eq!((a.id(), b.id()), (first, second), "leases were renewed");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_beside_many_who_cannot_come_need_not_wait_for_memory() {
    let redis = Redis::start().await;
    let a = Peer::start(short(&redis)).await;
    let before: Vec<_> = (1..=300).collect();
    before.iter().for_each(|n| a.enter("c", *n, None));
    a.sees("c", counts(300, 0), &before).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for n in 1..=250 {
        a.enter("c", 1000 + n, None);
        a.leave("c", n);
    }
    let left: Vec<_> = (251..=300).collect();
    a.sees("c", counts(50, 0), &left).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    a.sees("c", counts(300, 0), &left.into_iter().chain(1001..=1250).collect::<Vec<_>>()).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_over_a_connection_that_was_given_up_does_not_come_late() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(&redis);
    let impatient = RedisOptions { command_timeout: Duration::from_millis(1500), ..options(&redis) };
    let a = Peer::start(proxy.options(impatient)).await;
    proxy.hold_request(br#"{"client_id":"77"}"#);
    a.enter("c", 77, Some("u"));
    proxy.holds_request().await;
    a.sees("c", counts(1, 1), &[77]).await;
    a.leave("c", 77);
    a.sees("c", counts(0, 0), &[]).await;
    proxy.release().await;
    assert_eq!(a.present("c").await, Ok((counts(0, 0), vec![])));
}
