//! `GET /health`: the process runs, whatever its state.

use serde_json::json;
use ws_core::Hub;

use super::reply::Reply;

/// `version`: of the product.
pub(super) fn reply(hub: &Hub, version: &str) -> Reply {
    Reply::json(&json!({
        "status": "ok",
        "version": version,
        "uptime_s": hub.clock().now_ms() / 1000,
        "connections": hub.connections(),
    }))
}
