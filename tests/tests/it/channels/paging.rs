//! Paging through a history in both directions, while it is unchanged and while it grows.

use ws_server::config::{Access, EngineType};
use ws_tests::prelude::*;

use super::*;

async fn long_room(publications: usize) -> (Server, Client) {
    let server = Server::with(|config| {
        config.channels.history_size = 1_000_000;
        config.channels.read_history = Access::ANYONE;
    })
    .await;
    let mut client = server.connect().await;
    publish_numbers(&mut client, ROOM, publications).await;
    (server, client)
}

/// All offsets from one end to the other, and how many pages it took.
async fn walk(client: &mut Client, limit: Option<u64>, reverse: bool) -> (Vec<u64>, usize) {
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut payload = json!({"channel": ROOM, "reverse": reverse, "limit": limit});
    loop {
        let page = history(client, payload.clone()).await;
        pages += 1;
        let found = offsets(&page);
        seen.extend_from_slice(&found);
        if page["more"] == false {
            return (seen, pages);
        }
        let last = *found.last().expect("where there is more, there is something");
        if reverse {
            payload["before"] = json!(last);
        } else {
            payload["since"] = json!({"epoch": page["epoch"], "offset": last});
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_join_without_loss_and_without_doubles() {
    let (_server, mut client) = long_room(250).await;
    let forward: Vec<u64> = (1..=250).collect();
    let backward: Vec<u64> = (1..=250).rev().collect();
    for (limit, pages) in
        [(None, 3), (Some(1), 250), (Some(7), 36), (Some(125), 2), (Some(249), 2), (Some(250), 1), (Some(1000), 1)]
    {
        assert_eq!(walk(&mut client, limit, false).await, (forward.clone(), pages), "{limit:?}");
        assert_eq!(walk(&mut client, limit, true).await, (backward.clone(), pages), "{limit:?}, reverse");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_a_hundred_when_nothing_is_asked_for() {
    let (_server, mut client) = long_room(101).await;
    let page = history(&mut client, json!({"channel": ROOM})).await;
    assert_eq!((offsets(&page).len(), &page["more"]), (100, &json!(true)));
    let page = history(&mut client, json!({"channel": ROOM, "reverse": true})).await;
    assert_eq!((offsets(&page)[99], &page["more"]), (2, &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_fit_into_a_page_and_are_the_most() {
    let (_server, mut client) = long_room(1001).await;
    let page = history(&mut client, json!({"channel": ROOM, "limit": 1000})).await;
    assert_eq!((offsets(&page), &page["more"]), ((1..=1000).collect(), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_growing_stream_have_no_hole() {
    const TARGET: u64 = 2000;
    let (server, mut client) = long_room(100).await;
    let storm = Storm::begin(&server, ROOM).await;
    // Forward, it is never faster than the stream grows, so the test has to set an end.
    let (mut seen, mut payload) = (0, json!({"channel": ROOM}));
    while seen < TARGET {
        let page = history(&mut client, payload.clone()).await;
        for offset in offsets(&page) {
            seen += 1;
            assert_eq!(offset, seen);
        }
        payload["since"] = json!({"epoch": page["epoch"], "offset": seen});
    }
    let (backward, _) = walk(&mut client, Some(1000), true).await;
    storm.end().await;
    assert!(backward.len() as u64 >= TARGET);
    assert_eq!(backward.last(), Some(&1));
    let hole = backward.windows(2).find(|two| two[0] != two[1] + 1);
    assert_eq!(hole, None);
}

/// Pages end at 1 MiB, however large the outbox is, and `more` says whether they are the last. In both engines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_publications_come_in_pages_of_a_mebibyte() {
    const PUBLICATIONS: u64 = 300;
    for dir in [None, Some(crate::durable::directory("pages"))] {
        let is_durable = dir.is_some();
        let server = Server::with(|config| {
            if let Some(dir) = dir {
                config.engine.r#type = EngineType::Sqlite;
                config.engine.sqlite.dir = dir;
            }
            config.limits.outbox_bytes_max = 16 << 20;
            config.channels.history_size = 1000;
            config.channels.read_history = Access::ANYONE;
        })
        .await;
        let mut client = server.connect().await;
        let fill = "x".repeat(60_000);
        for n in 1..=PUBLICATIONS {
            let answer = publish(&mut client, ROOM, json!([n, fill])).await;
            assert_eq!((&answer["offset"], answer["ack"] == "durable"), (&json!(n), is_durable));
        }
        for reverse in [false, true] {
            let mut payload = json!({"channel": ROOM, "limit": 1000, "reverse": reverse});
            let (mut seen, mut pages) = (Vec::new(), 0);
            loop {
                let page = history(&mut client, payload.clone()).await;
                let bytes = page["publications"].to_string().len();
                assert!(bytes <= 1 << 20, "a page of {bytes} bytes");
                pages += 1;
                let found = offsets(&page);
                let last = *found.last().expect("a page has its first entry");
                seen.extend(found);
                assert_eq!(page["more"], (seen.len() as u64) < PUBLICATIONS, "{reverse}");
                match reverse {
                    _ if page["more"] == false => break,
                    true => payload["before"] = json!(last),
                    false => payload["since"] = json!({"epoch": page["epoch"], "offset": last}),
                }
            }
            let mut all: Vec<_> = (1..=PUBLICATIONS).collect();
            if reverse {
                all.reverse();
            }
            assert_eq!((seen, pages), (all, 18), "17 of them fit into a page");
        }
    }
}
