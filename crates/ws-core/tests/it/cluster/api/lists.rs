//! Pages over all hubs.

use std::collections::{BTreeMap, HashSet};

use super::{code, subscribe, three, user};
use crate::client::{Client, settle};
use ws_proto::ErrorCode;

#[tokio::test(start_paused = true)]
async fn pages_have_everybody_who_stays_once_wherever_they_are() {
    let three = three();
    let staying: Vec<_> = (0..150).map(|n| three.connect(n % 3)).collect();
    // One hub has few, and all of them pass.
    let mut passing: Vec<_> = (0..60).map(|n| three.connect(n % 2)).collect();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        // Whichever is asked, the next page is the same.
        let hub = &three.hubs[pages % 3];
        let page = hub.list_connections(None, Some(7), after.as_deref()).await.expect("a page");
        assert!(page.connections.len() <= 7);
        seen.extend(page.connections.iter().map(|connection| connection.connection_id));
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
        passing.drain(..2);
        passing.extend((0..2).map(|n| three.connect(n)));
    }
    assert!(seen.is_sorted(), "by id");
    let once: HashSet<_> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "nobody twice");
    assert!(staying.iter().all(|client| once.contains(&client.connection.id())), "nobody is missing");
    let wrong = three.hubs[0].list_connections(None, None, Some("no cursor")).await;
    assert_eq!(code(wrong).err(), Some(ErrorCode::InvalidPayload));
}

#[tokio::test(start_paused = true)]
async fn those_of_a_user_are_on_any_hub() {
    let three = three();
    let anns: Vec<_> = (0..5).map(|n| user(&three, n % 3, "ann")).collect();
    let _bob = user(&three, 2, "bob");
    for hub in &three.hubs {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = hub.list_connections(Some("ann"), Some(2), after.as_deref()).await.expect("a page");
            ids.extend(page.connections.into_iter().map(|connection| (connection.connection_id, connection.node)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let node = |n: usize| three.hubs[n % 3].node_name();
        let mut expect: Vec<_> = anns.iter().enumerate().map(|(n, ann)| (ann.connection.id(), node(n))).collect();
        expect.sort();
        assert_eq!(ids, expect);
        let nobody = hub.list_connections(Some("nobody"), None, None).await.expect("a page");
        assert!(nobody.connections.is_empty() && nobody.next.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_listed_once_with_the_subscribers_of_all() {
    let three = three();
    let mut clients: Vec<Client> = (0..30).map(|n| three.connect(n % 3)).collect();
    let mut expect: BTreeMap<String, u64> = BTreeMap::new();
    for (nth, client) in clients.iter_mut().enumerate() {
        // Some on one hub alone, some on several.
        for channel in ["lobby".to_owned(), format!("room{}", nth % 7), format!("own{nth}")] {
            subscribe(client, &channel).await;
            *expect.entry(channel).or_default() += 1;
        }
    }
    for hub in &three.hubs {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = hub.list_channels("", Some(4), after.as_deref()).await.expect("a page");
            assert!(page.channels.len() <= 4 && page.channels.iter().all(|channel| channel.offset == Some(0)));
            found.extend(page.channels.into_iter().map(|channel| (channel.channel, channel.subscribers)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let once: BTreeMap<_, _> = found.iter().cloned().collect();
        assert_eq!((found.len(), &once), (expect.len(), &expect));
        let rooms = hub.list_channels("room", None, None).await.expect("a page");
        assert_eq!((rooms.channels.len(), rooms.next), (7, None));
        let lobby = hub.channel("lobby").await.expect("a channel");
        assert_eq!((lobby.subscribers, lobby.offset), (30, Some(0)));
        assert_eq!(hub.channel("unused").await.expect("a channel").subscribers, 0);
    }
    drop(clients);
    settle().await;
    assert!(three.hubs[0].list_channels("", None, None).await.expect("a page").channels.is_empty());
}
