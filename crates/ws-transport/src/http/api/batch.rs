//! `/batch`: several requests in one. No transaction: each has an answer of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::Method;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use ws_proto::api::{Batch, BatchData, BatchRequest, BatchResponse};
use ws_proto::limits::BATCH_REQUESTS_MAX;
use ws_proto::{ErrorBody, ErrorCode, decode_body};

use super::call::{Call, Outcome, Refused, answer, in_batch};
use super::key::ApiKey;
use super::perform::{Resources, found, permitted};
use super::query::{Query, invalid};
use super::resource::{Resource, Verb};
use crate::limits::{BATCH_ANSWER_BYTES_MAX, BATCH_PARALLEL_MAX, BATCH_REFUSAL_BYTES, BATCH_WRITE_BYTES};

/// POST: performs the requests in a task of their own, so that they go on if the caller is gone.
pub(super) async fn run(
    resources: &Arc<Resources>,
    batches: &Arc<Semaphore>,
    open: &TaskTracker,
    key: &ApiKey,
    body: Bytes,
) -> Outcome {
    let Ok(permit) = batches.clone().try_acquire_owned() else {
        return Err(ErrorBody::new(ErrorCode::Overloaded, "too many batches at the same time").into());
    };
    let (resources, key) = (resources.clone(), key.clone());
    let task = open.spawn(async move {
        let _permit = permit;
        perform(&resources, &key, &body).await
    });
    let failed = |_| Err(ErrorBody::new(ErrorCode::Internal, "the batch was not finished").into());
    task.await.unwrap_or_else(failed)
}

async fn perform(resources: &Resources, key: &ApiKey, body: &[u8]) -> Outcome {
    let batch: Batch<'_, &RawValue> = decode_body(body)?;
    let count = batch.requests.len();
    if count > BATCH_REQUESTS_MAX {
        let why = format!("has {count} entries, more than {BATCH_REQUESTS_MAX}");
        return Err(invalid("requests", &why).into());
    }
    let room = Room::for_requests(count);
    let at_once = if batch.parallel.unwrap_or(false) { BATCH_PARALLEL_MAX } else { 1 };
    // Collected before they run, as `buffered` needs futures whose type says nothing of a lifetime.
    let since = Instant::now();
    let respond = |request| response(resources, key, request, &room, since);
    let requests: Vec<_> = batch.requests.iter().map(respond).collect();
    let responses: Vec<_> = stream::iter(requests).buffered(at_once).collect().await;
    answer(&BatchData { responses })
}

async fn response(
    resources: &Resources,
    key: &ApiKey,
    request: &BatchRequest<'_, &RawValue>,
    room: &Room,
    since: Instant,
) -> BatchResponse<Box<RawValue>> {
    let outcome = room.bound(is_write(request), perform_one(resources, key, request, since)).await;
    let (status, body) = in_batch(outcome);
    // What is in it was JSON.
    let body = RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned());
    BatchResponse { status, body }
}

/// `since`: when the batch began.
async fn perform_one(
    resources: &Resources,
    key: &ApiKey,
    request: &BatchRequest<'_, &RawValue>,
    since: Instant,
) -> Outcome {
    let (path, query) = match request.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*request.path, None),
    };
    let (resource, verb) = permitted(key, &method(request), found(Resource::at(path), path)?)?;
    if resource == Resource::Batch {
        return Err(ErrorBody::new(ErrorCode::NotAvailable, "a batch cannot hold another batch").into());
    }
    let body = request.body.map_or(&b""[..], |body| body.get().as_bytes());
    let bytes_max = resources.hub.limits().message_bytes_max;
    if body.len() > bytes_max {
        return Err(Refused::TooLarge(bytes_max));
    }
    resources.hub.check_engine(resource.channel(), since.elapsed())?;
    resources.perform(&Call { resource, verb, query: Query::new(query), body, idempotency_key: None }).await
}

fn method(request: &BatchRequest<'_, &RawValue>) -> Method {
    Method::from_bytes(request.method.as_bytes()).unwrap_or(Method::TRACE)
}

fn is_write(request: &BatchRequest<'_, &RawValue>) -> bool {
    Verb::of(&method(request)).is_some_and(|verb| verb != Verb::Get)
}

/// Bytes that the answer may still grow by.
#[derive(Debug)]
struct Room(AtomicUsize);

impl Room {
    /// Every request can still be refused when the room is used up.
    fn for_requests(count: usize) -> Self {
        Room(AtomicUsize::new(BATCH_ANSWER_BYTES_MAX.saturating_sub((count + 1) * BATCH_REFUSAL_BYTES)))
    }

    /// The outcome of a request, or `limit_exceeded` where it does not fit any more. A write is only begun when there
    /// is room for what it answers.
    async fn bound(&self, is_write: bool, perform: impl Future<Output = Outcome>) -> Outcome {
        let reserved = if is_write { BATCH_WRITE_BYTES } else { 0 };
        if !self.take(reserved) {
            return Err(full().into());
        }
        let outcome = perform.await;
        self.0.fetch_add(reserved, Ordering::AcqRel);
        let bytes = outcome.as_ref().map_or(0, String::len);
        if self.take(bytes) { outcome } else { Err(full().into()) }
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes)).is_ok()
    }
}

fn full() -> ErrorBody {
    let message =
        format!("the answer of a batch has at most {BATCH_ANSWER_BYTES_MAX} bytes: ask for this in another one");
    ErrorBody::new(ErrorCode::LimitExceeded, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::call::status;

    async fn bound(room: &Room, is_write: bool, bytes: usize) -> u16 {
        status(&room.bound(is_write, async { Ok("x".repeat(bytes)) }).await).as_u16()
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused() {
        let room = Room(AtomicUsize::new(BATCH_WRITE_BYTES + 10));
        assert_eq!(bound(&room, false, 11).await, 200);
        assert_eq!(bound(&room, true, 5).await, 429, "not begun");
        assert_eq!(bound(&room, false, BATCH_WRITE_BYTES).await, 429);
        assert_eq!(bound(&room, false, BATCH_WRITE_BYTES - 1).await, 200);
        assert_eq!(bound(&room, false, 1).await, 429);
    }

    #[tokio::test]
    async fn a_write_that_does_not_fit_is_not_begun() {
        let room = Room(AtomicUsize::new(BATCH_WRITE_BYTES - 1));
        let outcome = room.bound(true, async { unreachable!("it is not polled") }).await;
        assert_eq!(status(&outcome).as_u16(), 429);
    }
}
