//! Many callers at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all_of, offsets};
use super::recorder::Event;
use crate::engine::{Appended, Engine, EngineError, HistoryQuery, Retention};

cases![
    concurrent_appends_have_one_order,
    concurrent_publishers_without_retention_keep_their_own_orders,
    concurrent_duplicates_are_one_publication,
    of_concurrent_conflicts_one_is_published,
    history_is_never_ahead_of_the_sink,
    removal_among_appends_cuts_the_stream,
    interest_that_comes_and_goes_loses_nothing_for_who_stays,
];

const PUBLISHERS: u64 = 8;

/// Keeps this many publications for so long that none expires during the case: having a maximum age must not matter.
fn keep(size: usize) -> Retention {
    Retention::new(size, if size == 0 { Duration::ZERO } else { Duration::from_secs(3600) })
}

/// Runs `task` once for each publisher, all at once, and returns their results.
async fn at_once<E: Engine, T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    f: &Fixture<E>,
    task: impl Fn(Fixture<E>, u64) -> F,
) -> Vec<T> {
    let (mut tasks, start) = (JoinSet::new(), Arc::new(Barrier::new(PUBLISHERS as usize)));
    for i in 0..PUBLISHERS {
        let (start, task) = (start.clone(), task(f.clone(), i));
        tasks.spawn(async move {
            start.wait().await;
            task.await
        });
    }
    tasks.join_all().await
}

/// Data that identifies the publisher, and the number of its publication.
fn data(publisher: u64, n: u64) -> String {
    format!("[{publisher},{n}]")
}

async fn concurrent_appends_have_one_order<E: Engine>(f: Fixture<E>) {
    const EACH: u64 = 200;
    f.follow("a").await;
    let by_publisher = at_once(&f, |f, publisher| async move {
        let mut appended = Vec::new();
        for n in 0..EACH {
            let message = Message::new(data(publisher, n));
            let Appended { position, duplicate } = f.append("a", keep(2000), &message).await;
            assert!(!duplicate, "there is no msg_id");
            let (epoch, offset) = position.expect("a position");
            appended.push((offset, epoch, message.at(offset)));
        }
        appended
    })
    .await;
    for own in &by_publisher {
        assert!(own.windows(2).all(|pair| pair[0].0 < pair[1].0), "a publisher's publications are in its order");
    }
    let mut together = by_publisher.concat();
    together.sort_by_key(|(offset, ..)| *offset);
    let found: Vec<_> = together.iter().map(|(offset, ..)| *offset).collect();
    assert_eq!(found, (1..=PUBLISHERS * EACH).collect::<Vec<_>>(), "each offset once");
    assert_eq!(together.iter().map(|(_, epoch, _)| epoch).collect::<HashSet<_>>().len(), 1, "one epoch");
    let expected: Vec<_> = together.into_iter().map(|(.., publication)| publication).collect();
    assert!(f.sink.delivered("a") == expected, "the sink gets each once, in the order of the offsets");
    assert!(f.history(all_of("a", keep(2000))).await.publications == expected, "the history has the same order");
}

async fn concurrent_publishers_without_retention_keep_their_own_orders<E: Engine>(f: Fixture<E>) {
    const EACH: u64 = 100;
    f.follow("a").await;
    let by_publisher = at_once(&f, |f, publisher| async move {
        let messages: Vec<_> = (0..EACH).map(|n| Message::new(data(publisher, n))).collect();
        for message in &messages {
            f.append("a", keep(0), message).await;
        }
        messages.iter().map(|message| message.at(None)).collect::<Vec<_>>()
    })
    .await;
    let delivered = f.sink.delivered("a");
    assert_eq!(delivered.len() as u64, PUBLISHERS * EACH, "each is delivered once");
    for own in by_publisher {
        let seen: Vec<_> = delivered.iter().filter(|publication| own.contains(publication)).cloned().collect();
        assert!(seen == own, "a publisher's publications are delivered once, in its order");
    }
}

