//! How many runs a user and a channel may have, on all servers together.

use ws_proto::ErrorCode;

use super::Servers;
use crate::stage::{end, until};

const ANN: &str = "\u{1}claude:user:ann";
const ROOM: &str = "\u{1}claude:channel:room";

#[tokio::test(start_paused = true)]
async fn they_count_everywhere_and_places_are_given_back() {
    let servers = Servers::start(3).await;
    let [a, b, c] = &servers.all[..] else { panic!("three") };
    let one = a.begin("room", "one", "ann").await;
    let two = b.begin("other", "two", "ann").await;
    let refused = c.ask("room", "three", "ann").await.expect_err("two are open");
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.message.contains("you have 2") && refused.message.contains("runs_per_user_max"), "{refused}");
    let three = b.begin("room", "three", "bob").await;
    let four = c.begin("room", "four", "cid").await;
    let refused = b.ask("room", "five", "dan").await.expect_err("three are open");
    assert!(refused.message.contains("the channel has 3"), "{refused}");
    // The same run again takes no place.
    assert!(b.ask("room", "one", "dan").await.is_ok());
    assert_eq!((servers.store.counted(ANN), servers.store.counted(ROOM)), (2, 3));
    assert_eq!(servers.store.counted("ann"), 0, "connections are another matter");
    for answer in [one, two, three, four] {
        answer.send(end()).expect("it reads");
    }
    until("the ends", || servers.all.iter().all(|server| server.open() == 0)).await;
    assert_eq!((servers.store.counted(ANN), servers.store.counted(ROOM)), (0, 0));
    let again = c.begin("room", "five", "ann").await;
    again.send(end()).expect("it reads");
    until("the end", || c.open() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_nothing_begins() {
    let servers = Servers::start(2).await;
    servers.set_away(0, true);
    let refused = servers.all[0].ask("room", "one", "ann").await.expect_err("nobody knows");
    assert_eq!((refused.code, servers.all[0].open()), (ErrorCode::EngineUnavailable, 0));
    servers.set_away(0, false);
    assert_eq!((servers.store.counted(ANN), servers.store.counted(ROOM)), (0, 0));
    servers.all[0].begin("room", "one", "ann").await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_late_is_given_back() {
    let servers = Servers::start(2).await;
    servers.store.hold();
    let asking = tokio::time::timeout(std::time::Duration::from_secs(1), servers.all[0].ask("room", "one", "ann"));
    assert!(asking.await.is_err(), "it waits");
    // The server was taken for dead meanwhile.
    servers.kill(0);
    servers.set_away(0, false);
    servers.store.release();
    until("it to be given up", || servers.all[0].open() == 0).await;
    assert_eq!((servers.store.counted(ANN), servers.store.counted(ROOM)), (0, 0));
    assert_eq!(servers.all[0].script.asked(), 0);
}
