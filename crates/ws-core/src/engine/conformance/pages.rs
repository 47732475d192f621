//! Histories that are answered in pages.

use super::cases;
use super::fixture::Fixture;
use super::history::{check, eight};
use super::message::{Message, all, keep, offsets};
use crate::engine::{Engine, HistoryQuery};

cases![
    a_limit_cuts_the_answer,
    so_many_bytes_cut_the_answer,
    the_publication_that_reaches_the_bytes_is_the_last,
    pages_make_up_the_whole,
];

async fn a_limit_cuts_the_answer<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    check(&f, HistoryQuery { limit: 3, ..all }, &[3, 4, 5], true).await;
    check(&f, HistoryQuery { limit: 3, reverse: true, ..all }, &[10, 9, 8], true).await;
    check(&f, HistoryQuery { limit: 7, ..all }, &[3, 4, 5, 6, 7, 8, 9], true).await;
    for reverse in [false, true] {
        let query = HistoryQuery { after: 4, before: Some(7), reverse, ..all };
        check(&f, HistoryQuery { limit: 1, ..query }, if reverse { &[6] } else { &[5] }, true).await;
        check(&f, HistoryQuery { limit: 2, ..query }, if reverse { &[6, 5] } else { &[5, 6] }, false).await;
        check(&f, HistoryQuery { limit: 3, ..query }, if reverse { &[6, 5] } else { &[5, 6] }, false).await;
    }
    check(&f, HistoryQuery { limit: 8, ..all }, &[3, 4, 5, 6, 7, 8, 9, 10], false).await;
    check(&f, HistoryQuery { limit: 2, after: 8, ..all }, &[9, 10], false).await;
    check(&f, HistoryQuery { limit: 2, before: Some(5), reverse: true, ..all }, &[4, 3], false).await;
}

async fn so_many_bytes_cut_the_answer<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    let one = Message::new(5).body.len();
    for (bytes_max, n) in [(0, 1), (1, 1), (one - 1, 1), (one, 1), (one + 1, 2), (2 * one, 2), (2 * one + 1, 3)] {
        let (up, down): (Vec<_>, Vec<_>) = ((5..5 + n).collect(), (10 - n..10).rev().collect());
        check(&f, HistoryQuery { bytes_max, after: 4, ..all }, &up, true).await;
        check(&f, HistoryQuery { bytes_max, before: Some(10), reverse: true, ..all }, &down, true).await;
        check(&f, HistoryQuery { bytes_max, after: 4, limit: 1, ..all }, &[5], true).await;
    }
    check(&f, HistoryQuery { bytes_max: 0, after: 9, ..all }, &[10], false).await;
    check(&f, HistoryQuery { bytes_max: 2 * one, after: 4, before: Some(7), ..all }, &[5, 6], false).await;
    check(&f, HistoryQuery { bytes_max: 0, after: 10, ..all }, &[], false).await;
}

async fn the_publication_that_reaches_the_bytes_is_the_last<E: Engine>(f: Fixture<E>) {
    for bytes in [10, 10, 1000, 10, 10] {
        f.append("a", keep(100), &Message::raw(vec![b'x'; bytes])).await;
    }
    for (bytes_max, reverse, expect, more) in [
        (20, false, vec![1, 2], true),
        (21, false, vec![1, 2, 3], true),
        (1020, false, vec![1, 2, 3], true),
        (1021, false, vec![1, 2, 3, 4], true),
        (1031, false, vec![1, 2, 3, 4, 5], false),
        (21, true, vec![5, 4, 3], true),
        (1040, true, vec![5, 4, 3, 2, 1], false),
    ] {
        let history = f.history(HistoryQuery { bytes_max, reverse, ..all("a") }).await;
        assert_eq!((offsets(&history), history.more), (expect, more), "bytes_max {bytes_max}, reverse {reverse}");
    }
}

async fn pages_make_up_the_whole<E: Engine>(f: Fixture<E>) {
    let all = eight(&f).await;
    let one = Message::new(5).body.len();
    for (limit, bytes_max) in [(1, 1 << 20), (3, 1 << 20), (100, 2 * one)] {
        for reverse in [false, true] {
            let (mut read, mut query) = (Vec::new(), HistoryQuery { limit, bytes_max, reverse, ..all });
            loop {
                let page = f.history(query).await;
                read.extend(offsets(&page));
                assert!(read.len() <= 8, "a publication is on two pages: {read:?}");
                let Some(last) = read.last().filter(|_| page.more) else { break };
                (query.after, query.before) = if reverse { (0, Some(*last)) } else { (*last, None) };
            }
            let mut expect: Vec<_> = (3..=10).collect();
            if reverse {
                expect.reverse();
            }
            assert_eq!(read, expect, "limit {limit}, bytes_max {bytes_max}, reverse {reverse}");
        }
    }
}