async fn concurrent_duplicates_are_one_publication<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    for round in 1..=20 {
        let answers = at_once(&f, |f, publisher| async move {
            let id = format!("id{round}");
            f.append("a", keep(100), &Message::sent(round, publisher).id(&id)).await
        })
        .await;
        let offsets: HashSet<_> = answers.iter().map(|appended| appended.position.map(|(_, offset)| offset)).collect();
        assert_eq!(offsets, HashSet::from([Some(round)]), "all are answered with the same position");
        assert_eq!(answers.iter().filter(|appended| !appended.duplicate).count(), 1, "one of them is new");
    }
    assert_eq!(f.sink.delivered("a").len(), 20, "one of each is delivered");
    assert_eq!(f.history(all_of("a", keep(100))).await.top, 20, "one of each is kept");
}

async fn of_concurrent_conflicts_one_is_published<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    for round in 1..=20 {
        let answers = at_once(&f, |f, publisher| async move {
            let id = format!("id{round}");
            f.try_append("a", keep(100), &Message::new(publisher).id(&id)).await
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "one is published: {won:?}");
        assert!(lost.iter().all(|answer| *answer == Err(EngineError::Conflict)), "the others conflict: {lost:?}");
    }
    assert_eq!(f.sink.delivered("a").len(), 20, "one of each is delivered");
}

/// [`Fixture`] compares each answer with the sink.
async fn history_is_never_ahead_of_the_sink<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let done = Arc::new(AtomicBool::new(false));
    at_once(&f, |f, i| {
        let done = done.clone();
        async move {
            if i < 3 {
                f.fill("a", keep(50), 100).await;
                done.store(true, Ordering::Release);
                return;
            }
            let mut top = 0;
            while !done.load(Ordering::Acquire) {
                let limit = if i % 2 == 0 { 0 } else { 10 };
                let history = f.history(HistoryQuery { limit, reverse: true, ..all_of("a", keep(50)) }).await;
                let newest = offsets(&history).first().copied();
                assert!(limit == 0 || newest.unwrap_or_default() == history.top, "{newest:?} is the top: {history:?}");
                assert!(history.top >= top, "the top only grows: {} after {top}", history.top);
                top = history.top;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let newest: Vec<_> = f.sink.delivered("a").into_iter().rev().take(50).collect();
    let history = f.history(HistoryQuery { reverse: true, ..all_of("a", keep(50)) }).await;
    assert!(history.publications == newest, "the history is what was delivered last");
}

async fn removal_among_appends_cuts_the_stream<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let mut epoch = f.history(all_of("a", keep(100))).await.epoch;
    let answers = at_once(&f, |f, i| async move {
        let mut positions = Vec::new();
        for n in 0..50 {
            if i == 0 && n % 10 == 0 {
                f.remove("a").await;
            }
            positions.extend(f.append("a", keep(10), &Message::new(data(i, n))).await.position);
        }
        positions
    })
    .await;
    let mut told: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (epoch, offset) in answers.into_iter().flatten() {
        told.entry(epoch.as_u64()).or_default().push(offset);
    }
    told.values_mut().for_each(|offsets| offsets.sort_unstable());
    let mut given: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for event in f.sink.events("a") {
        match event {
            Event::Reset(next) => epoch = next,
            Event::Delivered(publication) => given.entry(epoch.as_u64()).or_default().extend(publication.offset),
        }
    }
    assert_eq!(f.sink.seen("a").resets, 5, "the sink is told of each removal once");
    assert_eq!(told, given, "what publishers are told is what the sink is given, epoch by epoch");
    assert_eq!(f.history(all_of("a", keep(10))).await.epoch, epoch, "the last epoch holds");
}

async fn interest_that_comes_and_goes_loses_nothing_for_who_stays<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let epoch = f.history(all_of("a", keep(100))).await.epoch;
    at_once(&f, |f, i| async move {
        for n in 0..50 {
            if i < 2 {
                f.append("a", keep(10), &Message::new(data(i, n))).await;
            } else {
                f.interest("a", true);
                tokio::task::yield_now().await;
                f.interest("a", false);
            }
        }
    })
    .await;
    assert_eq!(f.sink.delivered("a").len(), 100, "all are delivered");
    let history = f.history(all_of("a", keep(10))).await;
    assert_eq!((history.epoch, history.top), (epoch, 100), "the stream is the same");
}
