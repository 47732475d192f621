//! Limits in bytes: of a message, of a page.

use ws_server::config::Access;
use ws_tests::prelude::*;

use super::*;

const KIB: usize = 1024;

/// A `publish` request of exactly `bytes` bytes.
fn publication_of(bytes: usize) -> String {
    let start = r#"{"id":"1","type":"request","action":"publish","payload":{"channel":"room","data":""#;
    let end = r#""}}"#;
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_publication_passes_and_one_byte_more_closes() {
    let server = Server::with(|config| config.limits.message_bytes_max = 8 * KIB).await;
    let (mut client, mut reader) = (server.connect().await, server.connect().await);
    subscribe(&mut reader, ROOM).await;
    for offset in 1..=3 {
        client.text(publication_of(8 * KIB)).await;
        assert_eq!(client.answer("1").await["data"]["offset"], offset);
        let event = reader.event("publication").await;
        assert!(event["data"].as_str().is_some_and(|data| data.len() > 8000));
    }
    client.text(publication_of(8 * KIB + 1)).await;
    assert_eq!(client.closed().await.0, 1009);
    let mut other = server.connect().await;
    assert_eq!(publish(&mut other, ROOM, "end").await["offset"], 4);
    assert_eq!(reader.event("publication").await["data"], "end");
}

/// A room with `count` publications of about `bytes` each, on a server with this outbox.
async fn room_with(outbox_bytes_max: usize, count: usize, bytes: usize) -> (Server, Client) {
    let server = Server::with(|config| {
        config.limits.outbox_bytes_max = outbox_bytes_max;
        config.limits.message_bytes_max = 16 * KIB;
        config.channels.read_history = Access::ANYONE;
        config.channels.read_presence = Access::ANYONE;
    })
    .await;
    let mut client = server.connect().await;
    for _ in 0..count {
        client.text(publication_of(bytes)).await;
        assert_eq!(client.answer("1").await["type"], "response");
    }
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_cut_at_the_outbox_and_the_next_continues_after_it() {
    let (_server, mut client) = room_with(64 * KIB, 40, 10_000).await;
    for reverse in [false, true] {
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut payload = json!({"channel": ROOM, "limit": 1000, "reverse": reverse});
        loop {
            let page = history(&mut client, payload.clone()).await;
            pages += 1;
            let found = offsets(&page);
            let last = *found.last().expect("a page is never empty where there is more");
            assert!(found.len() < 10, "cut: {found:?}");
            seen.extend(found);
            if page["more"] == false {
                break;
            }
            payload[if reverse { "before" } else { "since" }] =
                if reverse { json!(last) } else { json!({"epoch": page["epoch"], "offset": last}) };
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=40).collect::<Vec<_>>());
        assert!(pages >= 6, "{pages} pages");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_history_fits_into_the_outbox() {
    for (count, bytes) in [(20, 10_000), (100, 1_000), (100, 200)] {
        let (_server, mut client) = room_with(16 * KIB, count, bytes).await;
        let page = client.request("1", "get_history", json!({"channel": ROOM, "limit": 1000})).await;
        let length = page.to_string().len();
        assert!(length <= 16 * KIB, "{length} bytes with {} entries", offsets(&page["data"]).len());
        assert_eq!(page["data"]["more"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_as_large_as_the_outbox_has_a_page_of_its_own() {
    let (_server, mut client) = room_with(16 * KIB, 2, 16 * KIB).await;
    let page = history(&mut client, json!({"channel": ROOM})).await;
    assert_eq!((offsets(&page), &page["more"]), (vec![1], &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_presence_fits_into_the_outbox() {
    let (server, mut client) = room_with(16 * KIB, 0, 0).await;
    let mut members = server.connect_many(250).await;
    for member in &mut members {
        subscribe(member, ROOM).await;
    }
    let page = client.request("1", "get_presence", json!({"channel": ROOM, "limit": 1000})).await;
    let length = page.to_string().len();
    assert!(length <= 16 * KIB, "{length} bytes with {} clients", ids(&page["data"]).len());
    assert!(page["data"]["next"].is_string());
}
