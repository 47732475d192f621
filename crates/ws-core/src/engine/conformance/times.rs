//! The times shown in publications.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, all_of, keep};
use crate::engine::time::{AHEAD_MAX_MS, shown};
use crate::engine::{Engine, HistoryQuery, Publication};

cases![
    times_do_not_go_back_within_a_channel,
    times_that_were_far_ahead_are_corrected,
    very_many_of_them_too,
    a_new_epoch_has_new_times,
];

const NOON: u64 = 1_700_000_000_000;

/// Makes one publication at each of these times, and returns the times that the history shows.
async fn publish<E: Engine>(f: &Fixture<E>, times: &[u64]) -> Vec<u64> {
    publish_in(f, all("a"), times).await
}

/// The same in a channel with the retention of this query.
async fn publish_in<E: Engine>(f: &Fixture<E>, query: HistoryQuery<'_>, times: &[u64]) -> Vec<u64> {
    for (n, time) in times.iter().enumerate() {
        f.append(query.channel, query.retention, &Message::sent(n % 10, *time)).await;
    }
    shown_by(&f.history(query).await.publications)
}

/// The data of all of them is one digit.
fn shown_by(publications: &[Publication]) -> Vec<u64> {
    let data = Message::new(1).data;
    publications.iter().filter_map(|publication| shown(&publication.body, &data)).collect()
}

async fn times_do_not_go_back_within_a_channel<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let times = publish(&f, &[NOON, NOON - 1, NOON + 5, NOON + 5 - AHEAD_MAX_MS, NOON + 6]).await;
    assert_eq!(times, [NOON, NOON, NOON + 5, NOON + 5, NOON + 6]);
    assert_eq!(shown_by(&f.sink.delivered("a")), times, "what is delivered is what is kept");
    let other = f.append("b", all("b").retention, &Message::sent(1, NOON - 100)).await;
    assert!(other.position.is_some());
    assert_eq!(shown_by(&f.history(all("b")).await.publications), [NOON - 100], "channels have nothing to do with it");
}

async fn times_that_were_far_ahead_are_corrected<E: Engine>(f: Fixture<E>) {
    let ahead = NOON + 10 * 365 * 86_400_000;
    assert_eq!(publish(&f, &[NOON, ahead, ahead + 1]).await, [NOON, ahead, ahead + 1]);
    assert_eq!(publish(&f, &[NOON + 7]).await, [NOON, NOON + 7, NOON + 7, NOON + 7]);
    assert_eq!(publish(&f, &[NOON + 8]).await[3..], [NOON + 7, NOON + 8], "the time goes on");
    let again = f.append("a", all("a").retention, &Message::sent(1, ahead)).await;
    assert_eq!(again.position.map(|(_, offset)| offset), Some(6));
}

async fn very_many_of_them_too<E: Engine>(f: Fixture<E>) {
    let (before, ahead) = ((0..10).map(|n| NOON + n), (0..1100).map(|n| NOON + 10 * 365 * 86_400_000 + n));
    let times: Vec<_> = before.clone().chain(ahead).collect();
    let query = all_of("a", keep(2000));
    assert_eq!(publish_in(&f, query, &times).await, times);
    let expect: Vec<_> = before.chain((0..1101).map(|_| NOON + 1000)).collect();
    assert_eq!(publish_in(&f, query, &[NOON + 1000]).await, expect);
}

async fn a_new_epoch_has_new_times<E: Engine>(f: Fixture<E>) {
    publish(&f, &[NOON]).await;
    f.remove("a").await;
    assert_eq!(publish(&f, &[NOON - 1000]).await, [NOON - 1000]);
}
