//! Sentinels lead to the primary, at the start and whenever it is another one.

use std::time::{Duration, Instant};

use ws_core::engine::Engine;
use ws_engine_redis::{Address, Location, RedisEngine, RedisOptions, StartError};

use crate::authority::Authority;
use crate::fixture::{Redis, until};
use crate::node::{Node, Told, delivered};
use crate::sentinels::{Liar, NAME, Sentinel, through};

async fn primary() -> Redis {
    Redis::on_port(|port| vec!["--port".to_owned(), port.to_string()]).await
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_loses_nothing_in_silence() {
    let mut first = primary().await;
    let second = Redis::replica_of(&first).await;
    let sentinel = Sentinel::start(&first, 1, &[]).await;
    sentinel.knows(&second).await;
    let options = RedisOptions { replicas_min: 1, ..through(&first, &[sentinel.address()]) };
    let (a, b) = (Node::start(options.clone()).await, Node::start(options).await);
    b.follow("c").await;
    for n in 1..=3 {
        a.publish("c", n, None).await.expect("the replica has it");
    }
    b.is_told("c", &[delivered(1, 1), delivered(2, 2), delivered(3, 3)]).await;

    first.kill().await;
    for node in [&a, &b] {
        until("the trouble to be noticed", async || node.engine.health().err()).await;
    }
    // There is no replica any more, so nothing is acknowledged; it is published all the same.
    until("the other primary", async || second.is_primary().await.then_some(())).await;
    a.is_well().await;
    b.is_well().await;
    let told = until("the publication", async || {
        // A repeat is the same publication.
        let _ = a.publish("c", 4, Some("x")).await;
        let told = b.sink.told("c");
        (told.len() >= 5).then_some(told)
    })
    .await;
    assert!(matches!(told[3], Told::Renewed(_, 3)), "everything that was acknowledged has survived: {told:?}");
    assert!(told[4..] == [delivered(4, 4)] || told[4..] == [Told::Skipped(4)], "{told:?}");
    for node in [&a, &b] {
        let history = node.history("c").await.expect("pages are read from the new primary");
        assert_eq!((history.top, history.publications.len()), (4, 4));
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publications_go_on_after_a_failover() {
    let mut first = primary().await;
    let second = Redis::replica_of(&first).await;
    let sentinel = Sentinel::start(&first, 1, &[]).await;
    sentinel.knows(&second).await;
    let a = Node::start(through(&first, &[sentinel.address()])).await;
    let (before, _) = a.publish_at_last("c", 1, "1").await;
    first.kill().await;
    for n in 2..=20 {
        a.publish_at_last("c", n, &n.to_string()).await;
    }
    let history = a.history("c").await.expect("a history");
    assert_ne!(history.epoch, before, "what may have been lost is another epoch");
    assert!(history.publications.len() >= 19, "{history:?}");
    a.is_well().await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_moves_everything() {
    let first = primary().await;
    let second = Redis::replica_of(&first).await;
    let sentinel = Sentinel::start(&first, 1, &[]).await;
    sentinel.knows(&second).await;
    let a = Node::start(through(&first, &[sentinel.address()])).await;
    a.publish_at_last("c", 1, "1").await;
    sentinel.ask(&["SENTINEL", "FAILOVER", NAME]).await;
    // The first one takes writes for some time more, and cuts no connections.
    for (redis, expect) in [(&first, 0), (&second, 3)] {
        until("all connections to move", async || {
            let clients = redis.ask(&["CLIENT", "LIST"]).await;
            (clients.matches("resp=3").count() == expect).then_some(())
        })
        .await;
    }
    assert!(first.is_primary().await, "it is early enough");
    a.publish_at_last("c", 2, "2").await;
    assert_eq!(a.history("c").await.expect("a history").publications.len(), 2);
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_asked_until_one_leads_to_the_primary() {
    let redis = primary().await;
    let replica = Redis::replica_of(&redis).await;
    let (liar, sentinel) = (Liar::start(&replica).await, Sentinel::start(&redis, 1, &[]).await);
    let mut gone = Sentinel::start(&redis, 1, &[]).await;
    gone.kill().await;
    let all = [gone.address(), liar.address(), sentinel.address()];
    let a = Node::start(through(&redis, &all)).await;
    a.publish("c", 1, None).await.expect("it is published");
    // Where none of them does, all of them say why.
    let options = RedisOptions { start_timeout: Duration::from_millis(1), ..through(&redis, &all[..2]) };
    let error = RedisEngine::open(options).await.expect_err("a replica and nobody").to_string();
    assert!(error.contains("refused") && error.contains("is a replica"), "{error}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_others_name_are_asked_too() {
    let redis = primary().await;
    let (mut known, other) = (Sentinel::start(&redis, 2, &[]).await, Sentinel::start(&redis, 2, &[]).await);
    until("the Sentinels to know each other", async || {
        let others = known.ask(&["SENTINEL", "SENTINELS", NAME]).await;
        let Address::Tcp(_, port) = other.address() else { return None };
        others.contains(&port.to_string()).then_some(())
    })
    .await;
    let a = Node::start(through(&redis, &[known.address()])).await;
    known.kill().await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]).await;
    until("the trouble to be noticed", async || a.engine.health().err()).await;
    a.is_well().await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_no_sentinel_knows_is_waited_for() {
    let mut redis = primary().await;
    let sentinel = Sentinel::start(&redis, 1, &[]).await;
    let mut options = through(&redis, &[sentinel.address()]);
    redis.kill().await;
    let (since, patience) = (Instant::now(), Duration::from_millis(500));
    let error = RedisEngine::open(RedisOptions { start_timeout: patience, ..options.clone() }).await;
    let error = error.expect_err("nobody is there");
    assert!(matches!(error, StartError::Unreachable(_)) && since.elapsed() >= patience, "{error}");
    assert!(error.to_string().contains("no Sentinel leads to the primary \"main\""), "{error}");
    options.start_timeout = Duration::from_secs(15);
    let (opened, ()) = tokio::join!(RedisEngine::open(options.clone()), redis.restart());
    opened.expect("it came back");

    options.start_timeout = Duration::from_millis(1);
    options.locations = vec![Location::Sentinel { sentinels: vec![sentinel.address()], primary: "other".to_owned() }];
    let error = RedisEngine::open(options).await.expect_err("an unknown name").to_string();
    assert!(error.contains("knows no primary of that name"), "{error}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_passwords_of_their_own() {
    let redis = primary().await;
    let user = "user app on >secret ~* +sentinel|get-master-addr-by-name +sentinel|sentinels +hello";
    let sentinel = Sentinel::start(&redis, 1, &["requirepass other".to_owned(), user.to_owned()]).await;
    let dir = tempfile::tempdir().expect("a directory");
    let with = |username: &str, password: &str| {
        let file = dir.path().join(password);
        std::fs::write(&file, password).expect("room");
        let (sentinel_username, sentinel_password_file) = (username.to_owned(), Some(file));
        let through = through(&redis, &[sentinel.address()]);
        RedisOptions { sentinel_username, sentinel_password_file, start_timeout: Duration::from_secs(60), ..through }
    };
    RedisEngine::open(with("", "other")).await.expect("the password of the default user");
    RedisEngine::open(with("app", "secret")).await.expect("a user with rights to ask");
    for wrong in [with("", "wrong"), with("app", "wrong"), through(&redis, &[sentinel.address()])] {
        let error = RedisEngine::open(wrong).await.expect_err("no login");
        let is_told = ["WRONGPASS", "NOAUTH"].iter().any(|code| error.to_string().contains(code));
        assert!(matches!(error, StartError::Unusable(_)) && is_told, "at once: {error}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_spoken_to_over_tls_where_redis_is() {
    let authority = Authority::new();
    let identity = authority.identity(&["127.0.0.1"]);
    let redis = authority.redis(&identity, "no").await;
    let settings = authority.arguments(&identity, "no");
    let settings = settings.chunks(2).map(|pair| format!("{} {}", pair[0].trim_start_matches("--"), pair[1]));
    let tls = ["port 0", "tls-port PORT", "tls-replication yes"].map(str::to_owned);
    let sentinel = Sentinel::start(&redis, 1, &tls.into_iter().chain(settings).collect::<Vec<_>>()).await;
    let a = Node::start(RedisOptions { tls: Some(authority.tls()), ..through(&redis, &[sentinel.address()]) }).await;
    a.publish("c", 1, None).await.expect("it is published");
    let other = Authority::new();
    let stranger = RedisOptions {
        tls: Some(other.tls()),
        start_timeout: Duration::from_millis(1),
        ..through(&redis, &[sentinel.address()])
    };
    let error = RedisEngine::open(stranger).await.expect_err("a stranger").to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
}
