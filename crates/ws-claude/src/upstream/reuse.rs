//! Whether a request went over a connection that had been used before.
//!
//! reqwest does not tell. It connects within the request that needs a connection, and a request that finds one in the pool
//! does not connect: so a layer around the connector notes for which request it has connected. A request that has just
//! connected when the pool gets a connection back may take that one: it counts as one on a new connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// Whether the request that is polled has connected.
    static HAS_CONNECTED: Arc<AtomicBool>;
}

/// Runs a request; also returns whether it has connected.
pub(super) async fn noting_connections<F: Future>(request: F) -> (F::Output, bool) {
    let has_connected = Arc::<AtomicBool>::default();
    let output = HAS_CONNECTED.scope(has_connected.clone(), request).await;
    (output, has_connected.load(Ordering::Relaxed))
}

/// The layer around the connector.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLayer;

impl<S> Layer<S> for ConnectionLayer {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector(inner)
    }
}

/// A connector that notes when it has connected. Not when it begins: the pool may get a connection back before it is done,
/// and the request takes that one.
#[derive(Debug, Clone)]
pub(super) struct Connector<S>(S);

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            let connected = connecting.await;
            // Without a request when it was left to itself, for the pool.
            let _ = HAS_CONNECTED.try_with(|has_connected| has_connected.store(true, Ordering::Relaxed));
            connected
        })
    }
}
