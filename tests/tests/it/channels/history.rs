//! `get_history`: the contents of a page, and what is retained.

use std::time::Instant;

use ws_server::config::Access;
use ws_tests::client::error_of;
use ws_tests::prelude::*;

use super::*;

/// A server on which everybody may read the history, and this many publications in the room.
async fn room_with(publications: usize) -> (Server, Client) {
    let server = Server::with(|config| {
        config.limits.errors_max = 0;
        config.channels.history_size = 1000;
        config.channels.read_history = Access::ANYONE;
    })
    .await;
    let mut client = server.connect().await;
    publish_numbers(&mut client, ROOM, publications).await;
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_are_exclusive_and_the_direction_says_where_a_page_begins() {
    let (_server, mut client) = room_with(10).await;
    let whole = history(&mut client, json!({"channel": ROOM})).await;
    let epoch = whole["epoch"].as_str().expect("an epoch").to_owned();
    assert_eq!((&whole["channel"], &whole["offset"], &whole["more"]), (&json!(ROOM), &json!(10), &json!(false)));
    let since = |offset: u64| json!({"epoch": epoch, "offset": offset});
    let all: Vec<u64> = (1..=10).collect();
    let backwards: Vec<u64> = (1..=10).rev().collect();
    type Case<'a> = (Value, &'a [u64], bool);
    let cases: &[Case<'_>] = &[
        (json!({}), &all, false),
        (json!({"reverse": false}), &all, false),
        (json!({"reverse": true}), &backwards, false),
        (json!({"since": null, "before": null, "reverse": null, "limit": null}), &all, false),
        (json!({"since": since(0)}), &all, false),
        (json!({"since": since(7)}), &[8, 9, 10], false),
        (json!({"since": since(10)}), &[], false),
        (json!({"since": since(11)}), &[], false),
        (json!({"since": since(u64::MAX)}), &[], false),
        (json!({"before": 4}), &[1, 2, 3], false),
        (json!({"before": 1}), &[], false),
        (json!({"before": 0}), &[], false),
        (json!({"before": u64::MAX}), &all, false),
        (json!({"since": since(3), "before": 6}), &[4, 5], false),
        (json!({"since": since(3), "before": 6, "reverse": true}), &[5, 4], false),
        (json!({"since": since(3), "before": 4}), &[], false),
        (json!({"since": since(6), "before": 3}), &[], false),
        (json!({"limit": 3}), &[1, 2, 3], true),
        (json!({"limit": 10}), &all, false),
        (json!({"limit": 1000}), &all, false),
        (json!({"limit": 3, "reverse": true}), &[10, 9, 8], true),
        (json!({"since": since(7), "limit": 3}), &[8, 9, 10], false),
        (json!({"since": since(7), "limit": 2}), &[8, 9], true),
        (json!({"since": since(7), "limit": 2, "reverse": true}), &[10, 9], true),
        (json!({"before": 4, "limit": 2, "reverse": true}), &[3, 2], true),
        (json!({"before": 4, "limit": 3, "reverse": true}), &[3, 2, 1], false),
        (json!({"since": since(3), "before": 6, "limit": 1}), &[4], true),
    ];
    for (payload, expect, more) in cases {
        let mut asked = payload.clone();
        asked["channel"] = json!(ROOM);
        let page = history(&mut client, asked).await;
        assert_eq!((&offsets(&page)[..], &page["more"]), (*expect, &json!(more)), "{payload}");
        assert_eq!((&page["epoch"], &page["offset"]), (&json!(epoch), &json!(10)), "the stream's, not the page's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_payloads() {
    let (_server, mut client) = room_with(1).await;
    for (payload, field) in [
        (json!({}), "channel"),
        (json!({"channel": 1}), "channel"),
        (json!({"channel": ROOM, "limit": 0}), "limit"),
        (json!({"channel": ROOM, "limit": 1001}), "limit"),
        (json!({"channel": ROOM, "limit": -1}), "limit"),
        (json!({"channel": ROOM, "limit": 1.5}), "limit"),
        (json!({"channel": ROOM, "limit": "10"}), "limit"),
        (json!({"channel": ROOM, "limit": u64::MAX}), "limit"),
        (json!({"channel": ROOM, "since": 1}), "since"),
        (json!({"channel": ROOM, "since": {"offset": 1}}), "epoch"),
        (json!({"channel": ROOM, "since": {"epoch": "e"}}), "offset"),
        (json!({"channel": ROOM, "before": -1}), "before"),
        (json!({"channel": ROOM, "before": {"epoch": "e", "offset": 1}}), "before"),
        (json!({"channel": ROOM, "reverse": 1}), "reverse"),
        (json!({"channel": ROOM, "reverse": "true"}), "reverse"),
    ] {
        let answer = client.request("1", "get_history", payload.clone()).await;
        assert_eq!(error_of(&answer).1, "invalid_payload", "{payload}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{payload}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_another_epoch_is_stale() {
    let (_server, mut client) = room_with(3).await;
    let epoch = history(&mut client, json!({"channel": ROOM})).await["epoch"].as_str().expect("an epoch").to_owned();
    let elsewhere = history(&mut client, json!({"channel": "elsewhere"})).await["epoch"].clone();
    let upper = epoch.to_uppercase() + if epoch.to_uppercase() == epoch { "x" } else { "" };
    for other in [elsewhere, json!(""), json!("0"), json!("nonsense"), json!(upper), json!(format!("0{epoch}"))] {
        for offset in [0, 1, 99] {
            let payload = json!({"channel": ROOM, "since": {"epoch": other, "offset": offset}});
            assert_eq!(client.refusal("get_history", payload.clone()).await, "stale_position", "{payload}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_nobody_knows_has_an_empty_history() {
    let (_server, mut client) = room_with(0).await;
    let page = history(&mut client, json!({"channel": "new"})).await;
    let epoch = page["epoch"].as_str().expect("an epoch").to_owned();
    assert_eq!(page, json!({"channel": "new", "epoch": epoch, "offset": 0, "publications": [], "more": false}));
    assert_eq!(subscribe(&mut client, "new").await["epoch"], epoch, "the position that was given out holds");
    assert_eq!(publish(&mut client, "new", 1).await["epoch"], epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_history_it_is_not_available() {
    let server = without_history().await;
    let mut client = server.connect().await;
    subscribe(&mut client, "live:a").await;
    assert_eq!(client.refusal("get_history", json!({"channel": "live:a"})).await, "not_available");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_are_retained_as_configured_and_no_more() {
    let server = Server::with(|config| config.channels.history_size = 3).await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    for n in 1u64..=10 {
        publish(&mut client, ROOM, n).await;
        let page = history(&mut client, json!({"channel": ROOM})).await;
        let expect: Vec<u64> = (n.saturating_sub(2).max(1)..=n).collect();
        assert_eq!((offsets(&page), &page["offset"], &page["more"]), (expect, &json!(n), &json!(false)));
    }
    let epoch = history(&mut client, json!({"channel": ROOM})).await["epoch"].clone();
    let since = json!({"channel": ROOM, "since": {"epoch": epoch, "offset": 2}});
    assert_eq!(offsets(&history(&mut client, since).await), [8, 9, 10], "from the oldest that is retained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_its_time_is_given() {
    const TTL: Duration = Duration::from_millis(300);
    let server = Server::with(|config| config.channels.history_ttl = TTL).await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    let payload = json!({"channel": ROOM, "data": 1, "msg_id": "m"});
    let sent = Instant::now();
    let first = client.ask("publish", payload.clone()).await;
    let accepted = Instant::now();
    until("the publication to expire", async || {
        let asked = Instant::now();
        let page = history(&mut client, json!({"channel": ROOM})).await;
        assert_eq!((&page["epoch"], &page["offset"]), (&first["epoch"], &json!(1)), "the position stays");
        match offsets(&page)[..] {
            [] => {
                // The server counts whole milliseconds.
                let lived = sent.elapsed() + Duration::from_millis(2);
                assert!(lived >= TTL, "gone after {lived:?}");
                Some(())
            }
            _ => {
                assert!(asked < accepted + TTL, "there after {:?}", accepted.elapsed());
                None
            }
        }
    })
    .await;
    let again = client.ask("publish", payload).await;
    assert_eq!((&again["offset"], &again["duplicate"], &again["epoch"]), (&json!(2), &json!(false), &first["epoch"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_of_zero_is_no_limit() {
    let server = Server::with(|config| config.channels.history_ttl = Duration::ZERO).await;
    let mut client = server.connect().await;
    subscribe(&mut client, ROOM).await;
    publish(&mut client, ROOM, 1).await;
    assert_eq!(offsets(&history(&mut client, json!({"channel": ROOM})).await), [1]);
}
