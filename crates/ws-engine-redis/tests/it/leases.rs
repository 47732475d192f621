//! Servers that end, and a Redis that is away: who lives and who does not.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;
use ws_core::engine::cluster::Change;
use ws_core::engine::{Engine, EngineError};
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options, until};
use crate::peer::{KNOWN_WITHIN, LEASE, Peer, counts, member, short};
use crate::proxy::Proxy;
use crate::wire::Wire;

async fn two(redis: &Redis) -> (Peer, Peer) {
    let (a, b) = (Peer::start(short(redis)).await, Peer::start(short(redis)).await);
    for peer in [&a, &b] {
        until("two nodes", async || peer.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
        peer.node.follow("c").await;
    }
    (a, b)
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_is_gone_with_its_lease() {
    let redis = Redis::start().await;
    let ((a, b), c) = (two(&redis).await, Peer::start(short(&redis)).await);
    c.node.follow("c").await;
    let dead: Vec<_> = (1..=450).collect();
    dead.iter().for_each(|n| a.enter("c", *n, Some("u")));
    a.enter("silent", 1, Some("u"));
    b.enter("c", 1000, Some("v"));
    b.enter("silent", 1000, None);
    for peer in [&b, &c] {
        peer.is_told("c", 451).await;
        peer.forget_changes();
    }
    let (id, since) = (a.id(), Instant::now());
    drop(a);
    for peer in [&b, &c] {
        peer.sees("c", counts(1, 1), &[1000]).await;
        peer.sees("silent", counts(1, 0), &[1000]).await;
    }
    assert!(since.elapsed() < LEASE + KNOWN_WITHIN, "{:?}", since.elapsed());
    for peer in [&b, &c] {
        let told = peer.is_told("c", 450).await;
        let left = |(change, counts_then): &(Change, _)| match change {
            Change::Left(member) if *counts_then == counts(1, 1) => member.connection.as_u128(),
            other => panic!("{other:?} {counts_then:?}"),
        };
        let left: Vec<_> = told.iter().map(left).collect();
        assert_eq!(left.len(), 450, "each is told once");
        assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), dead.iter().copied().collect());
        peer.hears_of_ends(&[id]).await;
        let mut alive = vec![b.id(), c.id()];
        alive.sort_unstable();
        assert_eq!(peer.nodes().await, Ok(alive));
    }
    nothing_is_left_of(id, &redis).await;
}

/// Waits until a node that has ended is removed: it is remembered only that it has.
async fn nothing_is_left_of(node: Uuid, redis: &Redis) {
    let name = node.simple().to_string();
    until("nothing to be left of it", async || {
        let keys = redis.keys().await;
        let leases = leases(&keys);
        let connections = leases.replace(":n:leases", ":n:connections");
        let is_over = redis.ask(&["HGET", &connections, &format!("!{name}")]).await.starts_with("$13\r\n");
        let fields = ["HMGET", &leases, &name, &format!("#{name}")];
        let is_there = redis.ask(&fields).await != "*2\r\n$-1\r\n$-1\r\n";
        (is_over && !is_there && !keys.iter().any(|key| key.contains(&name))).then_some(())
    })
    .await;
}

