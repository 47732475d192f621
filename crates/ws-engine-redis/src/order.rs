//! Tests of who is answered when: never before the sink was told, and always.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_core::engine::{Appended, Done, EngineError, Epoch, History, Retention};

use crate::channel::Then;
use crate::fake::{connect, disconnect, of, server, server_with};
use crate::job::{Appending, Job, Removing};
use crate::limits::LINGER;
use crate::options::RedisOptions;
use crate::shared::Shared;

/// A callback, and what it was called with.
fn then() -> (Then, Receiver<bool>) {
    let (called, calls) = channel();
    (Box::new(move |has_come| called.send(has_come).expect("somebody waits")), calls)
}

pub(crate) fn done<T: Send + 'static>() -> (Done<T>, Receiver<Result<T, EngineError>>) {
    let (called, calls) = channel();
    (Box::new(move |result| called.send(result).expect("somebody waits")), calls)
}

fn remove(shared: &Arc<Shared>, name: &str) -> Receiver<Result<Epoch, EngineError>> {
    let (done, calls) = done();
    shared.submit(name, Job::Remove(Removing { channel: name.into(), came: Instant::now(), done }));
    calls
}

pub(crate) fn append(shared: &Arc<Shared>, name: &str, size: usize) -> Receiver<Result<Appended, EngineError>> {
    let (done, calls) = done();
    let (retention, came) = (Retention::new(size, Duration::ZERO), Instant::now());
    let (bytes, id, age_ms, tag, is_repeated) = (vec![0; 17], None, 0, 0, false);
    shared.units.queue.take(if size > 0 { bytes.len() } else { 0 });
    let append = Appending { channel: name.into(), retention, bytes, id, age_ms, came, tag, is_repeated, done };
    shared.submit(name, Job::Append(append));
    calls
}

