//! Publishing exactly once.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, all_of, keep, offsets};
use crate::engine::{Appended, Engine, EngineError};

cases![
    a_msg_id_again_is_a_duplicate,
    the_same_data_in_another_body_is_a_duplicate,
    other_data_under_a_msg_id_is_a_conflict,
    a_msg_id_is_forgotten_with_its_publication,
    without_retention_a_msg_id_has_no_effect,
    msg_ids_are_compared_byte_for_byte,
    a_publication_is_found_by_its_msg_id_while_it_is_retained,
    ids_may_be_longer_than_those_of_clients,
];

async fn a_msg_id_again_is_a_duplicate<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let message = Message::new(1).id("x");
    let first = f.append("a", keep(100), &message).await;
    let again = Appended { duplicate: true, ..first };
    assert_eq!(f.append("a", keep(100), &message).await, again, "at once");
    let other = Message::new(2);
    let second = f.append("a", keep(100), &other).await;
    assert_eq!(second.position.map(|(_, offset)| offset), Some(2), "a duplicate takes no offset");
    assert_eq!(f.append("a", keep(100), &message).await, again, "after another publication");
    assert_eq!(f.sink.delivered("a"), [message.at(1), other.at(2)], "a duplicate is not delivered");
    assert_eq!(f.history(all("a")).await.publications, [message.at(1), other.at(2)], "nor kept");
}

async fn the_same_data_in_another_body_is_a_duplicate<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let (first, later) = (Message::sent("[1.50]", 1).id("x"), Message::sent("[1.50]", 123_456_789).id("x"));
    let appended = f.append("a", keep(100), &first).await;
    let again = f.append("a", keep(100), &later).await;
    assert_eq!(again, Appended { duplicate: true, ..appended }, "only the data is compared");
    assert_eq!(f.sink.delivered("a"), [first.at(1)], "a duplicate is not delivered");
    assert_eq!(f.history(all("a")).await.publications, [first.at(1)], "the first body stays");
}

async fn other_data_under_a_msg_id_is_a_conflict<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let first = Message::new("[1.50]").id("x");
    let appended = f.append("a", keep(100), &first).await;
    for other in ["[1.5]", "[1.51]", "[1.50,0]", "1.50", "null"] {
        let conflict = f.try_append("a", keep(100), &Message::new(other).id("x")).await;
        assert_eq!(conflict, Err(EngineError::Conflict), "{other} is not [1.50]");
    }
    let again = f.append("a", keep(100), &first).await;
    assert_eq!(again, Appended { duplicate: true, ..appended }, "conflicts change nothing");
    assert_eq!(f.sink.delivered("a"), [first.at(1)], "nothing was delivered");
    assert_eq!(f.history(all("a")).await.publications, [first.at(1)], "nothing was kept");
}

async fn a_msg_id_is_forgotten_with_its_publication<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let x = Message::new(1).id("x");
    f.append("a", keep(2), &x).await;
    f.append("a", keep(2), &Message::new(2).id("y")).await;
    assert!(f.append("a", keep(2), &x).await.duplicate, "it is retained");
    f.append("a", keep(2), &Message::new(3).id("z")).await;
    let appended = f.append("a", keep(2), &Message::new(4).id("x")).await;
    assert_eq!(appended.position.map(|(_, offset)| offset), Some(4), "the id is free again");
    assert!(!appended.duplicate, "the id is free again");
    assert!(f.append("a", keep(2), &Message::new(4).id("x")).await.duplicate, "it stands for its new publication");
    assert_eq!(f.try_append("a", keep(2), &x).await, Err(EngineError::Conflict), "not for the old one");
    assert!(f.append("a", keep(2), &Message::new(3).id("z")).await.duplicate, "others have stayed");
    assert_eq!(offsets(&f.history(all_of("a", keep(2))).await), [3, 4]);
}

async fn without_retention_a_msg_id_has_no_effect<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let messages = [1, 1, 2].map(|i| Message::new(i).id("x"));
    for message in &messages {
        let appended = f.append("a", keep(0), message).await;
        assert_eq!(appended, Appended { position: None, duplicate: false }, "nothing is remembered");
    }
    assert_eq!(f.sink.delivered("a"), messages.map(|message| message.at(None)), "all are delivered");
}

async fn msg_ids_are_compared_byte_for_byte<E: Engine>(f: Fixture<E>) {
    let long = ["x".repeat(128), format!("{}y", "x".repeat(127))];
    let short = ["x", "X", "xx", " x", "x ", "é", "e\u{301}", "1", "01", "1.0", "x:1", "'", "%", "*", ""];
    let ids: Vec<&str> = long.iter().map(String::as_str).chain(short).collect();
    for (i, id) in ids.iter().enumerate() {
        let appended = f.append("a", keep(100), &Message::new(i).id(id)).await;
        let offset = appended.position.map(|(_, offset)| offset);
        assert_eq!((offset, appended.duplicate), (Some(i as u64 + 1), false), "{id:?} is an id of its own");
    }
    for (i, id) in ids.iter().enumerate() {
        let appended = f.append("a", keep(100), &Message::new(i).id(id)).await;
        let offset = appended.position.map(|(_, offset)| offset);
        assert_eq!((offset, appended.duplicate), (Some(i as u64 + 1), true), "{id:?} is remembered");
    }
}

async fn a_publication_is_found_by_its_msg_id_while_it_is_retained<E: Engine>(f: Fixture<E>) {
    assert_eq!(f.find("a", keep(2), "x").await, None, "of an unknown channel");
    let x = Message::new(1).id("x");
    let epoch = f.append("a", keep(2), &x).await.position.map(|(epoch, _)| epoch);
    f.append("a", keep(2), &Message::new(2)).await;
    let found = f.find("a", keep(2), "x").await.map(|found| (Some(found.epoch), found.publication));
    assert_eq!(found, Some((epoch, x.at(1))));
    for (retention, id) in [(keep(2), "y"), (keep(2), ""), (keep(1), "x"), (keep(0), "x")] {
        assert_eq!(f.find("a", retention, id).await, None, "{id:?} with a size of {}", retention.size);
    }
    f.append("a", keep(2), &Message::new(3)).await;
    assert_eq!(f.find("a", keep(2), "x").await, None, "it was given up");
    f.append("a", keep(2), &Message::new(4).id("x")).await;
    let found = f.find("a", keep(2), "x").await;
    assert_eq!(found.map(|found| found.publication), Some(Message::new(4).at(4)), "the id has another publication");
    f.remove("a").await;
    assert_eq!(f.find("a", keep(2), "x").await, None, "the history was removed");
}

async fn ids_may_be_longer_than_those_of_clients<E: Engine>(f: Fixture<E>) {
    let id = "x".repeat(256);
    let message = Message::new(1).id(&id);
    f.append("a", keep(2), &message).await;
    assert!(f.append("a", keep(2), &message).await.duplicate);
    assert_eq!(f.find("a", keep(2), &id).await.map(|found| found.publication), Some(message.at(1)));
    assert_eq!(f.find("a", keep(2), &id[..255]).await, None);
}
