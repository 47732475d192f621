//! Reads strings and objects out of raw JSON where serde's derive is not strict enough.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits::REASON_BYTES_MAX;

/// The string in `raw`; `None` for anything else, and for a lone surrogate.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if quoted.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(quoted))
    }
}

/// Whether `text` begins like an object, valid JSON or not. serde would also decode a struct from an array.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// Decodes the object in `text`. The error says what is wrong, without a position in the text.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !is_object(text) {
        return Err("must be an object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| without_position(&error))
}

/// serde_json's message without " at line 1 column 7", a position within the inner text only, cut to
/// [`REASON_BYTES_MAX`].
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_with_their_escapes() {
        let check = |json: &str, expect: Option<&str>| {
            let raw: &RawValue = serde_json::from_str(json).expect("valid JSON");
            assert_eq!(string(raw).as_deref(), expect, "{json}");
        };
        check(r#""""#, Some(""));
        check(r#""plain""#, Some("plain"));
        check(r#" "trimmed" "#, Some("trimmed"));
        check(r#""é\u00e9\n\"\\""#, Some("éé\n\"\\"));
        check(r#""\ud83d\ude00""#, Some("😀"));
        check(r#""\ud83d""#, None);
        check("null", None);
        check("12", None);
        check(r#"["a"]"#, None);
        check(r#"{"a":"b"}"#, None);
    }

    #[test]
    fn objects_only() {
        #[derive(Debug, Deserialize)]
        struct Two {
            n: u8,
            #[serde(default)]
            s: String,
        }
        let check = |text: &str, expect: Result<(u8, &str), &str>| {
            let read = object::<Two>(text);
            let read = read.as_ref().map(|two| (two.n, two.s.as_str())).map_err(String::as_str);
            assert_eq!(read, expect, "{text}");
        };
        check(r#"{"n":1}"#, Ok((1, "")));
        check("\r\n\t {\"n\":1,\"more\":[],\"s\":\"x\"} ", Ok((1, "x")));
        check(r#"[1,"x"]"#, Err("must be an object"));
        check("1", Err("must be an object"));
        check("", Err("must be an object"));
        check("{}", Err("missing field `n`"));
        check(r#"{"n":256}"#, Err("invalid value: integer `256`, expected u8"));
        check(r#"{"n":1,"n":1}"#, Err("duplicate field `n`"));
        check(r#"{"n":" at line 9"}"#, Err("invalid type: string \" at line 9\", expected u8"));
        check(r#"{"n":1,"s":"\ud800"}"#, Err("unexpected end of hex escape"));
    }

    #[test]
    fn what_a_reason_quotes_is_cut() {
        let check = |unit: &str| {
            let text = format!(r#"["{}"]"#, unit.repeat(10_000));
            let reason = without_position(&serde_json::from_str::<[u8; 1]>(&text).expect_err("no number"));
            assert!((REASON_BYTES_MAX - 3..=REASON_BYTES_MAX).contains(&reason.len()), "{reason}");
            assert!(reason.starts_with("invalid type: string \"") && reason.ends_with('…'), "{reason}");
        };
        check("a");
        check("é");
        check("漢");
        check("😀");
    }
}