/// Lets time pass, in which the engine looks after what waits.
pub(crate) async fn pass(shared: &Arc<Shared>, time: Duration) {
    let since = Instant::now();
    while since.elapsed() < time {
        sleep(Duration::from_millis(100)).await;
        shared.tick_feed();
        shared.tick_lanes();
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_asked_for_once_for_each_connection() {
    let (shared, _) = server();
    shared.interest("c", true);
    shared.follow(shared.feed.all());
    let (_writer, mut feed) = connect(&shared);
    // Before the connection is said to be there, somebody else may see it.
    shared.follow_queued();
    shared.follow_all();
    feed.follow(1).await;
    feed.is_idle().await;
    disconnect(&shared);
    let (_writer, mut feed) = connect(&shared);
    shared.follow_all();
    feed.follow(1).await;
    feed.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_could_not_be_asked_for_goes_with_the_next_connection() {
    let (shared, _) = server();
    let (_writer, feed) = connect(&shared);
    drop(feed);
    sleep(Duration::from_millis(1)).await;
    // The connection has ended, and nobody has noticed.
    shared.interest("c", true);
    let (_writer, mut feed) = connect(&shared);
    pass(&shared, Duration::from_millis(100)).await;
    feed.follow(1).await;
}

#[tokio::test(start_paused = true)]
async fn to_be_followed_takes_one_position() {
    let (shared, _) = server();
    let (_writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    let (done, calls) = done();
    shared.following("c", done);
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.expect("position").await;
    feed.confirm(&subscribe[1]).await;
    assert_eq!(calls.try_recv(), Err(TryRecvError::Empty), "its position is not known");
    feed.position(1, 0).await;
    assert_eq!(calls.try_recv(), Ok(Ok(())));
    feed.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_answered_is_not_behind_the_feed() {
    let (shared, _) = server();
    let (_writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.expect("position").await;
    feed.confirm(&subscribe[1]).await;
    feed.position(1, 2).await;
    // It was read before the channel was followed.
    let read = |e| History { epoch: of(e), top: 1, oldest: 1, publications: Vec::new(), more: false };
    let followed = |channel, e, size| {
        let history = shared.as_followed(channel, Retention::new(size, Duration::ZERO), true, read(e));
        history.map(|history| (history.oldest, history.top))
    };
    assert_eq!(followed("c", 1, 2), Some((1, 2)));
    assert_eq!(followed("c", 1, 1), Some((2, 2)), "no more is retained than the size");
    assert_eq!(followed("c", 2, 2), None, "it is of another epoch");
    assert_eq!(followed("other", 1, 2), Some((1, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_on_its_way_says_nothing_of_what_came_later() {
    let (shared, told) = server();
    let (mut writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    let topic = feed.follow(1).await;
    // One that somebody else needs.
    shared.check("c");
    feed.expect("position").await;
    let removed = remove(&shared, "c");
    writer.expect("remove").await;
    writer.done(2, None).await;
    assert_eq!(removed.try_recv(), Err(TryRecvError::Empty), "the sink was not told");
    feed.position(1, 0).await;
    assert_eq!(removed.try_recv(), Err(TryRecvError::Empty), "the position is older than the removal");
    feed.expect("position").await;
    assert_eq!(told.0.lock().len(), 0);
    feed.removed(&topic, 2).await;
    assert_eq!(removed.try_recv(), Ok(Ok(of(2))));
    assert_eq!(*told.0.lock(), ["reset 3 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_is_asked_for_anew_where_its_like_is_on_its_way_with_a_subscription() {
    let (shared, told) = server();
    let (_writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    feed.follow(1).await;
    disconnect(&shared);
    let (_writer, mut feed) = connect(&shared);
    shared.follow_all();
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.expect("position").await;
    let (then, calls) = then();
    shared.when_delivered("c", (of(2), 0), shared.deadline(Instant::now()), then);
    feed.confirm(&subscribe[1]).await;
    feed.position(1, 0).await;
    assert_eq!(calls.try_recv(), Err(TryRecvError::Empty), "that was before it");
    feed.expect("position").await;
    feed.position(2, 0).await;
    assert_eq!(calls.try_recv(), Ok(true));
    assert_eq!(*told.0.lock(), ["reset 3 0"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_back_in_time_is_no_success() {
    let (shared, told) = server();
    let (mut writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    feed.follow(1).await;
    shared.interest("pass", true);
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.confirm(&subscribe[1]).await;

    let appended = append(&shared, "c", 100);
    writer.expect("append").await;
    writer.done(1, Some(1)).await;
    let removed = remove(&shared, "c");
    writer.expect("remove").await;
    writer.done(2, None).await;
    let passed = append(&shared, "pass", 0);
    writer.expect("SPUBLISH").await;
    writer.say(b":1\r\n").await;
    pass(&shared, Duration::from_secs(4)).await;
    assert_eq!(appended.try_recv(), Err(TryRecvError::Empty));
    pass(&shared, Duration::from_secs(2)).await;
    let is_refused = |error: Option<EngineError>| matches!(error, Some(EngineError::Unavailable(_)));
    assert!(is_refused(appended.try_recv().expect("an answer").err()));
    assert!(is_refused(removed.try_recv().expect("an answer").err()));
    assert!(is_refused(passed.try_recv().expect("an answer").err()));
    assert_eq!(told.0.lock().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_position_is_asked_for_where_nothing_is_retained() {
    let (shared, told) = server();
    let (_writer, mut feed) = connect(&shared);
    shared.interest("pass", true);
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.confirm(&subscribe[1]).await;
    shared.check("pass");
    (0..shared.keys.partitions()).for_each(|partition| shared.check_partition(partition));
    feed.is_idle().await;
    assert_eq!(told.0.lock().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_at_the_second_try_is_answered() {
    let (shared, told) = server();
    let (mut writer, mut feed) = connect(&shared);
    shared.interest("pass", true);
    let subscribe = feed.expect("SSUBSCRIBE").await;
    feed.confirm(&subscribe[1]).await;
    let passed = append(&shared, "pass", 0);
    writer.expect("SPUBLISH").await;
    writer.say(b"-BUSY Redis is busy running a script.\r\n").await;
    pass(&shared, Duration::from_millis(100)).await;
    let publish = writer.expect("SPUBLISH").await;
    writer.say(b":1\r\n").await;
    assert_eq!(passed.try_recv(), Err(TryRecvError::Empty), "the sink was not told");
    feed.pushed(&publish[1], &publish[2]).await;
    assert_eq!(passed.try_recv(), Ok(Ok(Appended { position: None, duplicate: false })));
    assert_eq!(told.0.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_a_channel_that_is_left_is_answered() {
    let command_timeout = 2 * LINGER;
    let (shared, _) = server_with(RedisOptions { command_timeout, ..RedisOptions::for_tests() });
    let (_writer, mut feed) = connect(&shared);
    shared.interest("c", true);
    feed.follow(1).await;
    let (then, calls) = then();
    shared.when_delivered("c", (of(1), 1), shared.deadline(Instant::now()), then);
    shared.interest("c", false);
    pass(&shared, LINGER - Duration::from_secs(1)).await;
    assert_eq!(calls.try_recv(), Err(TryRecvError::Empty), "it may come");
    pass(&shared, Duration::from_secs(2)).await;
    assert_eq!(calls.try_recv(), Ok(true));
    feed.expect("position").await;
    feed.expect("SUNSUBSCRIBE").await;
    assert_eq!(shared.feed.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_is_in_order_where_redis_refuses_a_part() {
    let (shared, _) = server();
    let (mut writer, _feed) = connect(&shared);
    // In the same lane.
    let is_beside = |name: &String| shared.keys.partition(name) == shared.keys.partition("pass");
    let beside = (0..).map(|n| n.to_string()).find(is_beside).expect("one of so many");
    let [before, first, second, other] = ["pass", "pass", "pass", &beside].map(|name| append(&shared, name, 0));
    writer.expect("SPUBLISH").await;
    writer.say(b":1\r\n").await;
    for _ in 0..3 {
        writer.expect("SPUBLISH").await;
    }
    writer.say(b"-BUSY Redis is busy running a script.\r\n:1\r\n-BUSY Redis is busy running a script.\r\n").await;
    let passed = Ok(Ok(Appended { position: None, duplicate: false }));
    assert_eq!((before.try_recv(), second.try_recv()), (passed.clone(), passed.clone()));
    assert!(matches!(first.try_recv(), Ok(Err(EngineError::Unavailable(_)))), "it would follow the second one");
    pass(&shared, Duration::from_millis(100)).await;
    writer.expect("SPUBLISH").await;
    writer.say(b":1\r\n").await;
    assert_eq!(other.try_recv(), passed);
    writer.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_does_not_wait_behind_what_redis_has_no_room_for() {
    let (shared, _) = server_with(RedisOptions { partitions: 1, ..RedisOptions::for_tests() });
    let (mut writer, _feed) = connect(&shared);
    let refused: Vec<_> = (0..200).map(|n| append(&shared, &n.to_string(), 100)).collect();
    writer.expect("append").await;
    writer.say(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n").await;
    let passed = append(&shared, "pass", 0);
    writer.expect("SPUBLISH").await;
    writer.say(b":1\r\n").await;
    passed.try_recv().expect("it is answered").expect("it is passed on");
    assert!(refused.iter().all(|refused| refused.try_recv() == Err(TryRecvError::Empty)), "these wait");
}
