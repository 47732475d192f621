//! Where in a payload the value is that does not decode: serde's errors say what is wrong with it, but not where it is.
//!
//! Runs only after decoding has failed, so valid payloads pay nothing for it.

use std::fmt::Write;

use serde::Deserialize;
use serde_path_to_error::{Deserializer, Path, Segment, Track};

use crate::limits::PATH_KEY_BYTES_MAX;

/// The path to the value in the object `text` that does not decode as part of a `T`, or is missing, or there twice: `since.epoch`.
/// Keys stand as they are, so one that holds dots is not told from a path; those over [`PATH_KEY_BYTES_MAX`] are cut.
/// Empty when the object itself is at fault.
pub(crate) fn payload_path<'a, T: Deserialize<'a>>(text: &'a str) -> String {
    let mut track = Track::new();
    let decoded = T::deserialize(Deserializer::new(&mut serde_json::Deserializer::from_str(text), &mut track));
    let Err(error) = decoded else { return String::new() };
    let path = written(&track.path());
    match named_field(&error.to_string()) {
        Some(field) if path.is_empty() => field.to_owned(),
        Some(field) => format!("{path}.{field}"),
        None => path,
    }
}

fn written(path: &Path) -> String {
    let mut out = String::new();
    for segment in path {
        let key = match segment {
            Segment::Seq { index } => {
                let _ = write!(out, "[{index}]");
                continue;
            }
            Segment::Map { key } => key,
            Segment::Enum { variant } => variant,
            Segment::Unknown => "?",
        };
        let start = &key[..key.floor_char_boundary(PATH_KEY_BYTES_MAX)];
        let (dot, rest) = (if out.is_empty() { "" } else { "." }, if start.len() < key.len() { "…" } else { "" });
        let _ = write!(out, "{dot}{start}{rest}");
    }
    out
}

/// The field that this error of serde's says is missing, or there twice; its path ends at the object.
fn named_field(error: &str) -> Option<&str> {
    let named = error.strip_prefix("missing field `").or_else(|| error.strip_prefix("duplicate field `"));
    named?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Authenticate, GetHistory, Publish};

    #[test]
    fn finds_the_value_that_does_not_decode() {
        fn check<'a, T: Deserialize<'a>>(text: &'a str, expect: &str) {
            assert_eq!(payload_path::<T>(text), expect, "{text}");
        }
        check::<GetHistory<'_>>(r#"{"channel":5}"#, "channel");
        check::<GetHistory<'_>>(r#"{"x":[1],"ch\u0061nnel":null}"#, "channel");
        check::<GetHistory<'_>>(r#"{"channel":"\ud800"}"#, "channel");
        check::<GetHistory<'_>>(r#"{"channel":"a","since":{"epoch":"e"}}"#, "since.offset");
        check::<GetHistory<'_>>(r#"{"channel":"a","since":{"epoch":5,"offset":1}}"#, "since.epoch");
        check::<GetHistory<'_>>(r#"{"channel":"a","since":{"epoch":"e","offset":-1}}"#, "since.offset");
        check::<GetHistory<'_>>(r#"{"channel":"a","since":["e",1]}"#, "since");
        check::<GetHistory<'_>>(r#"{"channel":"a","before":-1,"limit":-1}"#, "before");
        check::<GetHistory<'_>>(r#"{"channel":"a","limit":1.5}"#, "limit");
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":{"a.b":1}}"#, "tags.a.b");
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":["a"]}"#, "tags");
        let since = |entry: &str| format!(r#"{{"token":"t","since":{{"a":{{"epoch":"e","offset":1}},{entry}}}}}"#);
        check::<Authenticate<'_>>(&since(r#""chat:1":{"offset":1}"#), "since.chat:1.epoch");
        check::<Authenticate<'_>>(&since(r#""chat:1":{"epoch":7,"offset":1}"#), "since.chat:1.epoch");
        check::<Authenticate<'_>>(&since(r#""chat:1":{"epoch":"e","offset":-1}"#), "since.chat:1.offset");
        check::<Authenticate<'_>>(&since(r#""a.b":{"epoch":"e"}"#), "since.a.b.offset");
        check::<Authenticate<'_>>(&since(r#""b":["e",1]"#), "since.b");
        check::<Authenticate<'_>>(&since(r#""b":null"#), "since.b");
        check::<Authenticate<'_>>(r#"{"token":"t","since":[]}"#, "since");
        check::<Authenticate<'_>>(r#"{"since":{}}"#, "token");
        let (whole, longer) = ("k".repeat(255), "k".repeat(300));
        check::<Authenticate<'_>>(&since(&format!(r#""{whole}":1"#)), &format!("since.{whole}"));
        check::<Authenticate<'_>>(&since(&format!(r#""{longer}":1"#)), &format!("since.{whole}…"));
        check::<GetHistory<'_>>(r#"{"limit":5}"#, "channel");
        check::<GetHistory<'_>>(r#"{"channel":"a","channel":"a"}"#, "channel");
        let twice = r#"{"channel":"a","since":{"epoch":"e","epoch":"e","offset":1}}"#;
        check::<GetHistory<'_>>(twice, "since.epoch");
        check::<GetHistory<'_>>(r#"{"channel":"a"}"#, "");
    }
}
