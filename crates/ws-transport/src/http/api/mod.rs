//! `/api/v1`: the HTTP API for backends (PROTOCOL section 9). A key is the caller's whole identity: what a key may do
//! is decided here, before the hub is asked. A resource is one file.
//!
//! In reading order: [`key`] finds the key, [`resource`] what the path names, [`call`] is a request with its outcome;
//! [`perform`] has a line for each resource and method.

mod batch;
mod broadcast;
mod call;
mod channels;
mod connections;
mod frames;
mod key;
mod node;
mod perform;
mod presence;
mod publications;
mod query;
mod requests;
mod resource;
mod runs;
mod subscriptions;

use std::sync::Arc;

use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use ws_core::Hub;
use ws_proto::ErrorBody;

use self::call::{Call, reply};
pub use self::key::{ApiKey, ApiRights};
use self::perform::{Resources, found, permitted};
use self::query::Query;
use self::requests::Requests;
use self::resource::{Resource, Verb};
use super::body::Body;
use super::reply::Reply;
use crate::limits::{BATCH_BYTES_FACTOR, BATCHES_MAX, HTTP_IGNORED_BODY_BYTES_MAX};

/// What all paths of the API begin with.
pub(super) const PREFIX: &str = "/api/v1";

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The API of a hub.
#[derive(Debug)]
pub(crate) struct Api {
    resources: Arc<Resources>,
    keys: Vec<ApiKey>,
    /// Batches that may run at the same time.
    batches: Arc<Semaphore>,
    requests: Requests,
    /// Requests that are being answered. The end of a server waits for them.
    open: TaskTracker,
}

impl Api {
    pub(crate) fn new(hub: Hub, keys: Vec<ApiKey>, version: &'static str, open: TaskTracker) -> Arc<Self> {
        let requests = Requests::new(&keys);
        Arc::new(Api {
            resources: Arc::new(Resources { hub, version }),
            keys,
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
            requests,
            open,
        })
    }

    /// Requests since the start by key, route and status, each with its labels.
    pub(super) fn requests(&self) -> impl Iterator<Item = ([(&'static str, &str); 3], u64)> {
        self.requests.counts()
    }

    /// Answers a request whose path begins with [`PREFIX`].
    pub(super) async fn answer(&self, request: Request<Body>) -> Reply {
        let _open = self.open.token();
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let (key, resource) = match key::authenticate(&self.keys, &head.headers) {
            Ok(key) => (key, Resource::at(path.strip_prefix(PREFIX).unwrap_or_default())),
            Err(refused) => {
                let refused = body.unread(Reply::protocol_error(&refused));
                self.requests.count(None, None, refused.status());
                return refused;
            }
        };
        let route = resource.as_ref().ok().and_then(|resource| Some(resource.as_ref()?.route()));
        let answered = self.answer_to(key, resource, &head, body).await.unwrap_or_else(|refused| refused);
        let status = answered.status();
        self.requests.count(Some(key.name()), route, status);
        tracing::debug!(key = key.name(), method = %head.method, path, status, "api");
        answered
    }

    /// `Err`: refused before there was anything to perform.
    async fn answer_to(
        &self,
        key: &ApiKey,
        resource: Result<Option<Resource<'_>>, ErrorBody>,
        head: &Parts,
        body: Body,
    ) -> Result<Reply, Reply> {
        let permitted = found(resource, head.uri.path()).and_then(|resource| permitted(key, &head.method, resource));
        let (resource, verb) = match permitted {
            Ok(permitted) => permitted,
            Err(refused) => return Err(body.unread(reply(Err(refused)))),
        };
        if verb != Verb::Get
            && let Err(refused) = check_media_type(&head.headers).and_then(|()| check_encoding(&head.headers))
        {
            return Err(body.unread(refused));
        }
        let body = body.read(self.body_bytes_max(&resource, verb)).await?;
        if resource == Resource::Batch {
            return Ok(reply(batch::run(&self.resources, &self.batches, &self.open, key, body).await));
        }
        if let Resource::ConnectionFrames(id) = &resource {
            return Ok(frames::watch(&self.resources.hub, id)
                .await
                .unwrap_or_else(|refused| reply(Err(refused.into()))));
        }
        let idempotency_key = match idempotency_key(&head.headers) {
            Ok(key) => key,
            Err(refused) => return Ok(reply(Err(refused.into()))),
        };
        let query = Query::new(head.uri.query());
        Ok(reply(self.resources.perform(&Call { resource, verb, query, body: &body, idempotency_key }).await))
    }

    fn body_bytes_max(&self, resource: &Resource<'_>, verb: Verb) -> usize {
        let message_bytes_max = self.resources.hub.limits().message_bytes_max;
        match (resource, verb) {
            (_, Verb::Get) => HTTP_IGNORED_BODY_BYTES_MAX,
            (Resource::Batch, _) => message_bytes_max.saturating_mul(BATCH_BYTES_FACTOR),
            _ => message_bytes_max,
        }
    }
}

/// The header `Idempotency-Key`.
///
/// # Errors
/// `invalid_payload`: it is empty, or there more than once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, ErrorBody> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter().map(|key| key.as_bytes().trim_ascii());
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(b"" | b"\"\""), _) => Err(query::invalid("Idempotency-Key", "is empty")),
        (Some(key), None) => Ok(Some(key)),
        (Some(_), Some(_)) => Err(query::invalid("Idempotency-Key", "is given more than once")),
    }
}

/// A body is JSON; its type may be left out.
fn check_media_type(headers: &HeaderMap) -> Result<(), Reply> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(unsupported("the body must be JSON: send it with `Content-Type: application/json`"))
}

/// A body is not compressed (RFC 9110, section 15.5.16).
fn check_encoding(headers: &HeaderMap) -> Result<(), Reply> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    let mut refused = unsupported("the body must not be compressed: send it without `Content-Encoding`");
    refused.set(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Err(refused)
}

fn unsupported(message: &str) -> Reply {
    Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}
