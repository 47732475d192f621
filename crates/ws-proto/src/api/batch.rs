//! `/batch`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Body of `POST /batch`: several requests in one. It is no transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch<'a, M> {
    /// The requests, at most 1,000.
    #[serde(borrow, bound(deserialize = "M: Deserialize<'de>"))]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::BATCH_REQUESTS_MAX)))]
    pub requests: Vec<BatchRequest<'a, M>>,
    /// Whether they may be carried out at the same time, in any order. Otherwise each begins when the one before is
    /// answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

/// A request of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchRequest<'a, M> {
    /// Its method: `GET`, `POST`, …
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// Its path and query below `/api/v1`: `/channels/news/publications?limit=1`.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// Its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<M>,
}

/// Answer to `POST /batch`: one response for each request, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchData<M> {
    /// The responses.
    pub responses: Vec<BatchResponse<M>>,
}

/// A response of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchResponse<M> {
    /// The HTTP status that the request would have got alone.
    pub status: u16,
    /// The body that it would have got.
    pub body: M,
}
