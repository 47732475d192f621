//! The close codes of the protocol.

use serde_json::{Value, json};

use crate::close::CloseCode;

/// Each code, with what it means for a client.
pub(super) fn close_codes() -> Vec<Value> {
    let entry = |code: &CloseCode| {
        json!({
            "code": code.as_u16(),
            "meaning": code.meaning(),
            "reason": code.reason(),
            "reconnect": code.should_reconnect(),
        })
    };
    CloseCode::ALL.iter().map(entry).collect()
}
