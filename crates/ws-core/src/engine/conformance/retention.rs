//! What is retained.

use std::time::{Duration, Instant};

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, all_of, keep, offsets};
use crate::engine::{Engine, EngineError, Expiry, Retention};

cases![
    no_more_than_the_size_is_retained,
    a_smaller_size_in_the_query_hides_the_older_ones,
    publications_expire_and_the_top_stays,
    a_shorter_ttl_in_the_query_hides_the_older_ones,
    a_msg_id_expires_with_its_publication,
    without_retention_there_is_no_history,
    publications_may_expire_together_with_the_newest,
    what_expires_together_waits_for_as_long_as_it_is_held,
];

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// Returns when everything that has been published is older than [`SHORT`] by the clock of any engine.
async fn short_has_passed() {
    let start = Instant::now();
    while start.elapsed() < 3 * SHORT {
        tokio::time::sleep(SHORT).await;
    }
}

async fn no_more_than_the_size_is_retained<E: Engine>(f: Fixture<E>) {
    for size in [1, 2, 7] {
        let channel = format!("a{size}");
        f.follow(&channel).await;
        for i in 1..=10_u64 {
            f.append(&channel, keep(size), &Message::new(i)).await;
            let history = f.history(all_of(&channel, keep(size))).await;
            let oldest = (i + 1).saturating_sub(size as u64).max(1);
            assert_eq!((history.top, history.oldest), (i, oldest), "top and oldest after append {i} with size {size}");
            assert_eq!(offsets(&history), (oldest..=i).collect::<Vec<_>>(), "after append {i} with size {size}");
        }
    }
}

async fn a_smaller_size_in_the_query_hides_the_older_ones<E: Engine>(f: Fixture<E>) {
    f.fill("a", keep(100), 10).await;
    let history = f.history(all_of("a", keep(3))).await;
    assert_eq!((history.top, history.oldest, history.more), (10, 8, false), "top, oldest, more");
    assert_eq!(offsets(&history), [8, 9, 10]);
}

async fn publications_expire_and_the_top_stays<E: Engine>(f: Fixture<E>) {
    let (short, long) = (Retention::new(100, SHORT), Retention::new(100, LONG));
    f.follow("short").await;
    f.follow("long").await;
    f.fill("short", short, 3).await;
    f.fill("long", long, 3).await;
    let epoch = f.history(all_of("short", short)).await.epoch;
    short_has_passed().await;
    let history = f.history(all_of("short", short)).await;
    assert_eq!((history.top, history.oldest, history.more), (3, 4, false), "top, oldest, more of what has expired");
    assert_eq!((history.epoch, offsets(&history)), (epoch, vec![]), "nothing is left but the position");
    let appended = f.append("short", long, &Message::new(4)).await;
    assert_eq!(appended.position, Some((epoch, 4)), "the stream goes on");
    let history = f.history(all_of("short", long)).await;
    assert_eq!((history.oldest, offsets(&history)), (4, vec![4]), "what has expired does not come back");
    assert_eq!(offsets(&f.history(all_of("long", long)).await), [1, 2, 3], "nothing expires before its time");
}

async fn a_shorter_ttl_in_the_query_hides_the_older_ones<E: Engine>(f: Fixture<E>) {
    f.fill("a", keep(100), 3).await;
    short_has_passed().await;
    assert_eq!(offsets(&f.history(all("a")).await), [1, 2, 3], "a ttl of zero keeps them");
    let history = f.history(all_of("a", Retention::new(100, LONG))).await;
    assert_eq!(offsets(&history), [1, 2, 3], "they are not so old");
    let history = f.history(all_of("a", Retention::new(100, SHORT))).await;
    assert_eq!((history.top, history.oldest, offsets(&history)), (3, 4, vec![]), "top, oldest, offsets");
}

async fn a_msg_id_expires_with_its_publication<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let short = Retention::new(100, SHORT);
    f.append("a", short, &Message::new(1).id("x")).await;
    short_has_passed().await;
    let appended = f.append("a", short, &Message::new(2).id("x")).await;
    assert_eq!(appended.position.map(|(_, offset)| offset), Some(2), "neither a duplicate nor a conflict");
    assert!(!appended.duplicate, "the first one has expired");
}

async fn without_retention_there_is_no_history<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    assert_eq!(f.try_history(all_of("a", keep(0))).await, Err(EngineError::NoHistory), "of an unknown channel");
    f.fill("a", keep(0), 2).await;
    assert_eq!(f.try_history(all_of("a", keep(0))).await, Err(EngineError::NoHistory), "after publications");
    let history = f.history(all("a")).await;
    assert_eq!((history.top, offsets(&history)), (0, vec![]), "what was not retained has left no trace");
}

async fn publications_may_expire_together_with_the_newest<E: Engine>(f: Fixture<E>) {
    let together = Retention { expiry: Expiry::Together, ..Retention::new(100, LONG) };
    f.append("a", together, &Message::new(1)).await;
    short_has_passed().await;
    f.append("a", together, &Message::new(2)).await;
    assert_eq!(offsets(&f.history(all_of("a", together)).await), [1, 2]);
    let each = f.history(all_of("a", Retention::new(100, 2 * SHORT))).await;
    assert!(each.oldest >= 2, "by its own age the first one is too old");
}

async fn what_expires_together_waits_for_as_long_as_it_is_held<E: Engine>(f: Fixture<E>) {
    let together = |ttl| Retention { expiry: Expiry::Together, ..Retention::new(100, ttl) };
    f.append("a", together(Duration::ZERO), &Message::new(1)).await;
    short_has_passed().await;
    assert_eq!(offsets(&f.history(all_of("a", together(Duration::ZERO))).await), [1], "it is held");
    f.append("a", together(SHORT), &Message::new(2)).await;
    short_has_passed().await;
    let history = f.history(all_of("a", together(SHORT))).await;
    assert_eq!((history.top, history.oldest, offsets(&history)), (2, 3, vec![]), "all are gone");
}
