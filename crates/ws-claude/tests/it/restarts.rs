//! Servers on one disk, one after the other: what one leaves open, the next one ends.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::disk::{Disk, Server, Trouble};
use crate::stage::{ask, end, history, kinds, text, until};

/// More writes than any server makes.
const ALL: usize = usize::MAX;

/// A run from its beginning to its end, or as far as its server lives.
async fn run(server: &Server, channel: &str) {
    let answer = server.script.answer();
    let _ = timeout(Duration::from_secs(1), ask(&server.hub, channel, "one")).await;
    let _ = answer.send(text("a"));
    sleep(Duration::from_millis(100)).await;
    let _ = answer.send(text("b")).and(answer.send(end()));
    sleep(Duration::from_secs(1)).await;
}

fn texts(stream: &[Value]) -> String {
    stream.iter().filter(|data| data["claude"] == "text").filter_map(|data| data["text"].as_str()).collect()
}

fn ends(published: &[Value]) -> Vec<&Value> {
    published.iter().filter(|data| data["claude"] == "finished").collect()
}

/// Whoever was told of the beginning was told of the end, and of one alone.
async fn assert_ended(disk: &Disk, server: &Server, channel: &str, when: &str) {
    assert_eq!((server.open(), disk.noted()), (0, 0), "{when}");
    let (stream, published) = (history(&server.hub, &format!("claude:{channel}/one")).await, disk.published(channel));
    let (of_stream, of_channel) = (ends(&stream), ends(&published));
    assert!(of_stream.len() <= 1, "{when}: {stream:?}");
    assert_eq!(kinds(&stream).last().copied(), of_stream.first().map(|_| "finished"), "{when}: {stream:?}");
    let has_begun = kinds(&published).contains(&"started");
    if channel == "room" {
        assert_eq!(of_channel.len(), usize::from(has_begun), "{when}: {published:?}");
    } else {
        // Where nobody can look it up, rather twice than never.
        assert!(!(has_begun && of_channel.is_empty()), "{when}: {published:?}");
    }
    assert!(of_channel.is_empty() || of_stream.len() == 1, "{when}: {published:?}");
    for end in of_channel {
        assert_eq!((&end["status"], &end["text"]), (&of_stream[0]["status"], &texts(&stream).into()), "{when}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_and_the_next_one_may_die_after_any_write() {
    for channel in ["room", "cursor:1"] {
        for first in 0.. {
            let mut is_killed = false;
            for second in 0.. {
                let disk = Disk::new();
                let one = disk.server(first).await;
                run(&one, channel).await;
                let two = disk.server(second).await;
                sleep(Duration::from_secs(1)).await;
                let three = disk.server(ALL).await;
                sleep(Duration::from_secs(1)).await;
                assert_ended(&disk, &three, channel, &format!("{channel}, {first} and {second} writes")).await;
                is_killed = one.life.is_over();
                if !two.life.is_over() {
                    break;
                }
            }
            if !is_killed {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_channel_without_history_an_end_that_may_be_missing_is_repeated() {
    let disk = Disk::new();
    // The note, the beginning, the note of that, both texts, and the end of the stream.
    let one = disk.server(6).await;
    run(&one, "cursor:1").await;
    assert!(one.life.is_over());
    assert_eq!(kinds(&disk.published("claude:cursor:1/one")).last(), Some(&"finished"));
    assert_eq!(kinds(&disk.published("cursor:1")), ["started"]);
    let two = disk.server(ALL).await;
    until("the end", || two.open() == 0).await;
    let published = disk.published("cursor:1");
    assert_eq!(kinds(&published), ["started", "finished"]);
    assert_eq!((&published[1]["status"], &published[1]["text"]), (&"complete".into(), &"ab".into()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_become_another_one_is_read_again() {
    let disk = Disk::new();
    let one = disk.server(ALL).await;
    let answer = one.script.answer();
    ask(&one.hub, "room", "one").await.expect("it begins");
    // More than one page.
    for _ in 0..600 {
        answer.send(text("a")).expect("it reads");
        sleep(Duration::from_millis(50)).await;
    }
    one.life.end();
    let two = disk.server(ALL).await;
    // It knows which runs were open, and has read nothing of them.
    two.life.set(Trouble::Renewed);
    until("the end", || two.open() == 0).await;
    let room = history(&two.hub, "room").await;
    assert_eq!((kinds(&room), &room[1]["status"]), (vec!["started", "finished"], &"interrupted".into()));
    assert_eq!(room[1]["text"], "a".repeat(600));
}

/// A run has ended whose end could not be noted; now it could be.
async fn noted_too_late() -> (std::sync::Arc<Disk>, Server) {
    let disk = Disk::new();
    let server = disk.server(ALL).await;
    let answer = server.script.answer();
    ask(&server.hub, "room", "one").await.expect("it begins");
    answer.send(text("a")).expect("it reads");
    sleep(Duration::from_millis(100)).await;
    server.life.set(Trouble::Full);
    answer.send(end()).expect("it reads");
    until("the end", || server.open() == 0).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(disk.noted(), 1);
    server.life.set(Trouble::None);
    (disk, server)
}

#[tokio::test(start_paused = true)]
async fn which_runs_are_open_is_kept_later_where_it_cannot_be_kept() {
    let (disk, _server) = noted_too_late().await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(disk.noted(), 0);
}

#[tokio::test(start_paused = true)]
async fn which_runs_are_open_is_kept_by_a_drain_at_the_latest() {
    let (disk, server) = noted_too_late().await;
    server.claude.drain(Duration::from_secs(1)).await;
    assert_eq!(disk.noted(), 0);
}
