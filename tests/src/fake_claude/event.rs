//! The events of a stream, as the API writes them.

use serde_json::{Value, json};

/// The model that answers, unless the script says otherwise.
pub(super) const MODEL: &str = "claude-sonnet-5-5";

pub(super) fn message_start() -> Value {
    json!({"type": "message_start", "message": {
        "id": "msg_01Fake", "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {
            "input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1,
        },
    }})
}

pub(super) fn block_start(index: usize, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

pub(super) fn text_block() -> Value {
    json!({"type": "text", "text": ""})
}

pub(super) fn thinking_block() -> Value {
    json!({"type": "thinking", "thinking": "", "signature": ""})
}

pub(super) fn delta(index: usize, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

pub(super) fn block_stop(index: usize) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

pub(super) fn message_delta(stop_reason: &str, output_tokens: u64) -> Value {
    json!({
        "type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null},
        "usage": {"output_tokens": output_tokens},
    })
}

pub(super) fn message_stop() -> Value {
    json!({"type": "message_stop"})
}

pub(super) fn ping() -> Value {
    json!({"type": "ping"})
}

/// The body of an error, and the data of an `error` event.
pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": null})
}
