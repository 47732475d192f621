//! Reads the broadcasts of other nodes that this one was not told of.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::sleep;

use crate::engine::pending::Pending;
use crate::limits::BROADCASTS_RETRY;
use crate::state::Shared;

/// Reads until it is aborted. Ends at once where there are no other nodes.
pub(super) async fn follow(shared: Arc<Shared>) {
    let Some(feed) = shared.feed.clone() else { return };
    loop {
        let Some(asked) = feed.wants() else {
            feed.woken().await;
            continue;
        };
        let pending = Pending::<_, ()>::call(|done| shared.engine.history(feed.query(asked), done));
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        if !shared.feed_answered(asked, result) {
            sleep(BROADCASTS_RETRY).await;
        }
    }
}
