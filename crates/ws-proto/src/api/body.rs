//! Decodes the JSON body of an HTTP request.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::DEPTH_MAX;
use crate::payload_path::payload_path;
use crate::{nesting, raw};

/// Decodes a body. An empty one counts as `{}`.
///
/// # Errors
/// `malformed` when it is not JSON in UTF-8 or nests deeper than [`DEPTH_MAX`]; `invalid_payload`, which names the
/// field and says what is wrong with it.
///
/// ```
/// use ws_proto::api::{Disconnect, decode_body};
///
/// let body: Disconnect = decode_body(br#"{"code":4000}"#)?;
/// assert_eq!(body.code, Some(4000));
/// # Ok::<(), ws_proto::ErrorBody>(())
/// ```
pub fn decode_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ErrorBody> {
    let malformed = |why: String| ErrorBody::new(ErrorCode::Malformed, why);
    let text = str::from_utf8(body).map_err(|error| malformed(format!("the body is not UTF-8: {error}")))?;
    let text = if text.is_empty() { "{}" } else { text };
    if nesting::exceeds(text, DEPTH_MAX) {
        return Err(malformed(format!("JSON nests deeper than {DEPTH_MAX} levels")));
    }
    raw::object(text).map_err(|reason| match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => ErrorBody::new(ErrorCode::InvalidPayload, invalid::<T>(text, &reason)),
        Err(error) => malformed(format!("not valid JSON: {error}")),
    })
}

fn invalid<'a, T: Deserialize<'a>>(text: &'a str, reason: &str) -> String {
    match payload_path::<T>(text) {
        path if path.is_empty() => format!("the body: {reason}"),
        path => format!("`{path}`: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Disconnect, Publication};

    fn check<'a, T: Deserialize<'a>>(body: &'a [u8], expect: Result<(), &str>) {
        let decoded = decode_body::<T>(body).map(drop).map_err(|error| error.to_string());
        assert_eq!(decoded, expect.map_err(str::to_owned), "{}", String::from_utf8_lossy(body));
    }

    #[test]
    fn a_mistake_is_named_with_its_field() {
        check::<Disconnect>(b"", Ok(()));
        check::<Disconnect>(b" {} ", Ok(()));
        check::<Publication<'_, &RawValue>>(br#"{"data":null}"#, Ok(()));
        check::<Publication<'_, &RawValue>>(b"", Err("invalid_payload: `data`: missing field `data`"));
        let wrong = "invalid_payload: `code`: invalid type: string \"x\", expected u16";
        check::<Disconnect>(br#"{"code":"x"}"#, Err(wrong));
        check::<Disconnect>(b"[]", Err("invalid_payload: the body: must be an object"));
        check::<Disconnect>(b"null", Err("invalid_payload: the body: must be an object"));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        check::<Disconnect>(b"{", Err("malformed: not valid JSON: EOF while parsing an object at line 1 column 1"));
        let utf8 = "malformed: the body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0";
        check::<Disconnect>(b"\xff", Err(utf8));
        let deep = [b"{\"a\":".repeat(DEPTH_MAX + 1), b"1".to_vec(), b"}".repeat(DEPTH_MAX + 1)].concat();
        check::<Disconnect>(&deep, Err("malformed: JSON nests deeper than 128 levels"));
    }
}
