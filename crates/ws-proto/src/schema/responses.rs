//! The refusals of the HTTP endpoints, a response for each status: which codes it has, and its headers.

use serde_json::{Map, Value, json};

use crate::error::ErrorCode;

/// What refuses before, or without, a protocol: statuses with the codes that only HTTP has.
const HTTP_CODES: [(u16, &str); 6] = [
    (405, "method_not_allowed"),
    (408, "request_timeout"),
    (413, "too_large"),
    (415, "unsupported_media_type"),
    (426, "upgrade_required"),
    (431, "too_large"),
];

/// Each status with what it says.
const REFUSALS: [(u16, &str); 15] = [
    (400, "The request is not valid: the message says what is wrong, and where."),
    (401, "The key is missing, or not one that is configured."),
    (403, "The key has too few rights, or the feature is off."),
    (404, "There is no such thing, or the channel's namespace is not configured."),
    (405, "The path does not take this method."),
    (408, "The body was not complete in time. The connection closes."),
    (409, "The state forbids it, and the message says what."),
    (413, "The body is too large. The connection closes."),
    (415, "The body is not JSON, or is compressed."),
    (426, "Not a WebSocket handshake."),
    (429, "A limit is reached. Where `retryable` is true, `Retry-After` says when to come back."),
    (431, "The head is too large. The connection closes."),
    (500, "A bug in the server. Whether the request was carried out is not known."),
    (502, "A service behind this one failed."),
    (503, "The server is overloaded or draining, or its engine is away."),
];

/// Statuses that any request can get, whatever it asks for.
pub(super) const ANY: [u16; 4] = [400, 408, 413, 431];

/// A reference to the response of a status.
pub(super) fn refusal(status: u16) -> Value {
    json!({ "$ref": format!("#/components/responses/{status}") })
}

/// All of them, for `components`.
pub(super) fn refusals() -> Map<String, Value> {
    REFUSALS.iter().map(|(status, says)| (status.to_string(), response(*status, says))).collect()
}

fn response(status: u16, says: &str) -> Value {
    let code = json!({ "enum": codes(status) });
    let of_status = json!({ "properties": { "error": { "properties": { "code": code } } } });
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Error" }, of_status] });
    let mut response = json!({ "description": says, "content": { "application/json": { "schema": schema } } });
    let headers = headers(status);
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    response
}

/// The codes that come with a status.
fn codes(status: u16) -> Vec<&'static str> {
    let of_protocol = ErrorCode::ALL.iter().filter(|code| code.http_status() == status).map(|code| code.as_str());
    let of_http = HTTP_CODES.iter().filter(|(of, _)| *of == status).map(|(_, code)| *code);
    of_protocol.chain(of_http).collect()
}

fn headers(status: u16) -> Map<String, Value> {
    let seconds = |required: bool| {
        let schema = json!({ "type": "integer", "minimum": 1 });
        json!({ "description": "Seconds until a retry can succeed.", "required": required, "schema": schema })
    };
    let text = |description: &str, required: bool| json!({ "description": description, "required": required, "schema": { "type": "string" } });
    let header = match status {
        401 => ("WWW-Authenticate", text("`Bearer`.", true)),
        405 => ("Allow", text("The methods that the path takes.", true)),
        426 => ("Upgrade", text("`websocket`.", true)),
        // `limit_exceeded` has none: to wait does not help.
        429 => ("Retry-After", seconds(false)),
        500 | 503 => ("Retry-After", seconds(true)),
        _ => return Map::new(),
    };
    [(header.0.to_owned(), header.1)].into_iter().collect()
}

/// The body of a refusal.
pub(super) fn error() -> Value {
    json!({
        "description": "Why a request was refused.",
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "retryable"],
                "properties": {
                    "code": {
                        "description": "For programs: a code of the protocol, or one of HTTP alone, such as \
                                        `method_not_allowed`. Later versions may add codes.",
                        "type": "string",
                    },
                    "message": { "description": "For people.", "type": "string" },
                    "retryable": {
                        "description": "Whether the same request can succeed later, unchanged.",
                        "type": "boolean",
                    },
                    "retry_after_ms": {
                        "description": "How long to wait before retrying, in milliseconds, if that is known.",
                        "type": "integer", "minimum": 1,
                    },
                    "details": { "description": "Further details of this error.", "type": "object" },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_response() {
        let of_protocol = ErrorCode::ALL.iter().map(|code| (code.http_status(), code.as_str()));
        for (status, code) in of_protocol.chain(HTTP_CODES) {
            let response = &refusals()[&status.to_string()];
            let schema = &response["content"]["application/json"]["schema"];
            let codes = schema.pointer("/allOf/1/properties/error/properties/code/enum").and_then(Value::as_array);
            assert!(codes.is_some_and(|codes| codes.contains(&code.into())), "{status} {code}");
        }
    }
}
