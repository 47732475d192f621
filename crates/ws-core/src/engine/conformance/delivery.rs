//! Offsets, and deliveries to the sink.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, keep, offsets};
use crate::engine::{Appended, Engine};

cases![
    offsets_count_from_one_within_an_epoch,
    the_sink_gets_each_publication_once_and_in_order,
    without_retention_publications_are_passed_on_without_an_offset,
    several_subscribers_get_a_publication_once,
    interest_ends_with_the_last_subscriber,
    interest_that_comes_late_gets_what_comes_then,
    bodies_come_back_byte_for_byte,
];

async fn offsets_count_from_one_within_an_epoch<E: Engine>(f: Fixture<E>) {
    let (mut messages, mut epochs) = (Vec::new(), Vec::new());
    for i in 1..=3 {
        let message = Message::new(i);
        let appended = f.append("a", keep(100), &message).await;
        let (epoch, offset) = appended.position.expect("a retained publication has a position");
        assert_eq!((offset, appended.duplicate), (i, false), "position of publication {i}");
        epochs.push(epoch);
        messages.push(message.at(i));
    }
    let history = f.history(all("a")).await;
    assert!(epochs.iter().all(|epoch| *epoch == history.epoch), "one epoch: {epochs:?}, then {}", history.epoch);
    assert_eq!((history.top, history.oldest, history.more), (3, 1, false), "top, oldest, more");
    assert_eq!(history.publications, messages, "the history is what was appended");
}

async fn the_sink_gets_each_publication_once_and_in_order<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let mut expected = Vec::new();
    for i in 1..=20 {
        let message = Message::new(i);
        f.append("a", keep(5), &message).await;
        expected.push(message.at(i));
        assert_eq!(f.sink.delivered("a"), expected, "after append {i}");
    }
    f.history(all("a")).await;
    assert_eq!(f.sink.delivered("a"), expected, "reading delivers nothing");
}

async fn without_retention_publications_are_passed_on_without_an_offset<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let mut expected = Vec::new();
    for i in 1..=5 {
        let message = Message::new(i);
        let appended = f.append("a", keep(0), &message).await;
        assert_eq!(appended, Appended { position: None, duplicate: false }, "append {i}");
        expected.push(message.at(None));
        assert_eq!(f.sink.delivered("a"), expected, "after append {i}");
    }
}

async fn several_subscribers_get_a_publication_once<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    f.interest("a", true);
    f.interest("a", true);
    f.fill("a", keep(100), 3).await;
    f.fill("a", keep(0), 2).await;
    let offsets: Vec<_> = f.sink.delivered("a").iter().map(|publication| publication.offset).collect();
    assert_eq!(offsets, [Some(1), Some(2), Some(3), None, None], "three subscribers of this node are one sink");
}

async fn interest_ends_with_the_last_subscriber<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    f.interest("a", true);
    f.interest("a", false);
    f.fill("a", keep(100), 2).await;
    assert_eq!(f.sink.delivered("a").len(), 2, "one of two subscribers is left");

    f.interest("b", true);
    f.interest("b", false);
    f.fill("b", keep(100), 2).await;
    f.interest("b", true);
    f.following("b").await;
    let third = Message::new(3);
    f.append("b", keep(100), &third).await;
    assert_eq!(f.sink.delivered("b").last(), Some(&third.at(3)), "interest that has come back counts");
}

async fn interest_that_comes_late_gets_what_comes_then<E: Engine>(f: Fixture<E>) {
    f.fill("a", keep(100), 3).await;
    let before = f.sink.delivered("a").len();
    f.interest("a", true);
    let history = f.history(all("a")).await;
    assert_eq!(offsets(&history), [1, 2, 3], "what was there stays");
    assert_eq!(f.sink.delivered("a").len(), before, "nothing old is delivered");
    let message = Message::new(4);
    let appended = f.append("a", keep(100), &message).await;
    assert_eq!(appended.position, Some((history.epoch, 4)), "the stream goes on");
    assert_eq!(f.sink.delivered("a")[before..], [message.at(4)], "what comes then is delivered");
}

async fn bodies_come_back_byte_for_byte<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let mut expected = Vec::new();
    for (i, bytes) in [0, 1, 2, 255, 256, 4095, 4096, 16_384, 65_535, 65_536].into_iter().enumerate() {
        let message = Message::raw((0..bytes).map(|at: usize| (at * 31 + bytes) as u8).collect());
        f.append("a", keep(100), &message).await;
        expected.push(message.at(i as u64 + 1));
    }
    assert!(f.sink.delivered("a") == expected, "the sink gets the bytes that were published");
    assert!(f.history(all("a")).await.publications == expected, "the history has the bytes that were published");
}
