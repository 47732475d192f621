//! Bounds and order of a query.

use super::cases;
use super::fixture::Fixture;
use super::message::{all_of, keep, offsets};
use crate::engine::{Engine, HistoryQuery};

cases![
    history_is_read_in_both_orders,
    bounds_are_exclusive,
    bounds_beyond_the_stream_are_no_error,
    the_position_alone_is_a_limit_of_zero,
];

/// Ten publications of which the last eight are retained: 3 to 10.
pub(super) async fn eight<E: Engine>(f: &Fixture<E>) -> HistoryQuery<'static> {
    f.fill("a", keep(8), 10).await;
    all_of("a", keep(8))
}

/// Runs the query, and compares the offsets and `more`.
pub(super) async fn check<E: Engine>(f: &Fixture<E>, query: HistoryQuery<'_>, expect: &[u64], more: bool) {
    let history = f.history(query).await;
    assert_eq!((history.top, history.oldest), (10, 3), "top and oldest are the stream's: {query:?}");
    assert_eq!((offsets(&history).as_slice(), history.more), (expect, more), "offsets and more: {query:?}");
    for publication in &history.publications {
        let body = String::from_utf8_lossy(&publication.body);
        let data = format!("\"data\":{},", publication.offset.unwrap_or_default());
        assert!(body.starts_with(&data), "{body} is the body of another offset than {:?}", publication.offset);
    }
}

async fn history_is_read_in_both_orders<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    check(&f, all, &[3, 4, 5, 6, 7, 8, 9, 10], false).await;
    check(&f, HistoryQuery { reverse: true, ..all }, &[10, 9, 8, 7, 6, 5, 4, 3], false).await;
}

async fn bounds_are_exclusive<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    let cases: [(u64, Option<u64>, &[u64]); 10] = [
        (7, None, &[8, 9, 10]),
        (9, None, &[10]),
        (2, None, &[3, 4, 5, 6, 7, 8, 9, 10]),
        (3, None, &[4, 5, 6, 7, 8, 9, 10]),
        (0, Some(5), &[3, 4]),
        (0, Some(4), &[3]),
        (0, Some(11), &[3, 4, 5, 6, 7, 8, 9, 10]),
        (0, Some(10), &[3, 4, 5, 6, 7, 8, 9]),
        (5, Some(8), &[6, 7]),
        (5, Some(7), &[6]),
    ];
    for (after, before, expect) in cases {
        check(&f, HistoryQuery { after, before, ..all }, expect, false).await;
        let reversed: Vec<_> = expect.iter().rev().copied().collect();
        check(&f, HistoryQuery { after, before, reverse: true, ..all }, &reversed, false).await;
    }
}

async fn bounds_beyond_the_stream_are_no_error<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    let nothing = [
        (10, None),
        (11, None),
        (u64::MAX, None),
        (i64::MAX as u64, None),
        (0, Some(0)),
        (0, Some(1)),
        (0, Some(3)),
        (5, Some(6)),
        (5, Some(5)),
        (8, Some(4)),
        (u64::MAX, Some(0)),
        (u64::MAX, Some(u64::MAX)),
    ];
    for reverse in [false, true] {
        for (after, before) in nothing {
            check(&f, HistoryQuery { after, before, reverse, ..all }, &[], false).await;
        }
        for before in [11, 12, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
            let query = HistoryQuery { after: 9, before: Some(before), reverse, ..all };
            check(&f, query, &[10], false).await;
        }
    }
}

async fn the_position_alone_is_a_limit_of_zero<E: Engine>(f: Fixture<E>) {
    let all = HistoryQuery { limit: 0, ..eight(&f).await };
    for reverse in [false, true] {
        check(&f, HistoryQuery { reverse, ..all }, &[], true).await;
        check(&f, HistoryQuery { reverse, after: 9, ..all }, &[], true).await;
        check(&f, HistoryQuery { reverse, before: Some(4), ..all }, &[], true).await;
        check(&f, HistoryQuery { reverse, after: 10, ..all }, &[], false).await;
        check(&f, HistoryQuery { reverse, before: Some(3), ..all }, &[], false).await;
        check(&f, HistoryQuery { reverse, bytes_max: 0, ..all }, &[], true).await;
    }
}
