//! Resources that can only be read: they take GET and HEAD.

use hyper::{Method, Request};

use super::body::Body;
use super::reply::Reply;
use crate::limits::HTTP_IGNORED_BODY_BYTES_MAX;

/// The reply for GET and HEAD; 405 for other methods. A body has no meaning here (RFC 9110, section 9.3.1). It is read
/// and ignored, so that the connection can take the next request.
pub(super) async fn read_only(request: Request<Body>, reply: impl FnOnce() -> Reply) -> Reply {
    match readable(request).await {
        Ok(()) => reply(),
        Err(refused) => refused,
    }
}

/// The same for replies that take time.
///
/// # Errors
/// The reply to a request that is refused.
pub(super) async fn readable(request: Request<Body>) -> Result<(), Reply> {
    let (head, body) = request.into_parts();
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(body.unread(Reply::method_not_allowed("GET, HEAD")));
    }
    body.read(HTTP_IGNORED_BODY_BYTES_MAX).await.map(|_| ())
}
