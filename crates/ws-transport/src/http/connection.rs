//! One TCP connection as long as it speaks HTTP/1.1, and its way to a WebSocket.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::body::Body;
use super::client::Clients;
use super::pace::{Activity, AnswerBody, Over, Pace, Patience};
use super::routes::{Answer, Routes};
use super::upgrade_io::UpgradeIo;
use crate::limits::{CLOSE_TIMEOUT, DISCARD_CHUNK_BYTES, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_LINGER};
use crate::socket_slots::SocketSlot;
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

/// Serves HTTP on `stream` until it ends or becomes a WebSocket. While it is idle, its slot may be evicted.
pub(crate) async fn serve<R: Routes>(
    stream: Stream,
    clients: &Clients<'_>,
    routes: &R,
    patience: Patience,
    slot: &mut SocketSlot,
) -> Option<Upgraded<R::Upgrade>> {
    let (upgrade, activity) = (Mutex::new(None), Activity::new());
    let mut connection = http1::Builder::new()
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .max_headers(HTTP_HEADERS_MAX)
        .keep_alive(true)
        // A peer that has sent everything may still wait for the answer.
        .half_close(true)
        .serve_connection(
            UpgradeIo::new(stream, activity.clone(), patience.head),
            // Boxed, because taking the connection apart needs a future that can be moved.
            service_fn(|request| Box::pin(answer(routes, request, clients, &upgrade, &activity))),
        );
    let mut pace = Pace::new(activity.clone(), patience, slot);
    let end = poll_fn(|cx| match connection.poll_without_shutdown(cx) {
        Poll::Ready(served) => Poll::Ready(Ok(served)),
        Poll::Pending => pace.poll_over(cx).map(Err),
    })
    .await;
    let parts = connection.into_parts();
    let ((stream, answer), early) = (parts.io.into_parts(), parts.read_buf);
    match &end {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http connection ended"),
        // Another socket waits for what this one holds.
        Err(Over::Evicted) => {
            tracing::debug!(peer = %clients.peer(), "http connection ended: it was idle, and all sockets were taken");
            return None;
        }
        Err(Over::Late) => tracing::debug!("http connection ended: nothing came in time"),
    }
    match upgrade.into_inner().filter(|_| matches!(end, Ok(Ok(())))) {
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
    clients: &Clients<'_>,
    upgrade: &Mutex<Option<(IpAddr, R::Upgrade)>>,
    activity: &Arc<Activity>,
) -> Result<Response<AnswerBody>, Infallible> {
    let (busy, is_last) = activity.begin();
    let client = match clients.enter(request.headers()) {
        Ok(client) => client,
        Err(refused) => return Ok(refused.into_response().map(|body| AnswerBody::new(body, busy))),
    };
    let reply = match routes.answer(request.map(Body::new), client).await {
        Answer::Reply(reply) if is_last => reply.closing(),
        Answer::Reply(reply) => reply,
        Answer::Upgrade(reply, with) => {
            *upgrade.lock() = Some((client, with));
            activity.switch();
            reply
        }
    };
    Ok(reply.into_response().map(|body| AnswerBody::new(body, busy)))
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
