//! Where in a payload the value is that does not decode: serde's errors say what is wrong with it, but not where it is.
//!
//! Runs only after decoding has failed, so valid payloads pay nothing for it.

use serde::Deserialize;
use serde_path_to_error::{Deserializer, Track};

/// The path to the value in the object `text` that does not decode as part of a `T`, or that is missing: `since.epoch`.
/// Keys stand as they are, so one that holds dots is not told from a path. Empty when the object itself is at fault.
pub(crate) fn payload_path<'a, T: Deserialize<'a>>(text: &'a str) -> String {
    let mut track = Track::new();
    let decoded = T::deserialize(Deserializer::new(&mut serde_json::Deserializer::from_str(text), &mut track));
    let Err(error) = decoded else { return String::new() };
    let path = track.path();
    let path = if path.iter().next().is_none() { String::new() } else { path.to_string() };
    match missing_field(&error.to_string()) {
        Some(field) if path.is_empty() => field.to_owned(),
        Some(field) => format!("{path}.{field}"),
        None => path,
    }
}

/// The field that this error of serde's says is missing; its path ends at the object.
fn missing_field(error: &str) -> Option<&str> {
    error.strip_prefix("missing field `")?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{GetHistory, Publish};

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
        check::<GetHistory<'_>>(r#"{"limit":5}"#, "channel");
        check::<GetHistory<'_>>(r#"{"channel":"a","channel":"a"}"#, "");
        check::<GetHistory<'_>>(r#"{"channel":"a"}"#, "");
    }
}
