//! Payloads of actions: with an envelope around them or, over HTTP, without one (PROTOCOL section 3).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::DEPTH_MAX;
use crate::payload_path::payload_path;
use crate::payload_reason::payload_reason;
use crate::{nesting, raw};

/// Decodes what came without an envelope, as the body of an HTTP request. An empty body counts as `{}`.
///
/// # Errors
/// `malformed` when it is not JSON in UTF-8 or nests deeper than [`DEPTH_MAX`]; otherwise `invalid_payload`, which
/// names the field alone.
pub fn decode_body<'a, P: Deserialize<'a>>(body: &'a [u8]) -> Result<P, ErrorBody> {
    let not_text = |error| ErrorBody::new(ErrorCode::Malformed, format!("the body is not UTF-8: {error}"));
    let text = if body.is_empty() { "{}" } else { str::from_utf8(body).map_err(not_text)? };
    if nesting::exceeds(text, DEPTH_MAX) {
        return Err(too_deep());
    }
    let raw = serde_json::from_str::<&RawValue>(text).map_err(|error| malformed(&error))?;
    decode(raw.get()).map_err(ErrorBody::without_envelope)
}

/// Decodes the text of a payload.
///
/// # Errors
/// `invalid_payload`.
pub(crate) fn decode<'a, P: Deserialize<'a>>(text: &'a str) -> Result<P, ErrorBody> {
    raw::object(text).map_err(|reason| {
        let reason = payload_reason(reason);
        let message = match payload_path::<P>(text) {
            path if path.is_empty() => format!("`payload`: {reason}"),
            path => format!("`payload.{path}`: {reason}"),
        };
        ErrorBody::new(ErrorCode::InvalidPayload, message)
    })
}

/// The error for a text that nests too deep.
pub(crate) fn too_deep() -> ErrorBody {
    ErrorBody::new(ErrorCode::Malformed, format!("JSON nests deeper than {DEPTH_MAX} levels"))
}

/// The error for a text that is not JSON.
pub(crate) fn malformed(error: &serde_json::Error) -> ErrorBody {
    ErrorBody::new(ErrorCode::Malformed, format!("not valid JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_name_the_field_alone() {
        use crate::action::Subscribe;
        let check = |text: &str, code: ErrorCode, expect: &str| {
            let error = decode_body::<Subscribe<'_>>(text.as_bytes()).expect_err(text);
            assert!(error.code == code && error.message.starts_with(expect), "{text}: {error}");
        };
        let invalid = ErrorCode::InvalidPayload;
        check(r#"{"channel":5}"#, invalid, "`channel`: ");
        let since = r#"{"channel":"a","since":{"epoch":"e"}}"#;
        check(since, invalid, "`since.offset`: missing");
        check("[]", invalid, "the body: must be an object");
        check("{", ErrorCode::Malformed, "not valid JSON: ");
        check(&"[".repeat(200), ErrorCode::Malformed, "JSON nests deeper than 128 levels");
        assert!(decode_body::<Subscribe<'_>>(br#" {"channel":"a"} "#).is_ok());
        let missing = "invalid_payload: `channel`: missing field `channel`";
        assert_eq!(decode_body::<Subscribe<'_>>(b"").expect_err("a field is missing").to_string(), missing);
        let bytes = decode_body::<Subscribe<'_>>(b"\xff").expect_err("no text");
        assert!(bytes.to_string().starts_with("malformed: the body is not UTF-8"), "{bytes}");
    }
}
