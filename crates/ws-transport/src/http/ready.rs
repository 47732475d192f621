//! `GET /ready`: whether the server takes new connections, can store what is published, and delivers it.

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
    if let Err(reason) = hub.engine().health() {
        return Reply::refusal(ErrorCode::EngineUnavailable, &reason);
    }
    match hub.canary_verdict() {
        Ok(()) => Reply::json(&json!({ "status": "ready" })),
        Err(error) => Reply::refusal(error.code, &error.message),
    }
}
