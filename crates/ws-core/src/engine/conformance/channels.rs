//! Channels side by side, and channels without publications.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, keep};
use crate::engine::Engine;

cases![channels_do_not_see_each_other, an_unknown_channel_has_a_position];

/// Names that are easily confused: prefixes, cases, forms of the same letter, database patterns, and the longest
/// names.
fn names() -> Vec<String> {
    let plain = [
        "a",
        "A",
        "aa",
        "ab",
        "a:b",
        "a:b:c",
        "a.b",
        "a/b",
        "a#u1,u2",
        "a%",
        "a_",
        "a?",
        "a[b]",
        "{a}",
        "a'b",
        "a\"b",
        "a\\b",
        "é",
        "e\u{301}",
        "ß",
        "ss",
        "聊天室",
        "🦀",
        "1",
        "01",
        "null",
    ];
    let long = ["x".repeat(255), format!("{}y", "x".repeat(254)), "é".repeat(127)];
    plain.iter().map(|name| (*name).to_owned()).chain(long).collect()
}

async fn channels_do_not_see_each_other<E: Engine>(f: Fixture<E>) {
    let names = names();
    let mut messages = Vec::new();
    for (i, name) in names.iter().enumerate() {
        f.follow(name).await;
        let message = Message::new(i).id("same");
        let appended = f.append(name, keep(100), &message).await;
        let (_, offset) = appended.position.expect("a position");
        assert_eq!((offset, appended.duplicate), (1, false), "{name} is a channel of its own");
        messages.push(message.at(1));
    }
    for (name, message) in names.iter().zip(&messages) {
        assert_eq!(f.history(all(name)).await.publications, std::slice::from_ref(message), "history of {name}");
        assert_eq!(f.sink.delivered(name), std::slice::from_ref(message), "delivered in {name}");
    }
    for (i, name) in names.iter().enumerate() {
        f.remove(name).await;
        for (j, other) in names.iter().enumerate() {
            let top = f.history(all(other)).await.top;
            assert_eq!(top, u64::from(j > i), "top of {other} after {name} was removed");
        }
    }
}

async fn an_unknown_channel_has_a_position<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let history = f.history(all("a")).await;
    assert_eq!((history.top, history.oldest, history.more), (0, 1, false), "top, oldest, more");
    assert_eq!(history.publications, [], "nothing was published");
    for other in ["b", "c"] {
        f.history(all(other)).await;
    }
    assert_eq!(f.history(all("a")).await, history, "asking again changes nothing");
    let appended = f.append("a", keep(100), &Message::new(1)).await;
    assert_eq!(appended.position, Some((history.epoch, 1)), "the first publication is in the epoch that was told");
}
