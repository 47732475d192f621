//! Tests of a connection alone, of which the test has the other end.

use tokio::io::duplex;

use super::*;

fn link(patience: Patience) -> (Link, tokio::io::DuplexStream) {
    let (ours, theirs) = duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    (Link::begin(read, write, patience, Box::new(|_| {})), theirs)
}

const LONG: Patience = Patience::Command(Duration::from_secs(5));

#[tokio::test(start_paused = true)]
async fn replies_belong_to_commands_in_their_order() {
    let (link, mut redis) = link(LONG);
    let answers = async { tokio::join!(link.call(["A"]), link.call(["B"])) };
    let serve = async {
        let mut asked = vec![0; 22];
        redis.read_exact(&mut asked).await.expect("two commands");
        redis.write_all(b">2\r\n+message\r\n+x\r\n:1\r\n-ERR no\r\n").await.expect("it reads");
    };
    let ((a, b), ()) = tokio::join!(answers, serve);
    assert_eq!((a, b), (Ok(Value::Int(1)), Err(Failure::Refused("ERR no".to_owned()))));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_confirmed_by_as_many_messages_as_it_has_topics() {
    let (link, mut redis) = link(LONG);
    let (done, mut confirmed) = oneshot::channel();
    let subscribe = |batch: &mut Batch<'_>| {
        batch.subscription(["SSUBSCRIBE", "a", "b"], 2, move |result| {
            done.send(result.is_ok()).expect("somebody waits")
        });
    };
    link.send(subscribe).expect("it is there");
    redis.write_all(b">3\r\n+ssubscribe\r\n+a\r\n:1\r\n").await.expect("it reads");
    tokio::task::yield_now().await;
    assert!(confirmed.try_recv().is_err(), "one of two");
    redis.write_all(b">3\r\n+ssubscribe\r\n+b\r\n:2\r\n").await.expect("it reads");
    assert_eq!(confirmed.await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_redis_ends_by_itself_ends_the_link() {
    let (link, mut redis) = link(LONG);
    let (done, ended) = oneshot::channel();
    link.send(|batch| {
        batch.subscription(["SUNSUBSCRIBE", "a"], 1, |result| done.send(result).expect("somebody waits"))
    })
    .expect("it is there");
    redis.write_all(b">3\r\n+sunsubscribe\r\n+a\r\n:1\r\n").await.expect("it reads");
    assert!(ended.await.is_ok_and(|result| result.is_ok()), "it was asked for");
    let (done, subscribed) = oneshot::channel();
    link.send(|batch| batch.subscription(["SSUBSCRIBE", "b"], 1, |result| done.send(result).expect("somebody waits")))
        .expect("it is there");
    redis.write_all(b">3\r\n+sunsubscribe\r\n+c\r\n:1\r\n").await.expect("it reads");
    assert_eq!(link.ended().await, "Redis has ended a subscription by itself: the data has moved");
    assert!(matches!(subscribed.await, Ok(Err(Failure::Lost { sent: true, .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_come_ends_the_link() {
    let (link, _redis) = link(LONG);
    let lost = link.call(["A"]).await;
    assert!(matches!(lost, Err(Failure::Lost { sent: true, .. })), "{lost:?}");
    assert_eq!(link.ended().await, "Redis has not answered within 5s");
    let lost = link.call(["A"]).await;
    assert!(matches!(lost, Err(Failure::Lost { sent: false, .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_not_written_is_known_not_to_be() {
    let (link, redis) = link(Patience::Silence(Duration::from_secs(5)));
    let large = vec![b'x'; 1 << 17];
    let first = link.call([&large]);
    let second = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        link.call(["B"]).await
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(redis);
    };
    let (first, second, ()) = tokio::join!(first, second, end);
    assert!(matches!(first, Err(Failure::Lost { sent: true, .. })), "{first:?}");
    assert!(matches!(second, Err(Failure::Lost { sent: false, .. })), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_link_is_pinged_and_any_answer_is_life() {
    let ((link, mut redis), since, mut asked) = (link(LONG), Instant::now(), [0; 14]);
    redis.read_exact(&mut asked).await.expect("a command");
    assert_eq!(&asked, b"*1\r\n$4\r\nPING\r\n");
    assert!((PING_AFTER..PING_AFTER + 3 * TICK).contains(&since.elapsed()), "{:?}", since.elapsed());
    redis.write_all(b"-NOPERM no\r\n").await.expect("it reads");
    tokio::time::sleep(PING_AFTER / 2 + TICK).await;
    assert!(!link.has_ended());
}
