//! From a request to the body of its answer, or to why there is none.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::time::timeout;

use super::failure::Rejection;
use super::http::{PostError, ReplyBody, request_id};
use super::limits::{ERROR_BODY_BYTES_MAX, ERROR_BODY_TIMEOUT};
use super::parts::Parts;

/// A request under way. Dropping it closes its connection.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<Reply, Rejection>> + Send>>;

/// The answer begins.
pub(super) struct Reply {
    pub(super) body: ReplyBody,
    pub(super) request_id: Option<String>,
}

impl Parts {
    /// Sends this request, once.
    pub(super) fn ask(self: &Arc<Self>, request: Bytes) -> Asking {
        let parts = self.clone();
        Box::pin(async move {
            let reply = parts.http.post(request).await.map_err(|error| match error {
                PostError::Connect(cause) => Rejection::unreachable(&cause, &parts.secrets),
                PostError::Request(cause) => Rejection::internal(&cause, &parts.secrets),
            })?;
            if reply.status == StatusCode::OK && is_event_stream(&reply.headers) {
                return Ok(Reply { request_id: request_id(&reply.headers), body: reply.body });
            }
            let body = error_body(reply.body).await;
            Err(Rejection::response(reply.status, &reply.headers, &body, &parts.secrets))
        })
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The body of an error, as much of it as comes soon and is not too long.
async fn error_body(mut body: ReplyBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    let whole = async {
        while let Some(Ok(frame)) = body.frame().await {
            let part = frame.into_data().unwrap_or_default();
            bytes.extend_from_slice(&part[..part.len().min(ERROR_BODY_BYTES_MAX - bytes.len())]);
            if bytes.len() == ERROR_BODY_BYTES_MAX {
                break;
            }
        }
    };
    // What came until then is more than nothing.
    let _ = timeout(ERROR_BODY_TIMEOUT, whole).await;
    bytes
}