fn leases(keys: &[String]) -> String {
    keys.iter().find(|key| key.ends_with(":n:leases") && !key.contains(":test:")).expect("leases").clone()
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_closed_is_gone_at_once() {
    let redis = Redis::start().await;
    let long = RedisOptions { lease: Duration::from_secs(60), ..options(&redis) };
    let (a, b) = (Peer::start(long.clone()).await, Peer::start(long).await);
    b.node.follow("c").await;
    a.enter("c", 1, None);
    b.sees("c", counts(1, 0), &[1]).await;
    let id = a.id();
    a.node.close().await;
    assert_eq!(b.present("c").await, Ok((counts(0, 0), vec![])));
    let told = b.is_told("c", 2).await;
    assert_eq!(told[1], (Change::Left(member(1, None)), counts(0, 0)));
    b.hears_of_ends(&[id]).await;
    assert!(matches!(a.nodes().await, Err(EngineError::Unavailable(_))));
    assert!(matches!(a.admit("u", 0).await, Err(EngineError::Unavailable(_))));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_entered_again() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    (1..=300).for_each(|n| a.enter("c", n, Some("u")));
    b.enter("c", 1000, Some("v"));
    let all: Vec<_> = (1..=300).chain([1000]).collect();
    b.sees("c", counts(301, 2), &all).await;
    let mut late = Vec::new();
    loop {
        let since = Instant::now();
        redis.ask(&["FLUSHALL"]).await;
        for peer in [&a, &b] {
            until("two nodes", async || peer.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
            peer.sees("c", counts(301, 2), &all).await;
        }
        let took = since.elapsed();
        if took < LEASE + Duration::from_secs(1) {
            break;
        }
        // The machine may be too busy for that, but not each time.
        late.push(took);
        assert!(late.len() < 3, "within the lease and a second: {late:?}");
    }
    let last = until("the last change", async || b.changed("c").pop().filter(|(_, now)| *now == counts(301, 2)));
    last.await;
    for peer in [&a, &b] {
        let (lapsed, restored) = peer.lapsed_and_restored();
        assert!(lapsed == 0 && restored > 0, "{lapsed}, {restored}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_counted_again_when_they_have_entered_again() {
    let redis = Redis::start().await;
    let a = Peer::start(short(&redis)).await;
    a.node.follow("c").await;
    (1..=1000).for_each(|n| a.enter("c", n, None));
    a.is_told("c", 1000).await;
    a.forget_changes();
    redis.ask(&["FLUSHALL"]).await;
    let is_last = (Change::Unknown, counts(1000, 0));
    let told = until("the counts", async || Some(a.changed("c")).filter(|told| told.last() == Some(&is_last))).await;
    let joined = told.iter().filter(|(change, _)| matches!(change, Change::Joined(_))).count();
    assert_eq!(joined, 1000, "after all have entered");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_lost_was_not_over_however_often_redis_is_asked() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(&redis);
    let a = Peer::start(proxy.options(short(&redis))).await;
    a.enter("c", 1, Some("u"));
    a.sees("c", counts(1, 1), &[1]).await;
    let before = a.id();
    proxy.lose_answer(b"LOST");
    redis.ask(&["FLUSHALL"]).await;
    proxy.has_lost_answer().await;
    a.sees("c", counts(1, 1), &[1]).await;
    until("everything to be made right", async || (a.lapsed_and_restored().1 > 0).then_some(())).await;
    a.sees("c", counts(1, 1), &[1]).await;
    assert_eq!((a.id(), a.lapsed_and_restored().0), (before, 0));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_snapshot_is_made_right() {
    let mut redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    (1..=300).for_each(|n| a.enter("c", n, None));
    a.enter("gone", 1, None);
    b.enter("c", 1000, None);
    b.sees("c", counts(301, 0), &(1..=300).chain([1000]).collect::<Vec<_>>()).await;
    b.sees("gone", counts(1, 0), &[1]).await;
    redis.ask(&["SAVE"]).await;
    (1..=250).for_each(|n| a.leave("c", n));
    a.leave("gone", 1);
    a.enter("c", 2000, None);
    a.enter("new", 2000, None);
    let all: Vec<_> = (251..=300).chain([1000, 2000]).collect();
    b.sees("c", counts(52, 0), &all).await;
    let ids = (a.id(), b.id());
    redis.kill().await;
    redis.restart().await;
    for peer in [&a, &b] {
        peer.node.is_well().await;
        peer.sees("c", counts(52, 0), &all).await;
        peer.sees("gone", counts(0, 0), &[]).await;
        peer.sees("new", counts(1, 0), &[2000]).await;
    }
    assert_eq!((a.id(), b.id()), ids, "the snapshot has their leases");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_dies_while_redis_is_frozen() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    a.enter("c", 1, None);
    b.enter("c", 2, None);
    b.sees("c", counts(2, 0), &[1, 2]).await;
    a.is_told("c", 2).await;
    b.is_told("c", 2).await;
    let ids = (a.id(), b.id());
    for frozen_ms in [400, 1000, 2000] {
        redis.signal("STOP").await;
        let (one, other) = (a.present("c"), b.present("c"));
        let go_on = async {
            sleep(Duration::from_millis(frozen_ms)).await;
            redis.signal("CONT").await;
        };
        let (one, other, ()) = tokio::join!(one, other, go_on);
        assert_eq!((one, other), (Ok((counts(2, 0), vec![1, 2])), Ok((counts(2, 0), vec![1, 2]))), "{frozen_ms}");
        // Long enough for a lease to end that is not renewed.
        sleep(LEASE + Duration::from_millis(300)).await;
        b.sees("c", counts(2, 0), &[1, 2]).await;
        assert_eq!((a.id(), b.id()), ids, "{frozen_ms}");
    }
    for peer in [&a, &b] {
        assert!(peer.ended().is_empty());
        let told = peer.changed("c");
        assert!(!told.iter().any(|(change, _)| matches!(change, Change::Left(_))), "{told:?}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_made_good() {
    let redis = Redis::start().await;
    let impatient = RedisOptions { command_timeout: Duration::from_millis(500), ..short(&redis) };
    let (a, b) = (Peer::start(impatient.clone()).await, Peer::start(impatient).await);
    a.enter("c", 1, None);
    a.enter("c", 2, None);
    b.sees("c", counts(2, 0), &[1, 2]).await;
    redis.signal("STOP").await;
    a.enter("c", 3, None);
    a.leave("c", 1);
    until("the trouble to be noticed", async || a.node.engine.health().err()).await;
    let since = Instant::now();
    let (one, other, third, last) = tokio::join!(a.nodes(), a.present("c"), a.admit("u", 0), a.elsewhere());
    let unavailable = [one.err(), other.err(), third.err(), last.err()];
    assert!(unavailable.iter().all(|error| matches!(error, Some(EngineError::Unavailable(_)))), "{unavailable:?}");
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    a.enter("c", 4, None);
    a.leave("c", 2);
    redis.signal("CONT").await;
    b.sees("c", counts(2, 0), &[3, 4]).await;
    a.sees("c", counts(2, 0), &[3, 4]).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_taken_for_dead_enters_again_as_another() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    a.enter("c", 1, Some("u"));
    b.is_told("c", 1).await;
    let before = a.id();
    let key = leases(&redis.keys().await);
    redis.ask(&["HSET", &key, &before.simple().to_string(), "0"]).await;
    until("another id", async || (a.id() != before).then_some(())).await;
    b.sees("c", counts(1, 1), &[1]).await;
    b.hears_of_ends(&[before]).await;
    let told = b.is_told("c", 3).await;
    let (joins, leaves): (Vec<_>, Vec<_>) = told.iter().partition(|(change, _)| matches!(change, Change::Joined(_)));
    assert_eq!((joins.len(), leaves.len()), (2, 1), "{told:?}");
    b.send(Some(a.id()), b"x").await.expect("it is sent");
    until("the message", async || (a.received() == [(b.id(), b"x".to_vec())]).then_some(())).await;
    b.send(Some(before), b"y").await.expect("it is sent");
    b.send(None, b"z").await.expect("it is sent");
    until("the last message", async || (a.received().len() == 2).then_some(())).await;
    assert_eq!(a.received()[1].1, b"z", "nobody has the earlier id");
    assert_eq!((a.lapsed_and_restored(), b.lapsed_and_restored()), ((1, 1), (0, 0)));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_ended_stays_so_in_another_generation() {
    let redis = Redis::start().await;
    let mut wire = Wire::to(&redis);
    let a = Peer::start(RedisOptions { locations: vec![wire.location()], ..short(&redis) }).await;
    let b = Peer::start(short(&redis)).await;
    a.enter("c", 1, None);
    b.sees("c", counts(1, 0), &[1]).await;
    let before = a.id();
    wire.cut();
    b.hears_of_ends(&[before]).await;
    nothing_is_left_of(before, &redis).await;
    for generation in redis.keys().await.iter().filter(|key| key.ends_with('}')) {
        redis.ask(&["DEL", generation]).await;
    }
    until("others", async || redis.keys().await.iter().any(|key| key.ends_with('}')).then_some(())).await;
    wire.mend();
    a.node.is_well().await;
    assert_ne!(a.id(), before);
    assert_eq!(a.lapsed_and_restored().0, 1);
    b.sees("c", counts(1, 0), &[1]).await;
    assert_eq!(b.ended(), [before], "once");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_enters_again_leaves_before() {
    let redis = Redis::start().await;
    let a = Peer::start(options(&redis)).await;
    a.node.follow("c").await;
    let all: Vec<_> = (1..=2000).collect();
    all.iter().for_each(|n| a.enter("c", *n, None));
    a.is_told("c", all.len()).await;
    a.forget_changes();
    let key = leases(&redis.keys().await);
    redis.ask(&["HSET", &key, &a.id().simple().to_string(), "0"]).await;
    let told = a.is_told("c", 2 * all.len()).await;
    let mut is_gone = BTreeSet::new();
    for (change, _) in told {
        match change {
            Change::Left(member) => assert!(is_gone.insert(member.connection), "it leaves once"),
            Change::Joined(member) => assert!(is_gone.remove(&member.connection), "it has left"),
            Change::Unknown => {}
        }
    }
    a.sees("c", counts(2000, 0), &all).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_connections_and_scripts_presence_is_right() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    for round in 0..30_u128 {
        a.enter("c", round, Some("u"));
        b.enter("c", 1000 + round, None);
        let command: &[&str] = match round % 3 {
            0 => &["CLIENT", "KILL", "TYPE", "NORMAL"],
            1 => &["SCRIPT", "FLUSH"],
            _ => &["CLIENT", "KILL", "TYPE", "PUBSUB"],
        };
        redis.ask(command).await;
        if round % 2 == 1 {
            a.leave("c", round - 1);
            b.leave("c", 1000 + round);
        }
    }
    let all: Vec<_> = (0..30).filter(|n| n % 2 == 1).chain((1000..1030).filter(|n| n % 2 == 0)).collect();
    for peer in [&a, &b] {
        peer.sees("c", counts(30, 1), &all).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_cannot_be_renewed_is_soon_known() {
    let redis = Redis::start().await;
    let command_timeout = Duration::from_millis(300);
    let slow = RedisOptions { lease: Duration::from_secs(60), command_timeout, ..options(&redis) };
    let a = Peer::start(slow).await;
    redis.signal("STOP").await;
    let since = Instant::now();
    until("the trouble to be noticed", async || a.node.engine.health().err()).await;
    assert!(since.elapsed() < Duration::from_millis(2300 + 5000), "{:?}", since.elapsed());
    redis.signal("CONT").await;
    a.node.is_well().await;
    // Not even scripts that need no memory may write.
    redis.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    until("the trouble to be noticed", async || a.node.engine.health().err()).await;
    redis.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    a.node.is_well().await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_are_deleted_leave_nothing_behind() {
    let redis = Redis::start().await;
    let (a, b) = two(&redis).await;
    a.enter("c", 1, Some("u"));
    b.enter("c", 2, Some("v"));
    assert_eq!(a.admit("u", 1).await, Ok(true));
    a.sees("c", counts(2, 2), &[1, 2]).await;
    let before = [a.id(), b.id()];
    redis.ask(&["DEL", &leases(&redis.keys().await)]).await;
    until("other ids", async || (a.id() != before[0] && b.id() != before[1]).then_some(())).await;
    for peer in [&a, &b] {
        peer.sees("c", counts(2, 2), &[1, 2]).await;
        let told = peer.ended();
        assert!(!told.contains(&peer.id()), "{told:?}");
    }
    assert!(!a.ended().contains(&before[0]) && !b.ended().contains(&before[1]), "nobody ends for itself");
    until("what they left to be removed", async || {
        let keys = redis.keys().await;
        let is_left = |key: &String| before.iter().any(|node| key.contains(&node.simple().to_string()));
        (!keys.iter().any(is_left)).then_some(())
    })
    .await;
    assert_eq!(b.admit("u", 1).await, Ok(false), "it is still counted");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_before_leases_can_be_renewed_again() {
    let redis = Redis::start().await;
    let long = RedisOptions { lease: Duration::from_secs(60), ..options(&redis) };
    let (a, b) = (Peer::start(long.clone()).await, Peer::start(long).await);
    a.enter("c", 1, None);
    b.enter("c", 2, None);
    a.sees("c", counts(2, 0), &[1, 2]).await;
    // As after 40 s in which nobody could renew a lease, during which that of the other has ended.
    let away = "local time = redis.call('TIME')[1] * 1000 \
                redis.call('HSET', KEYS[1], '*', time - 40000, ARGV[1], time - 10000)";
    redis.ask(&["EVAL", away, "1", &leases(&redis.keys().await), &b.id().simple().to_string()]).await;
    assert_eq!(a.present("c").await, Ok((counts(2, 0), vec![1, 2])));
    assert_eq!(a.nodes().await.map(|nodes| nodes.len()), Ok(2));
    assert!(a.ended().is_empty());
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_lease_is_seen_at_once() {
    let redis = Redis::start().await;
    let lease = Duration::from_secs(6);
    let peers = RedisOptions { lease, ..options(&redis) };
    let b = Peer::start(peers.clone()).await;
    // It renews its own lease every 2 s: shortly before that of the other one ends, and then not for most of these.
    sleep(Duration::from_millis(200)).await;
    let a = Peer::start(peers).await;
    until("two nodes", async || b.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
    let id = a.id();
    drop(a);
    let left = "local time = redis.call('TIME') \
                return redis.call('HGET', KEYS[1], ARGV[1]) - time[1] * 1000 - math.floor(time[2] / 1000)";
    let left = redis.ask(&["EVAL", left, "1", &leases(&redis.keys().await), &id.simple().to_string()]).await;
    let left = Duration::from_millis(left.trim_start_matches(':').trim().parse().expect("a number"));
    let since = Instant::now();
    b.hears_of_ends(&[id]).await;
    let late = since.elapsed().saturating_sub(left);
    assert!(since.elapsed() >= left && late < Duration::from_millis(1500), "{late:?} late");
}
