//! Several servers of Redis side by side: each has some of the channels, and all together are one cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_core::engine::{Engine, EngineError};
use ws_engine_redis::{RedisEngine, RedisOptions, StartError};

use crate::fixture::{Redis, name_on, options_of, start, until};
use crate::node::{Node, Told, delivered};
use crate::peer::{KNOWN_WITHIN, LEASE, Peer, counts, short_of};
use crate::wire::Wire;

async fn two(shards: &[Redis]) -> (Peer, Peer) {
    let (a, b) = (Peer::start(short_of(shards)).await, Peer::start(short_of(shards)).await);
    for peer in [&a, &b] {
        until("two nodes", async || peer.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
    }
    (a, b)
}

/// A channel, or a user, on each of three shards.
fn names() -> [String; 3] {
    [0, 1, 2].map(|shard| name_on(shard, 3))
}

/// The nodes that have, or had, a lease on a shard, each with when it ends.
async fn leases(shard: &Redis) -> BTreeMap<String, String> {
    let keys = shard.keys().await;
    let Some(key) = keys.iter().find(|key| key.ends_with(":n:leases") && !key.contains(":test:")) else {
        return BTreeMap::new();
    };
    let answer = shard.ask(&["HGETALL", key]).await;
    let is_text = |line: &&str| *line == "*" || !line.starts_with(['*', '$']);
    let texts: Vec<_> = answer.lines().filter(is_text).collect();
    let leases = texts.chunks(2).filter(|pair| pair[0] != "*" && !pair[0].starts_with('#'));
    leases.map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shard_has_some_of_everything() {
    let shards = start(3).await;
    let (a, b) = two(&shards).await;
    for (shard, name) in shards.iter().zip(&names()) {
        b.node.follow(name).await;
        for n in 1..=20 {
            let published = a.node.publish(name, n, None).await.expect("it is published");
            assert_eq!(published.position.map(|(_, offset)| offset), Some(n));
        }
        b.node.is_told(name, &(1..=20).map(|n| delivered(n, n)).collect::<Vec<_>>()).await;
        a.enter(name, 1, Some("u"));
        b.enter(name, 2, None);
        a.sees(name, counts(2, 1), &[1, 2]).await;
        b.sees(name, counts(2, 1), &[1, 2]).await;
        assert_eq!(a.admit(name, 1).await, Ok(true));
        assert_eq!(b.admit(name, 1).await, Ok(false), "one limit in the whole cluster");
        let keys = shard.keys().await;
        for kind in ["s", "p", "u"] {
            assert!(keys.iter().any(|key| key.ends_with(&format!("}}:{kind}:{name}"))), "{kind} of {name}: {keys:?}");
        }
    }
    a.set_connections(7);
    until("the count", async || (b.elsewhere().await == Ok(7)).then_some(())).await;
    a.send(Some(b.id()), b"x").await.expect("it is sent");
    until("the message", async || (b.received() == [(a.id(), b"x".to_vec())]).then_some(())).await;
    assert_eq!(b.node.engine.stats().channels, 3);
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_list_of_shards_is_refused_with_both() {
    let shards = start(3).await;
    let open = async |options: RedisOptions| match RedisEngine::open(options).await {
        Err(error @ StartError::Unusable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    RedisEngine::open(options_of(&shards[..2])).await.expect("they can be used");
    RedisEngine::open(options_of(&shards[..2])).await.expect("the same list can be used again");
    for (other, found, own) in [
        (options_of([&shards[1], &shards[0]]), "partitions=4 shard=2/2", "partitions=4 shard=1/2"),
        (options_of(&shards), "/2, and engine.redis says", "/3; partitions"),
        (options_of(&shards[..1]), "partitions=4 shard=1/2", "partitions=4; partitions"),
        (RedisOptions { partitions: 8, ..options_of(&shards[..2]) }, "partitions=4 shard", "partitions=8 shard"),
    ] {
        let words = open(other).await;
        assert!(words.contains(found) && words.contains(own), "{found}, {own}: {words}");
    }
    let moved = options_of([&shards[2], &shards[1]]);
    RedisEngine::open(moved).await.expect("an empty server may take the place of another");
    let few = open(RedisOptions { partitions: 2, ..options_of(&shards) }).await;
    assert!(few.contains("3 shards") && few.contains("engine.redis.partitions = 2"), "{few}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_shards_have_to_answer_at_the_start() {
    let mut shards = start(2).await;
    shards[1].kill().await;
    let error = RedisEngine::open(options_of(&shards)).await.expect_err("one is away");
    assert!(matches!(&error, StartError::Unreachable(words) if words.contains("shard 2 of 2")), "{error}");
    let patient = RedisOptions { start_timeout: Duration::from_secs(15), ..options_of(&shards) };
    let (opened, ()) = tokio::join!(RedisEngine::open(patient), shards[1].restart());
    opened.expect("it came back");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_while_a_shard_is_away() {
    for away in [0, 2] {
        let mut shards = start(3).await;
        let (a, b) = two(&shards).await;
        let ids = (a.id(), b.id());
        for name in &names() {
            b.node.follow(name).await;
            a.node.publish(name, 1, None).await.expect("it is published");
            a.enter(name, 1, Some("u"));
            b.enter(name, 2, None);
            b.sees(name, counts(2, 1), &[1, 2]).await;
            assert_eq!(a.admit(name, 1).await, Ok(true));
        }
        let since = Instant::now();
        shards[away].kill().await;
        let health = until("the trouble to be noticed", async || a.node.engine.health().err()).await;
        assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
        assert!(health.contains(&format!("shard {} of 3", away + 1)), "{health}");
        // Longer than a lease.
        sleep(LEASE + Duration::from_millis(300)).await;
        for (shard, name) in names().iter().enumerate() {
            if shard == away {
                assert!(matches!(a.node.history(name).await, Err(EngineError::Unavailable(_))));
                assert!(matches!(a.present(name).await, Err(EngineError::Unavailable(_))));
                continue;
            }
            let published = a.node.publish(name, 2, None).await.expect("it is published");
            assert_eq!(published.position.map(|(_, offset)| offset), Some(2));
            b.node.is_told(name, &[delivered(1, 1), delivered(2, 2)]).await;
            assert_eq!(b.present(name).await, Ok((counts(2, 1), vec![1, 2])));
            assert_eq!(b.admit(name, 1).await, Ok(false));
        }
        let lost = &names()[away];
        a.enter(lost, 3, None);
        b.leave(lost, 2);

        shards[away].restart().await;
        for peer in [&a, &b] {
            peer.node.is_well().await;
            peer.sees(lost, counts(2, 1), &[1, 3]).await;
            assert!(peer.ended().is_empty(), "nobody has died");
            assert_eq!(peer.lapsed_and_restored().0, 0);
        }
        let (epoch, _) = a.node.publish_at_last(lost, 2, "x").await;
        until("the new epoch", async || b.node.sink.told(lost).contains(&Told::Reset(epoch, 0)).then_some(())).await;
        assert_eq!((a.id(), b.id()), ids);
        until("the place to be taken", async || (b.admit(lost, 1).await == Ok(false)).then_some(())).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_one_lease_has_lost_all() {
    for on in [0, 2] {
        let shards = start(3).await;
        let (a, b) = two(&shards).await;
        for name in &names() {
            a.enter(name, 1, Some("u"));
            b.sees(name, counts(1, 1), &[1]).await;
        }
        let before = a.id();
        let keys = shards[on].keys().await;
        let key = keys.iter().find(|key| key.ends_with(":n:leases") && !key.contains(":test:")).expect("leases");
        shards[on].ask(&["HSET", key, &before.simple().to_string(), "0"]).await;
        until("another id", async || (a.id() != before).then_some(())).await;
        b.hears_of_ends(&[before]).await;
        for name in &names() {
            b.sees(name, counts(1, 1), &[1]).await;
        }
        let mut alive = vec![a.id(), b.id()];
        alive.sort_unstable();
        until("both to be alive", async || (b.nodes().await == Ok(alive.clone())).then_some(())).await;
        for shard in &shards {
            until("nothing to be left of it", async || {
                let leases = leases(shard).await;
                let is_there = |node: uuid::Uuid| leases.contains_key(&node.simple().to_string());
                (!is_there(before) && is_there(a.id()) && is_there(b.id())).then_some(())
            })
            .await;
        }
        assert_eq!((a.lapsed_and_restored().0, b.lapsed_and_restored()), (1, (0, 0)));
        assert!(a.ended().is_empty() && b.ended() == [before], "each is told once");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_alone_cannot_reach_a_shard_is_dead_in_all() {
    for on in [0, 1] {
        let shards = start(2).await;
        let mut wire = Wire::to(&shards[on]);
        let mut options = short_of(&shards);
        options.locations[on] = wire.location();
        let (a, b) = (Peer::start(options).await, Peer::start(short_of(&shards)).await);
        let names = [0, 1].map(|shard| name_on(shard, 2));
        for name in &names {
            a.enter(name, 1, None);
            b.sees(name, counts(1, 0), &[1]).await;
        }
        let (before, since) = (a.id(), Instant::now());
        wire.cut();
        b.hears_of_ends(&[before]).await;
        until("another id", async || (a.id() != before).then_some(())).await;
        assert!(since.elapsed() < LEASE + KNOWN_WITHIN, "{:?}", since.elapsed());
        // It enters again where it can, and publishes there.
        b.sees(&names[1 - on], counts(1, 0), &[1]).await;
        b.sees(&names[on], counts(0, 0), &[]).await;
        a.node.publish(&names[1 - on], 1, None).await.expect("it is published");
        let between = a.id();
        sleep(LEASE + Duration::from_millis(300)).await;
        assert!(a.node.engine.health().is_err_and(|words| words.contains(&format!("shard {} of 2", on + 1))));
        wire.mend();
        a.node.is_well().await;
        for name in &names {
            b.sees(name, counts(1, 0), &[1]).await;
            a.sees(name, counts(1, 0), &[1]).await;
        }
        assert_eq!((a.id(), a.lapsed_and_restored().0, b.ended()), (between, 1, vec![before]), "once");
        let mut alive = vec![a.id(), b.id()];
        alive.sort_unstable();
        assert_eq!(b.nodes().await, Ok(alive));
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_are_gone_from_all_shards() {
    let shards = start(3).await;
    let (a, b) = two(&shards).await;
    let c = Peer::start(short_of(&shards)).await;
    for name in &names() {
        for (n, peer) in [&a, &b, &c].into_iter().enumerate() {
            peer.enter(name, n as u128, None);
        }
        b.sees(name, counts(3, 0), &[0, 1, 2]).await;
    }
    let (first, second) = (a.id(), c.id());
    let since = Instant::now();
    drop(a);
    for name in &names() {
        b.sees(name, counts(2, 0), &[1, 2]).await;
    }
    b.hears_of_ends(&[first]).await;
    assert!(since.elapsed() < LEASE + KNOWN_WITHIN, "{:?}", since.elapsed());
    c.node.close().await;
    for name in &names() {
        assert_eq!(b.present(name).await, Ok((counts(1, 0), vec![1])), "at once");
    }
    b.hears_of_ends(&[first, second]).await;
    assert_eq!(b.nodes().await, Ok(vec![b.id()]));
    for shard in &shards {
        until("only one lease", async || (leases(shard).await.len() == 1).then_some(())).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_forgets_everything_takes_nobody_for_dead() {
    let shards = start(3).await;
    let (a, b) = two(&shards).await;
    let (ids, mut both) = ((a.id(), b.id()), vec![a.id(), b.id()]);
    both.sort_unstable();
    for name in &names() {
        a.enter(name, 1, Some("u"));
        b.sees(name, counts(1, 1), &[1]).await;
    }
    // Longer than the pause between two renewals: each has seen the other in all shards.
    sleep(LEASE / 3 + Duration::from_millis(300)).await;
    for shard in &shards {
        shard.ask(&["FLUSHALL"]).await;
        let since = Instant::now();
        while since.elapsed() < LEASE + Duration::from_millis(300) {
            for peer in [&a, &b] {
                if let Ok(nodes) = peer.nodes().await {
                    assert_eq!(nodes, both, "whoever answers leaves out nobody");
                }
            }
        }
        for name in &names() {
            b.sees(name, counts(1, 1), &[1]).await;
        }
    }
    assert_eq!((a.id(), b.id()), ids);
    for peer in [&a, &b] {
        let (lapsed, restored) = peer.lapsed_and_restored();
        assert!(lapsed == 0 && restored >= 3 && peer.ended().is_empty(), "{lapsed}, {restored}, {:?}", peer.ended());
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_as_many_shards_keep_the_data_of_their_replicas() {
    let mut shards = Vec::new();
    for _ in 0..4 {
        shards.push(Redis::on_port(|port| vec!["--port".to_owned(), port.to_string()]).await);
    }
    let names: Vec<_> = (0..4).map(|shard| name_on(shard, 4)).collect();
    let before = Node::start(options_of(&shards[..2])).await;
    for name in &names {
        for n in 1..=3 {
            before.publish(name, n, None).await.expect("it is published");
        }
    }
    before.close().await;
    for (replica, of) in [(2, 0), (3, 1)] {
        shards[replica].ask(&["REPLICAOF", "127.0.0.1", &shards[of].port().to_string()]).await;
        until("the replica to be in step", async || {
            let info = shards[replica].ask(&["INFO", "replication"]).await;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        shards[replica].ask(&["REPLICAOF", "NO", "ONE"]).await;
    }
    for shard in &shards {
        shard.ask(&["DEL", "ws:setup"]).await;
    }
    let after = Node::start(options_of(&shards)).await;
    for name in &names {
        assert_eq!(after.publish(name, 4, None).await.expect("it is published").position.map(|(_, n)| n), Some(4));
        assert_eq!(after.history(name).await.expect("a history").publications.len(), 4, "{name}");
    }
}
