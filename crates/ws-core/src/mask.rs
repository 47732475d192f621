//! Tokens in text that people are shown: never as they are.

use std::borrow::Cow;

use ws_proto::api::MASK;

/// Fields whose value is a secret.
const SECRET_FIELDS: [&str; 4] = ["token", "access_token", "authorization", "password"];

/// How a JSON Web Token begins: `{"`, or `{` and white space (RFC 7515 allows it), in base64.
const JWT_STARTS: [&str; 5] = ["eyJ", "eyA", "ewo", "ew0", "ewk"];

/// So deep are texts in JSON looked into that are JSON themselves.
const DEPTH_MAX: u32 = 4;

/// Shortest run of characters that counts as a token.
const JWT_LEN_MIN: usize = 12;

/// A text, JSON or not, complete or not, with [`MASK`] in place of each token: the value of a field called `token` or
/// the like, and whatever looks like a JSON Web Token, however it is escaped.
pub(crate) fn without_tokens(text: &str) -> String {
    masked(text, DEPTH_MAX)
}

/// Cuts a text that should be JSON and is not before the first name of a secret field: what is its value cannot be told.
pub(crate) fn hide_after_secret(text: &mut String) {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = SECRET_FIELDS.iter().filter_map(|field| lower.find(field)).min() {
        text.truncate(at);
        text.push_str(MASK);
    }
}

fn masked(text: &str, depth: u32) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_secret = false;
    while let Some(at) = rest.find('"') {
        let (between, from) = rest.split_at(at);
        if !between.trim().is_empty() && between.trim() != ":" {
            is_secret = false;
        }
        out.push_str(&without_jwts(between));
        let (string, after) = from.split_at(string_len(from));
        let inner = unescaped(string);
        let is_key = after.trim_start().starts_with(':');
        if is_secret && !is_key {
            out.push('"');
            out.push_str(MASK);
            out.push('"');
        } else if let Some(nested) = nested(string, &inner, depth) {
            out.push_str(&nested);
        } else if without_jwts(&inner) == inner {
            out.push_str(string);
        } else if string.contains('\\') {
            out.push('"');
            out.push_str(MASK);
            out.push('"');
        } else {
            out.push_str(&without_jwts(string));
        }
        is_secret = is_key && SECRET_FIELDS.iter().any(|field| inner.eq_ignore_ascii_case(field));
        rest = after;
    }
    out.push_str(&without_jwts(rest));
    out
}

/// A string that is JSON itself, with tokens masked in it; `None`: there are none in it.
fn nested(string: &str, inner: &str, depth: u32) -> Option<String> {
    if depth == 0 || !string.contains("\\\"") {
        return None;
    }
    let masked = masked(inner, depth - 1);
    (masked != inner).then(|| serde_json::Value::from(masked).to_string())
}

/// Bytes of the string that a text begins with, both quotes included. One that is cut off ends with the text.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What a string in JSON says. One that is no string, or is cut off, as far as it can be read.
fn unescaped(string: &str) -> Cow<'_, str> {
    let inner = string.strip_prefix('"').unwrap_or(string);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return inner.into();
    }
    // A cut escape sequence has at most 11 bytes: the halves of a surrogate pair.
    let ends = (0..12).filter_map(|cut| inner.get(..inner.len().checked_sub(cut)?));
    ends.filter_map(|part| serde_json::from_str::<String>(&format!("\"{part}\"")).ok())
        .next()
        .map_or_else(|| format!("{}{}", JWT_STARTS[0], ".".repeat(JWT_LEN_MIN)).into(), Cow::Owned)
}

fn without_jwts(text: &str) -> Cow<'_, str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let mut out = String::new();
    let mut kept = 0;
    let mut from = 0;
    while let Some(found) = JWT_STARTS.iter().filter_map(|start| text[from..].find(start)).min() {
        let start = from + found;
        let len = text.as_bytes()[start..].iter().take_while(|byte| is_part(**byte)).count();
        let run = &text[start..start + len];
        let is_cut = start + len == text.len();
        if len >= JWT_LEN_MIN && (run.contains('.') || is_cut) || is_cut && len > JWT_STARTS[0].len() {
            out.push_str(&text[kept..start]);
            out.push_str(MASK);
            kept = start + len;
        }
        from = start + len;
    }
    if kept == 0 && out.is_empty() {
        return text.into();
    }
    out.push_str(&text[kept..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(without_tokens(text), expect, "{text}");
    }

    #[test]
    fn values_of_secret_fields_are_masked() {
        check(r#"{"token":"swordfish","a":"b"}"#, r#"{"token":"YOUR_TOKEN","a":"b"}"#);
        check(r#"{"Token" : "sword\"fish", "token2":"b"}"#, r#"{"Token" : "YOUR_TOKEN", "token2":"b"}"#);
        check(r#"{"tok\u0065n":"swordfish"}"#, r#"{"tok\u0065n":"YOUR_TOKEN"}"#);
        check(r#"{"token":"swordf"#, r#"{"token":"YOUR_TOKEN""#);
        check(r#"{"token":null,"data":"swordfish"}"#, r#"{"token":null,"data":"swordfish"}"#);
        check(r#"{"data":["token","fish"]}"#, r#"{"data":["token","fish"]}"#);
    }

    #[test]
    fn json_within_a_string_is_looked_into() {
        check(r#"{"m":"{\"token\":\"swordfish\",\"a\":1}"}"#, r#"{"m":"{\"token\":\"YOUR_TOKEN\",\"a\":1}"}"#);
        check(r#"{"m":"say \"token\" twice"}"#, r#"{"m":"say \"token\" twice"}"#);
    }

    #[test]
    fn what_is_no_json_is_hidden_from_a_secret_on() {
        let hidden = |text: &str| {
            let mut text = text.to_owned();
            hide_after_secret(&mut text);
            text
        };
        assert_eq!(hidden(r#"{"id":"1,"payload":{"Token":'fish'}}"#), r#"{"id":"1,"payload":{"YOUR_TOKEN"#);
        assert_eq!(hidden("nonsense"), "nonsense");
    }

    #[test]
    fn json_web_tokens_are_masked_wherever_they_are() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl-_x";
        check(&format!(r#"{{"data":"see {jwt}!"}}"#), r#"{"data":"see YOUR_TOKEN!"}"#);
        check(&format!(r#"{{"data":"\u0065{}"}}"#, &jwt[1..]), r#"{"data":"YOUR_TOKEN"}"#);
        check(&format!("not json {jwt} end"), "not json YOUR_TOKEN end");
        check(&format!(r#"{{"data":"{}"#, &jwt[..9]), r#"{"data":"YOUR_TOKEN"#);
        check(r#"{"data":"ewogImFsZyI6Im5vbmUifQ.e30.x"}"#, r#"{"data":"YOUR_TOKEN"}"#);
        check(r#"{"data":"the eyJ and the eye"}"#, r#"{"data":"the eyJ and the eye"}"#);
        check(r#"{"data":"a\nb","n":1}"#, r#"{"data":"a\nb","n":1}"#);
    }
}
