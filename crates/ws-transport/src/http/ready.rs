//! `GET /ready`: whether the server takes new connections and can store what is published.

use serde_json::json;
use ws_core::Hub;
use ws_proto::ErrorCode;

use super::reply::Reply;

pub(super) fn reply(hub: &Hub) -> Reply {
    if let Some(failure) = hub.failure() {
        return Reply::refusal(ErrorCode::Overloaded, failure);
    }
    if hub.is_draining() {
        return Reply::refusal(ErrorCode::Overloaded, "the server is draining");
    }
    match hub.engine().health() {
        Ok(()) => Reply::json(&json!({ "status": "ready" })),
        Err(reason) => Reply::refusal(ErrorCode::EngineUnavailable, &reason),
    }
}
