//! Answers: a status, headers and a body.

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::json;
use ws_proto::{ErrorBody, ErrorCode};

use super::content::Content;
use crate::limits::RETRY_AFTER_S;

/// Nothing from other origins, no inline script or style, no framing. WebSockets to any server, as the page is for
/// trying servers out.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply(Box<Response<Content>>);

/// Why a request is refused. It is kept with the answer for the log.
#[derive(Debug, Clone)]
struct Reason(Box<str>);

impl Reply {
    /// 200 with a body of this type.
    pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Reply(Box::new(Response::new(Content::Whole(Full::new(body.into())))));
        reply.set(CONTENT_TYPE, HeaderValue::from_static(content_type));
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        reply
    }

    /// 200 with JSON.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Reply::ok("application/json", body.to_string())
    }

    /// 200 with JSON that no cache may keep.
    pub(crate) fn fresh_json(body: String) -> Self {
        let mut reply = Reply::ok("application/json", body);
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }

    /// 200 with a body whose parts go out when they are there, and that no cache may keep.
    pub(crate) fn live(content_type: &'static str, parts: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let mut reply = Reply::ok(content_type, Bytes::new());
        *reply.0.body_mut() = Content::Live(Box::pin(parts));
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }

    /// A file of the pages.
    pub(crate) fn page(content_type: &'static str, body: &'static [u8]) -> Self {
        let mut reply = Reply::ok(content_type, Bytes::from_static(body));
        reply.set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        reply.set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        reply
    }

    /// What it holds is public: pages of every origin may read it.
    pub(crate) fn for_any_origin(mut self) -> Self {
        self.set(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        self
    }

    /// An error body, `{"error":{"code","message"}}`.
    pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Reply::refused(status, message, &Reply::http_error(code, message))
    }

    /// The body of an error that is none of the protocol. None of these gets better by itself.
    pub(crate) fn http_error(code: &str, message: &str) -> serde_json::Value {
        json!({ "error": { "code": code, "message": message, "retryable": false } })
    }

    fn refused(status: StatusCode, message: &str, body: &serde_json::Value) -> Self {
        let mut reply = Reply::fresh_json(body.to_string());
        *reply.0.status_mut() = status;
        reply.0.extensions_mut().insert(Reason(message.into()));
        reply
    }

    /// An error of the protocol, with its HTTP status.
    pub(crate) fn refusal(code: ErrorCode, message: &str) -> Self {
        Reply::protocol_error(&ErrorBody::new(code, message.to_owned()))
    }

    /// An error of the protocol with everything that it says, with its HTTP status.
    pub(crate) fn protocol_error(error: &ErrorBody) -> Self {
        let mut reply = Reply::refused(Reply::status_of(error.code), &error.message, &json!({ "error": error }));
        if let Some(seconds) = retry_after_s(error) {
            reply.set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if error.code == ErrorCode::Unauthenticated {
            reply.set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }

    /// The HTTP status of an error of the protocol.
    pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
        StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code of a 405.
    pub(crate) const METHOD_NOT_ALLOWED: &str = "method_not_allowed";

    /// The message of a 405.
    pub(crate) fn method_message(allowed: &str) -> String {
        format!("this path takes {allowed}")
    }

    /// The code of a 413 and of a 431.
    pub(crate) const TOO_LARGE: &str = "too_large";

    /// The message of a 413.
    pub(crate) fn size_message(bytes_max: usize) -> String {
        format!("the body has more than {bytes_max} bytes")
    }

    /// 413.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Reply::error(StatusCode::PAYLOAD_TOO_LARGE, Reply::TOO_LARGE, &Reply::size_message(bytes_max))
    }

    /// 405, with the allowed methods.
    pub(crate) fn method_not_allowed(allowed: &'static str) -> Self {
        let message = Reply::method_message(allowed);
        let mut reply = Reply::error(StatusCode::METHOD_NOT_ALLOWED, Reply::METHOD_NOT_ALLOWED, &message);
        reply.set(ALLOW, HeaderValue::from_static(allowed));
        reply
    }

    /// The same, and the connection closes after it.
    pub(crate) fn closing(mut self) -> Self {
        self.set(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    /// 101: the connection becomes a WebSocket.
    pub(crate) fn switching(accept: HeaderValue) -> Self {
        let mut reply = Reply(Box::new(Response::new(Content::Whole(Full::default()))));
        *reply.0.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        reply.set(CONNECTION, HeaderValue::from_static("Upgrade"));
        reply.set(UPGRADE, HeaderValue::from_static("websocket"));
        reply.set(hyper::header::SEC_WEBSOCKET_ACCEPT, accept);
        reply
    }

    /// Its status.
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The message of an error; empty for other answers.
    pub(crate) fn reason(&self) -> &str {
        self.0.extensions().get::<Reason>().map_or("", |reason| &reason.0)
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.headers_mut().insert(name, value);
    }

    pub(crate) fn into_response(self) -> Response<Content> {
        *self.0
    }
}

/// What an error knows, in whole seconds. Where it only knows that a retry can succeed: a few.
fn retry_after_s(error: &ErrorBody) -> Option<u64> {
    match error.retry_after_ms {
        Some(ms) => Some(ms.div_ceil(1000).max(1)),
        None => error.retryable.then_some(RETRY_AFTER_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_retried_says_when() {
        for code in ErrorCode::ALL {
            let says = Reply::refusal(*code, "m").into_response().headers().contains_key(RETRY_AFTER);
            assert_eq!(says, code.is_retryable(), "{code}");
        }
        let error = ErrorBody { retry_after_ms: Some(1_001), ..ErrorBody::new(ErrorCode::Overloaded, "m") };
        assert_eq!(Reply::protocol_error(&error).into_response().headers()[RETRY_AFTER], "2");
    }
}
