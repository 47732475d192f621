//! One TCP connection as long as it speaks HTTP/1.1, and its way to a WebSocket.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::body::Body;
use super::routes::{Answer, Routes};
use super::upgrade_io::UpgradeIo;
use crate::limits::{CLOSE_TIMEOUT, DISCARD_CHUNK_BYTES, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_LINGER};
use crate::proxy::{Peer, ProxyOptions};
use crate::stream::Stream;

/// A socket whose handshake is done.
pub(crate) struct Upgraded<U> {
    pub(crate) stream: Stream,
    /// The address of the client whose handshake it was.
    pub(crate) client: IpAddr,
    /// The answer to the handshake: to be written before anything else.
    pub(crate) answer: Vec<u8>,
    /// Bytes that came right after the request.
    pub(crate) early: Bytes,
    pub(crate) upgrade: U,
}

/// Serves HTTP on `stream` until it ends or becomes a WebSocket.
pub(crate) async fn serve<R: Routes>(
    stream: Stream,
    peer: Peer,
    proxy: &ProxyOptions,
    routes: &R,
    head_timeout: Duration,
) -> Option<Upgraded<R::Upgrade>> {
    let upgrade = Mutex::new(None);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .max_headers(HTTP_HEADERS_MAX)
        .keep_alive(true)
        // A peer that has sent everything may still wait for the answer.
        .half_close(true)
        .serve_connection(
            UpgradeIo::new(stream, head_timeout),
            // Boxed, because taking the connection apart needs a future that can be moved.
            service_fn(|request: Request<Incoming>| {
                // Each request of a proxy may be another client's.
                let client = proxy.client(peer, request.headers());
                Box::pin(answer(routes, request, client, &upgrade))
            }),
        );
    let served = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let parts = connection.into_parts();
    let ((stream, answer), early) = (parts.io.into_parts(), parts.read_buf);
    if let Err(error) = &served {
        tracing::debug!(%error, "http connection ended");
    }
    match upgrade.into_inner().filter(|_| served.is_ok()) {
        Some((client, upgrade)) => Some(Upgraded { stream, client, answer, early, upgrade }),
        None => {
            linger(stream).await;
            None
        }
    }
}

async fn answer<R: Routes>(
    routes: &R,
    request: Request<Incoming>,
    client: IpAddr,
    upgrade: &Mutex<Option<(IpAddr, R::Upgrade)>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = match routes.answer(request.map(Body::new), client).await {
        Answer::Reply(reply) => reply,
        Answer::Upgrade(reply, with) => {
            *upgrade.lock() = Some((client, with));
            reply
        }
    };
    Ok(reply.into_response())
}

/// Ends our side, and reads on for a moment. If the peer were still sending when the socket is closed, the system would
/// reset the connection, and the peer might lose the answer.
async fn linger(mut stream: Stream) {
    if !matches!(timeout(CLOSE_TIMEOUT, stream.shutdown()).await, Ok(Ok(()))) {
        return;
    }
    let mut discarded = vec![0; DISCARD_CHUNK_BYTES];
    let _ = timeout(HTTP_LINGER, async { while let Ok(1..) = stream.read(&mut discarded).await {} }).await;
}
