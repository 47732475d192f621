//! One request of the API, alone or in a batch, and its outcome.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;
use ws_proto::{ErrorBody, ErrorCode};

use super::query::Query;
use super::resource::{Resource, Verb};
use crate::http::reply::Reply;
use crate::limits::PATH_QUOTE_BYTES_MAX;

/// A request that its key may make.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) verb: Verb,
    pub(super) query: Query<'a>,
    pub(super) body: &'a [u8],
    /// The header `Idempotency-Key`, as it came.
    pub(super) idempotency_key: Option<&'a [u8]>,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refused {
    Error(ErrorBody),
    /// The resource does not take this method, but these.
    Method(&'static str),
    /// The body has more than so many bytes.
    TooLarge(usize),
}

/// What a request is answered with: JSON, or why not.
pub(super) type Outcome = Result<String, Refused>;

impl From<ErrorBody> for Refused {
    fn from(error: ErrorBody) -> Self {
        Refused::Error(error)
    }
}

impl Refused {
    pub(super) fn not_found(path: &str) -> Self {
        Refused::Error(ErrorBody::new(ErrorCode::NotFound, format!("nothing at {}", clip(path))))
    }
}

/// The answer in JSON.
pub(super) fn answer<T: Serialize>(answer: &T) -> Outcome {
    serde_json::to_string(answer).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()).into())
}

/// The answer to a request that has nothing to say.
pub(super) fn done() -> Outcome {
    Ok("{}".to_owned())
}

/// The status of an outcome.
pub(super) fn status(outcome: &Outcome) -> StatusCode {
    match outcome {
        Ok(_) => StatusCode::OK,
        Err(Refused::Method(_)) => StatusCode::METHOD_NOT_ALLOWED,
        Err(Refused::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
        Err(Refused::Error(error)) => Reply::status_of(error.code),
    }
}

/// The outcome as an answer over HTTP.
pub(super) fn reply(outcome: Outcome) -> Reply {
    match outcome {
        Ok(json) => Reply::fresh_json(json),
        Err(Refused::Method(allowed)) => Reply::method_not_allowed(allowed),
        Err(Refused::TooLarge(bytes_max)) => Reply::too_large(bytes_max),
        Err(Refused::Error(error)) => Reply::protocol_error(&error.without_envelope()),
    }
}

/// The outcome as the JSON of its status and body, for a batch.
pub(super) fn in_batch(outcome: Outcome) -> (u16, String) {
    let status = status(&outcome).as_u16();
    let body = match outcome {
        Ok(json) => json,
        Err(Refused::Method(allowed)) => {
            Reply::http_error(Reply::METHOD_NOT_ALLOWED, &Reply::method_message(allowed)).to_string()
        }
        Err(Refused::TooLarge(bytes_max)) => {
            Reply::http_error(Reply::TOO_LARGE, &Reply::size_message(bytes_max)).to_string()
        }
        Err(Refused::Error(error)) => json!({ "error": error.without_envelope() }).to_string(),
    };
    (status, body)
}

/// As much of a path as an error quotes.
fn clip(path: &str) -> &str {
    &path[..path.floor_char_boundary(PATH_QUOTE_BYTES_MAX)]
}
