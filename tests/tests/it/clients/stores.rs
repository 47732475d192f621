//! A store of the program's own that fails: nothing is passed over for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use ws_client::{Batch, Client as WsClient, Entry, Event, Outbox, Position, Store, StoreError, Timers};
use ws_tests::prelude::*;

/// Keeps nothing but one position, and does not always say where it is.
struct Moody {
    is_well: Arc<AtomicBool>,
    position: Position,
}

impl Store for Moody {
    fn open(&mut self, _: &str) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn write(&mut self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }

    fn position(&mut self, _: Option<&str>, _: &str) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        let is_well = self.is_well.load(Ordering::SeqCst);
        let position = self.position.clone();
        async move { if is_well { Ok(Some(position)) } else { Err(StoreError("no disk".to_owned())) } }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_cannot_be_read_is_asked_for_again() {
    let server = Server::with(|config| config.channels.history_size = 100).await;
    let url = format!("ws://{}/ws", server.addr());
    let writer = WsClient::builder(&url).start().expect("it starts");
    let room = writer.channel::<u64>("room");
    let first = within("an answer", room.publish(&1)).await.expect("published").position.expect("history");
    within("an answer", room.publish(&2)).await.expect("published");

    let is_well = Arc::new(AtomicBool::new(false));
    let timers = Timers { store_retry: Duration::from_millis(100), ..Timers::default() };
    let outbox = Outbox::store(Moody { is_well: is_well.clone(), position: first });
    let reader = WsClient::builder(&url).timers(timers).outbox(outbox).start().expect("it starts");
    let mut events = reader.channel::<u64>("room").subscribe().since_stored().start();
    let mut status = reader.status();
    let problem = within("a problem", status.wait_for(|status| status.store.is_some())).await.expect("it runs").clone();
    assert_eq!(problem.store.and_then(|store| store.message).as_deref(), Some("no disk"));
    assert!(events.next().now_or_never().is_none(), "it waits");
    is_well.store(true, Ordering::SeqCst);
    let event = within("an event", events.next()).await.expect("it runs");
    assert!(matches!(&event, Event::Publication(publication) if publication.data == 2), "{event:?}");
    within("an end", status.wait_for(|status| status.store.is_none())).await.expect("it runs");
}
