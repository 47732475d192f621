//! One TCP connection as long as it speaks HTTP/1.1, and its way to a WebSocket.

mod handshake;
mod held;
mod host;
mod metrics;
mod origin;
mod pages;
mod query;
mod reply;
mod routes;
mod token;

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use ws_core::{HeartbeatMode, Permit};

use crate::limits::{CLOSE_TIMEOUT, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use crate::stream::Stream;

pub(crate) use self::handshake::plain_handshake;
use self::held::HeldIo;
pub(crate) use self::metrics::Metrics;
pub use self::origin::AllowedOrigin;
pub(crate) use self::reply::Reply;
pub(crate) use self::routes::HubRoutes;

/// An answer to a request.
pub(crate) enum Answer<A> {
    /// An HTTP answer, and HTTP goes on.
    Reply(Reply),
    /// 101, and what was agreed on: a WebSocket follows.
    Switch(Reply, A),
}

/// Answers requests.
pub(crate) trait Routes: Send + Sync + 'static {
    /// What the WebSocket starts with.
    type Agreed: Send + Unpin + 'static;

    /// Answers one request from this address.
    fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> Answer<Self::Agreed>;
}

/// What a WebSocket connection of the hub starts with.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) permit: Permit,
    pub(crate) heartbeat: HeartbeatMode,
    /// The token that came along.
    pub(crate) token: Option<Box<str>>,
}

/// A socket whose handshake is done.
pub(crate) struct Upgraded<A> {
    pub(crate) stream: Stream,
    /// Where it comes from.
    pub(crate) peer: IpAddr,
    /// The answer to the handshake: to be written before anything else.
    pub(crate) answer: Vec<u8>,
    /// Bytes that came right behind the request.
    pub(crate) early: Bytes,
    pub(crate) agreed: A,
}

struct Http<R: Routes> {
    routes: Arc<R>,
    peer: IpAddr,
    agreed: Mutex<Option<R::Agreed>>,
}

impl<R: Routes> Service<Request<Incoming>> for Http<R> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let reply = match self.routes.answer(&request, self.peer) {
            Answer::Reply(reply) => reply,
            Answer::Switch(reply, agreed) => {
                *self.agreed.lock() = Some(agreed);
                reply
            }
        };
        ready(Ok(reply.into_response()))
    }
}

/// Serves HTTP on `stream` until it ends, or becomes a WebSocket.
pub(crate) async fn serve<R: Routes>(
    stream: Stream,
    peer: IpAddr,
    routes: Arc<R>,
    head_timeout: Duration,
) -> Option<Upgraded<R::Agreed>> {
    let http = Http { routes, peer, agreed: Mutex::new(None) };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .max_headers(HTTP_HEADERS_MAX)
        .keep_alive(true)
        // Who says nothing more may still wait for the answer.
        .half_close(true)
        .serve_connection(HeldIo::new(stream, head_timeout), http);
    let served = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "http connection ended");
        return None;
    }
    let parts = connection.into_parts();
    let (mut stream, answer) = parts.io.into_parts();
    match parts.service.agreed.into_inner() {
        Some(agreed) => Some(Upgraded { stream, peer, answer, early: parts.read_buf, agreed }),
        None => {
            // The peer may be gone already, and then there is nobody to say goodbye to.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, stream.shutdown()).await;
            None
        }
    }
}
