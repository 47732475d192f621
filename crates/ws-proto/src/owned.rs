//! Requests that outlive their frame: for a server that answers later.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::client::{Request, RequestId};

/// A [`RequestId`] that outlives its frame, for a request that is answered later.
#[derive(Debug, Clone)]
pub struct OwnedRequestId(Box<RawValue>);

impl OwnedRequestId {
    /// The id, for the answer.
    pub fn as_id(&self) -> RequestId<'_> {
        RequestId(&self.0)
    }
}

impl From<RequestId<'_>> for OwnedRequestId {
    fn from(id: RequestId<'_>) -> Self {
        OwnedRequestId(id.0.to_owned())
    }
}

/// A [`Request`] that outlives its frame, for one whose turn comes later.
#[derive(Debug, Clone)]
pub struct OwnedRequest {
    id: OwnedRequestId,
    action: Box<str>,
    payload: Option<Box<RawValue>>,
}

impl OwnedRequest {
    /// The request.
    pub fn as_request(&self) -> Request<'_> {
        Request { id: self.id.as_id(), action: Cow::Borrowed(&self.action), payload: self.payload.as_deref() }
    }
}

impl From<&Request<'_>> for OwnedRequest {
    fn from(request: &Request<'_>) -> Self {
        OwnedRequest {
            id: request.id.into(),
            action: (&*request.action).into(),
            payload: request.payload.map(RawValue::to_owned),
        }
    }
}
