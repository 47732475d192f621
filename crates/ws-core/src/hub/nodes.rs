//! What a participant has to know of the cluster: who is alive, and how many of something there are on all servers.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;
use ws_proto::ErrorBody;

use super::handle::Hub;
use crate::engine::pending::Pending;
use crate::limits::JOINED_EVERY;
use crate::state::{Shared, unavailable};

/// One of the places of a name, counted on all living servers; given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    name: Box<str>,
}

impl Shared {
    /// See [`Hub::node_name`].
    pub(in crate::hub) fn node_name(&self) -> Option<String> {
        self.engine.cluster().map(|cluster| cluster.node().simple().to_string())
    }
}

impl Hub {
    /// Waits until it is known where the broadcasts of other servers begin, and until those know this one, but for no
    /// longer than this. Who connects before that may miss some, and is told so; and what others are asked to do with all
    /// connections may leave it out.
    pub async fn joined(&self, within: Duration) {
        let Some(feed) = &self.shared.feed else { return };
        let joined = async {
            feed.known().await;
            while self.nodes().await.is_err() {
                sleep(JOINED_EVERY).await;
            }
        };
        let _ = timeout(within, joined).await;
    }

    /// This server among those that use the same store; `None`: it is the only one. It has another id after it was taken
    /// for dead.
    pub fn node(&self) -> Option<Uuid> {
        self.shared.engine.cluster().map(|cluster| cluster.node())
    }

    /// The same as logs and the server API have it.
    pub fn node_name(&self) -> Option<String> {
        self.shared.node_name()
    }

    /// The servers that are alive, this one included; none where it is the only one.
    ///
    /// # Errors
    /// `engine_unavailable`, `overloaded`.
    pub async fn nodes(&self) -> Result<Vec<Uuid>, ErrorBody> {
        let Some(cluster) = self.shared.engine.cluster() else { return Ok(Vec::new()) };
        let pending = Pending::<_, ()>::call(|done| cluster.nodes(done));
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        result.map_err(|error| unavailable(&error))
    }

    /// Takes one of at most `max` places of a name; `None`: all are taken. Where there are no other servers nobody
    /// counts, and there is always one.
    ///
    /// # Errors
    /// `engine_unavailable`, `overloaded`: nobody knows. A place that comes too late is given back.
    pub async fn take_place(&self, name: &str, max: u64) -> Result<Option<Place>, ErrorBody> {
        // Users are counted too, and no user's name has such a character.
        let name: Box<str> = format!("\u{1}{name}").into();
        let Some(cluster) = self.shared.engine.cluster() else {
            return Ok(Some(Place { shared: self.shared.clone(), name }));
        };
        let pending = Pending::<Option<Place>, ()>::call(|done| {
            let (shared, key) = (Arc::downgrade(&self.shared), name.clone());
            let place = move |is_taken: bool| Some(Place { shared: shared.upgrade().filter(|_| is_taken)?, name: key });
            cluster.admit(&name, max, Box::new(move |result| done(result.map(place))));
        });
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        result.map_err(|error| unavailable(&error))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(cluster) = self.shared.engine.cluster() {
            cluster.dismiss(&self.name);
        }
    }
}
