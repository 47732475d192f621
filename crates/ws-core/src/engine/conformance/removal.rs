//! Removing all publications of a channel.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, keep};
use super::recorder::Event;
use crate::engine::Engine;

cases![
    removal_begins_a_new_epoch,
    removal_forgets_msg_ids,
    a_channel_without_publications_can_be_removed,
    a_channel_without_subscribers_can_be_removed,
];

async fn removal_begins_a_new_epoch<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let (first, second) = (Message::new(1), Message::new(2));
    let old = f.append("a", keep(100), &first).await.position.map(|(epoch, _)| epoch);
    let epoch = f.remove("a").await;
    assert_ne!(old, Some(epoch), "the epoch is another one");
    assert_eq!(f.sink.events("a"), [Event::Delivered(first.at(1)), Event::Reset(epoch)], "the sink is told once");

    let history = f.history(all("a")).await;
    assert_eq!((history.epoch, history.top, history.oldest, history.more), (epoch, 0, 1, false), "it is empty");
    assert_eq!(history.publications, [], "it is empty");

    assert_eq!(f.append("a", keep(100), &second).await.position, Some((epoch, 1)), "offsets count from 1 again");
    assert_eq!(f.history(all("a")).await.publications, [second.at(1)], "only what is new");
    let expected = [Event::Delivered(first.at(1)), Event::Reset(epoch), Event::Delivered(second.at(1))];
    assert_eq!(f.sink.events("a"), expected, "the sink is told once");
}

async fn removal_forgets_msg_ids<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    f.append("a", keep(100), &Message::new(1).id("x")).await;
    f.append("a", keep(100), &Message::new(2).id("y")).await;
    let epoch = f.remove("a").await;
    for (message, offset) in [(Message::new(3).id("y"), 1), (Message::new(1).id("x"), 2)] {
        let appended = f.append("a", keep(100), &message).await;
        assert_eq!(appended.position, Some((epoch, offset)), "neither a duplicate nor a conflict");
        assert!(!appended.duplicate, "the id is free again");
    }
    assert!(f.append("a", keep(100), &Message::new(3).id("y")).await.duplicate, "ids are remembered from then on");
}

async fn a_channel_without_publications_can_be_removed<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let before = f.history(all("a")).await.epoch;
    let first = f.remove("a").await;
    let second = f.remove("a").await;
    assert!(before != first && first != second && before != second, "each removal begins an epoch");
    assert_eq!(f.sink.events("a"), [Event::Reset(first), Event::Reset(second)], "the sink is told of each");
    assert_eq!(f.history(all("a")).await.epoch, second, "the last one holds");
}

async fn a_channel_without_subscribers_can_be_removed<E: Engine>(f: Fixture<E>) {
    f.fill("a", keep(100), 3).await;
    let old = f.history(all("a")).await.epoch;
    assert_ne!(f.remove("a").await, old, "the epoch is another one");
    f.interest("a", true);
    let message = Message::new(4);
    let appended = f.append("a", keep(100), &message).await;
    let (epoch, offset) = appended.position.expect("a position");
    assert_eq!(offset, 1, "offsets count from 1 again");
    assert_ne!(epoch, old, "the old epoch is over");
    assert_eq!(f.history(all("a")).await.publications, [message.at(1)], "only what is new");
}
