//! Statistics, and closing.

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, all, keep};
use crate::engine::{Engine, EngineError, EngineStats};

cases![statistics_follow_what_is_held, a_closed_engine_answers];

/// An engine that keeps publications elsewhere counts none of them; one that counts some counts their bytes.
async fn statistics_follow_what_is_held<E: Engine>(f: Fixture<E>) {
    let EngineStats { channels, publications, bytes, .. } = f.stats();
    assert_eq!((channels, publications, bytes), (0, 0, 0), "a new engine holds nothing");
    let channels = ["a", "b", "c"];
    for channel in channels {
        f.follow(channel).await;
        f.fill(channel, keep(4), 10).await;
    }
    let (stats, body) = (f.stats(), Message::new(1).body.len() as u64);
    assert!(stats.publications <= 12, "no more than is retained: {stats:?}");
    assert!(stats.bytes >= stats.publications * body, "bytes are those of the publications: {stats:?}");
    assert_eq!(stats.bytes == 0, stats.publications == 0, "bytes are those of the publications: {stats:?}");
    assert!(stats.channels <= 3, "no channel that there never was: {stats:?}");
    for channel in channels {
        f.remove(channel).await;
    }
    let stats = f.stats();
    assert_eq!((stats.publications, stats.bytes), (0, 0), "what is removed is not held: {stats:?}");
}

async fn a_closed_engine_answers<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    f.append("a", keep(100), &Message::new(1)).await;
    f.close().await;
    let fits = |error: Option<EngineError>| matches!(error, None | Some(EngineError::Unavailable(_)));
    let appended = f.try_append("a", keep(100), &Message::new(2)).await.err();
    assert!(fits(appended.clone()), "append after close gave {appended:?}");
    let passed_on = f.try_append("a", keep(0), &Message::new(3)).await.err();
    assert!(fits(passed_on.clone()), "append without retention after close gave {passed_on:?}");
    let history = f.try_history(all("a")).await.err();
    assert!(fits(history.clone()), "history after close gave {history:?}");
    let removed = f.try_remove("a").await.err();
    assert!(fits(removed.clone()), "remove after close gave {removed:?}");
    f.interest("a", false);
    f.stats();
}
