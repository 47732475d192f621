//! `/channels/{channel}/runs`.

use ws_core::Hub;

use super::call::{Outcome, answer};

/// GET: Claude's open runs in a channel.
pub(super) async fn open(hub: &Hub, channel: &str) -> Outcome {
    answer(&hub.open_runs(channel).await?)
}
