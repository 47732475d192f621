//! Tests of how long anybody waits at most, and of what is renewed meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use tokio::time::timeout;
use ws_core::engine::{EngineError, FindQuery, Found, History, HistoryQuery, Retention};

use crate::fake::{connect, disconnect, of, read, server, server_with};
use crate::limits::APPEND_WAIT;
use crate::options::RedisOptions;
use crate::order::{append, done, pass};
use crate::replicas::Replicas;
use crate::shared::Shared;

/// A history, or only the position.
fn page(shared: &Arc<Shared>, limit: usize) -> Receiver<Result<History, EngineError>> {
    let (done, calls) = done();
    let retention = Retention::new(100, Duration::ZERO);
    let (after, before, reverse, bytes_max) = (0, None, false, 1000);
    shared.page(&HistoryQuery { channel: "c", retention, after, before, reverse, limit, bytes_max }, done);
    calls
}

fn find(shared: &Arc<Shared>) -> Receiver<Result<Option<Found>, EngineError>> {
    let (done, calls) = done();
    shared.find(&FindQuery { channel: "c", retention: Retention::new(100, Duration::ZERO), msg_id: "x" }, done);
    calls
}

#[tokio::test(start_paused = true)]
async fn waits_do_not_add_up() {
    const ALMOST: Duration = Duration::from_millis(4800);
    const REST: Duration = Duration::from_millis(600);
    let (shared, _) = server();
    let (_writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    feed.follow(1).await;
    // As long as may be without a connection, for its reply, and for the feed.
    disconnect(&shared);
    let appended = append(&shared, "c", 100);
    let mut reader = read(&shared);
    let (paged, found) = (page(&shared, 10), find(&shared));
    reader.expect("page").await;
    reader.expect("find").await;
    pass(&shared, ALMOST).await;
    reader.say(b"+FENCED\r\n+FENCED\r\n").await;
    let (mut writer, mut feed) = connect(&shared);
    shared.follow_all();
    feed.follow(1).await;
    pass(&shared, Duration::from_millis(100)).await;
    writer.expect("append").await;
    reader.expect("page").await;
    reader.expect("find").await;
    pass(&shared, ALMOST).await;
    writer.done(1, Some(2)).await;
    reader.page(1, 2).await;
    reader.found(1, 2).await;
    assert_eq!(appended.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(paged.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(found.try_recv(), Err(TryRecvError::Empty));
    pass(&shared, REST).await;
    let is_refused = |error: Option<EngineError>| matches!(error, Some(EngineError::Unavailable(_)));
    assert!(is_refused(appended.try_recv().expect("an answer").err()));
    assert!(is_refused(paged.try_recv().expect("an answer").err()));
    assert!(is_refused(found.try_recv().expect("an answer").err()));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_next_position_has_waited_since_it_came() {
    let (shared, _) = server();
    let mut reader = read(&shared);
    let first = page(&shared, 0);
    let next = page(&shared, 0);
    reader.expect("page").await;
    pass(&shared, Duration::from_millis(4800)).await;
    reader.page(1, 0).await;
    assert_eq!(first.try_recv().expect("an answer").map(|history| history.top), Ok(0));
    reader.expect("page").await;
    pass(&shared, Duration::from_millis(4800)).await;
    reader.say(b"+FENCED\r\n").await;
    pass(&shared, Duration::from_millis(100)).await;
    let refused = next.try_recv().expect("it is not asked for again");
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_has_only_that_be_renewed_which_has_gone() {
    let (shared, _) = server();
    let is_renewed = async || timeout(Duration::from_millis(200), shared.renew.notified()).await.is_ok();
    let (paged, found) = (page(&shared, 10), find(&shared));
    assert!(!is_renewed().await, "the reader is away");
    let mut reader = read(&shared);
    for (answer, expect) in [
        ("-TRYAGAIN Multiple keys request during rehashing of slot", false),
        ("-CLUSTERDOWN The cluster is down", false),
        ("-ASK 3999 127.0.0.1:6381", false),
        ("-NOSCRIPT No matching script.", true),
        ("-MOVED 3999 127.0.0.1:6381", true),
        ("+FENCED", true),
    ] {
        for _ in 0..2 {
            // The page, and the search.
            let command = reader.next().await;
            reader.say(format!("{answer}\r\n").as_bytes()).await;
            assert_eq!(is_renewed().await, expect, "{answer} of {}", String::from_utf8_lossy(&command[1]));
        }
    }
    drop((paged, found));
}

#[tokio::test(start_paused = true)]
async fn replicas_are_waited_for_no_longer_than_anything_else() {
    const HALF: Duration = Duration::from_secs(5);
    let replicas_timeout = Duration::from_secs(60);
    let (shared, _) = server_with(RedisOptions { replicas_min: 1, replicas_timeout, ..RedisOptions::for_tests() });
    let (mut writer, _feed) = connect(&shared);
    let mut redis = read(&shared);
    let [link, of] = [&shared.reader, &shared.writer].map(|slot| slot.read().clone().expect("it is connected"));
    *shared.replicas.write() = Some(Replicas::new(of, link, shared.keys.replicas(), 1, replicas_timeout));
    let mut publish = async || {
        let appended = append(&shared, "c", 100);
        writer.expect("append").await;
        writer.done(1, Some(1)).await;
        appended
    };
    let first = publish().await;
    redis.expect("SET").await;
    redis.expect("WAIT").await;
    pass(&shared, HALF).await;
    let second = publish().await;
    pass(&shared, APPEND_WAIT + shared.options.command_timeout - HALF).await;
    let given_up = first.try_recv().expect("an answer");
    let is_told = |words: &str| words.contains("not known to survive");
    assert!(matches!(&given_up, Err(EngineError::Unavailable(words)) if is_told(words)), "{given_up:?}");
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    // They have it after all.
    redis.say(b"+OK\r\n:1\r\n").await;
    redis.expect("SET").await;
    redis.expect("WAIT").await;
    redis.say(b"+OK\r\n:1\r\n").await;
    assert!(second.try_recv().expect("an answer").is_ok());
    assert!(shared.are_lanes_idle());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_epoch_of_the_feed_is_read_again() {
    for limit in [0, 10] {
        let (shared, told) = server();
        let (_writer, mut feed) = connect(&shared);
        let mut reader = read(&shared);
        shared.interest("c", true);
        let subscribe = feed.expect("SSUBSCRIBE").await;
        feed.expect("position").await;
        let first = page(&shared, limit);
        reader.expect("page").await;
        reader.page(1, 5).await;
        // Another server removes everything before the channel is followed.
        feed.confirm(&subscribe[1]).await;
        feed.position(2, 0).await;
        feed.expect("position").await;
        feed.position(2, 0).await;
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty), "the sink is never told of the new epoch");
        let next = page(&shared, limit);
        reader.expect("page").await;
        if limit > 0 {
            reader.expect("page").await;
            reader.page(2, 0).await;
        }
        reader.page(2, 0).await;
        let epoch =
            |paged: Receiver<Result<History, EngineError>>| paged.try_recv().map(|read| read.map(|it| it.epoch));
        assert_eq!(epoch(first), Ok(Ok(of(2))), "{limit}");
        if limit == 0 {
            // It came too late for the one before.
            reader.expect("page").await;
            reader.page(2, 0).await;
        }
        assert_eq!(epoch(next), Ok(Ok(of(2))), "{limit}");
        assert_eq!(told.0.lock().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_of_another_epoch_than_the_feed_is_read_again_for_so_long() {
    let (shared, _) = server();
    let (_writer, mut feed) = connect(&shared);
    let mut reader = read(&shared);
    shared.interest("c", true);
    feed.follow(2).await;
    let paged = page(&shared, 0);
    reader.expect("page").await;
    pass(&shared, Duration::from_millis(5100)).await;
    reader.page(1, 5).await;
    feed.expect("position").await;
    feed.position(2, 0).await;
    assert!(matches!(paged.try_recv(), Ok(Err(EngineError::Unavailable(_)))));
    reader.is_idle().await;
}
