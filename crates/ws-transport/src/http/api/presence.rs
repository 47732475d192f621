//! `/channels/{channel}/presence`.

use ws_core::Hub;
use ws_proto::action::GetPresence;

use super::call::{Outcome, answer};
use super::query::Query;

/// GET: as the action `get_presence`.
pub(super) async fn page(hub: &Hub, channel: &str, query: Query<'_>) -> Outcome {
    let query = GetPresence { channel: channel.into(), limit: query.number("limit")?, after: query.text("after")? };
    answer(&hub.presence(&query).await?)
}
