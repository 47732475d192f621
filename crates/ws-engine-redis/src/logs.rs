//! Tests of how much there is in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Metadata, Subscriber};

use crate::fake::{connect, server, server_with};
use crate::generations::Seen;
use crate::options::RedisOptions;
use crate::resp::Value;

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
