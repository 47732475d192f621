//! A request as it came, and what became of it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::judge::Refusal;

/// What the fake was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; `null` if it is no JSON.
    pub body: Value,
    /// The number of its connection, the first being 1.
    pub connection: u64,
    /// Why the API would refuse it: then this was answered, and no script.
    pub refused: Option<Refusal>,
    /// When the client closed the connection before the answer had ended.
    pub closed: Option<Instant>,
    /// Whether the answer has ended as its script says.
    pub is_ended: bool,
}
