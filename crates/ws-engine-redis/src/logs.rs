//! Tests of how much there is in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Metadata, Subscriber};

use crate::fake::{connect, server, server_with};
use crate::generations::Seen;
use crate::limits::BACKOFF;
use crate::options::RedisOptions;
use crate::order::{append, pass};
use crate::resp::Value;
use crate::trouble::{Health, Part};

/// Counts the lines of a thread.
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn count() -> (Arc<AtomicUsize>, DefaultGuard) {
    let lines = Arc::<AtomicUsize>::default();
    (lines.clone(), set_default(Lines(lines)))
}

#[tokio::test(start_paused = true)]
async fn what_others_send_does_not_fill_the_log() {
    let (shared, _) = server();
    shared.interest("c", true);
    let topic = shared.keys.topic(shared.keys.partition("c"), "c").into_bytes();
    let push = [b"smessage".to_vec(), topic, b"?".to_vec()].map(Value::Bytes);
    let sends: [&dyn Fn(); 2] = [&|| shared.pushed(&push), &|| shared.heard(b"?")];
    for send in sends {
        let (lines, _guard) = count();
        (0..1000).for_each(|_| send());
        // A second may have begun meanwhile.
        assert!((1..=2).contains(&lines.load(Ordering::Relaxed)), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_redis_is_one_line() {
    const PARTITIONS: usize = 64;
    let (shared, _) = server_with(RedisOptions { partitions: PARTITIONS, ..RedisOptions::for_tests() });
    shared.generations.iter().for_each(|generation| generation.store(7, Ordering::Release));
    let (mut redis, _feed) = connect(&shared);
    let writer = shared.writer.read().clone().expect("it is connected");
    let serve = async {
        for _ in 0..PARTITIONS {
            let command = redis.next().await;
            redis.grant(&command).await;
        }
    };
    let (lines, _guard) = count();
    let mut seen = Seen::default();
    let (renewed, ()) = tokio::join!(shared.renew_generations(&writer, &mut seen), serve);
    renewed.expect("they are renewed");
    assert_eq!(lines.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_refuses_is_a_line_when_it_begins_and_one_when_it_ends() {
    let (shared, _) = server();
    let (mut writer, _feed) = connect(&shared);
    [Part::Pair, Part::Reader].into_iter().for_each(|part| shared.report(part, Health::Well));
    let (lines, _guard) = count();
    let refused = append(&shared, "c", 100);
    let refusal = loop {
        if let Ok(command) = timeout(Duration::from_millis(50), writer.next()).await {
            assert_eq!(command[1], b"append");
            writer.say(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n").await;
        }
        pass(&shared, Duration::from_millis(100)).await;
        shared.say();
        if let Ok(answer) = refused.try_recv() {
            break answer.expect_err("it is full");
        }
    };
    assert!(refusal.to_string().contains("Redis refuses it: OOM command not allowed"), "{refusal}");
    assert_eq!(lines.load(Ordering::Relaxed), 1);
    for _ in 0..2 {
        let taken = append(&shared, "c", 100);
        // After a refusal there is a pause.
        pass(&shared, BACKOFF.1).await;
        writer.expect("append").await;
        writer.done(1, Some(1)).await;
        assert!(taken.try_recv().expect("an answer").is_ok());
        shared.say();
    }
    assert_eq!(lines.load(Ordering::Relaxed), 2);
}
