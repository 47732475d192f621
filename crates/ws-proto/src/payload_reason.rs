//! What is wrong with a value in a payload, in the words of JSON instead of those of serde and Rust.

/// `invalid type: string "10", expected u32` becomes `must be a whole number, without quotes`. What is not known here
/// stays as it is.
pub(crate) fn payload_reason(serde: String) -> String {
    plain(&serde).unwrap_or(serde)
}

fn plain(serde: &str) -> Option<String> {
    let is_out_of_range = serde.starts_with("invalid value: ");
    let (found, expected) = serde.split_once(": ")?.1.rsplit_once(", expected ")?;
    if !is_out_of_range && !serde.starts_with("invalid type: ") {
        return None;
    }
    let wanted = match expected {
        "u16" | "u32" | "u64" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" => "a string",
        "an object" | "a map" => "an object",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        _ => return None,
    };
    Some(match expected {
        "u16" if is_out_of_range => format!("must be {wanted} from 0 to {}", u16::MAX),
        "u32" if is_out_of_range => format!("must be {wanted} from 0 to {}", u32::MAX),
        "u64" if is_out_of_range => format!("must be {wanted} from 0 to {}", u64::MAX),
        "u16" | "u32" | "u64" if text(found).is_some_and(is_whole) => format!("must be {wanted}, without quotes"),
        "a boolean" if matches!(text(found), Some("true" | "false")) => format!("must be {wanted}, without quotes"),
        _ => format!("must be {wanted}, not {}", kind(found)?),
    })
}

/// The string that serde found.
fn text(found: &str) -> Option<&str> {
    found.strip_prefix("string \"")?.strip_suffix('"')
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What serde found, without its value.
fn kind(found: &str) -> Option<&'static str> {
    Some(match found.split([' ', '`']).next()? {
        "string" => "a string",
        "integer" => "a number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "null" => "null",
        "map" => "an object",
        "sequence" => "a list",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::action::{GetHistory, Publish};
    use crate::raw;

    #[test]
    fn a_list_is_a_list() {
        use crate::api::Batch;
        for (requests, found) in [("{}", "an object"), ("null", "null"), ("1", "a number"), ("\"[]\"", "a string")] {
            let text = format!(r#"{{"requests":{requests}}}"#);
            let reason = raw::object::<Batch<'_, ()>>(&text).expect_err("it does not decode");
            assert_eq!(payload_reason(reason), format!("must be a list, not {found}"));
        }
    }

    #[test]
    fn reasons_are_about_json() {
        fn check<'a, T: Deserialize<'a>>(text: &'a str, expect: &str) {
            let reason = raw::object::<T>(text).err().expect("it does not decode");
            assert_eq!(payload_reason(reason), expect, "{text}");
        }
        let history = |field: &str| -> &'static str { format!(r#"{{"channel":"a",{field}}}"#).leak() };
        let check_history = |field, expect| check::<GetHistory<'static>>(history(field), expect);
        check_history(r#""limit":"10""#, "must be a whole number, without quotes");
        check_history(r#""limit":"ten""#, "must be a whole number, not a string");
        check_history(r#""limit":"""#, "must be a whole number, not a string");
        check_history(r#""limit":1.5"#, "must be a whole number, not a number with a fraction");
        check_history(r#""limit":1e300"#, "must be a whole number from 0 to 4294967295");
        check_history(r#""limit":-1"#, "must be a whole number from 0 to 4294967295");
        check_history(r#""limit":5000000000"#, "must be a whole number from 0 to 4294967295");
        check_history(r#""limit":[1]"#, "must be a whole number, not a list");
        check_history(r#""limit":"a, expected u32""#, "must be a whole number, not a string");
        check_history(r#""before":-1"#, "must be a whole number from 0 to 18446744073709551615");
        check_history(r#""reverse":"true""#, "must be true or false, without quotes");
        check_history(r#""reverse":1"#, "must be true or false, not a number");
        check_history(r#""since":["e",1]"#, "must be an object, not a list");
        check_history(r#""since":{"epoch":5,"offset":1}"#, "must be a string, not a number");
        check_history(r#""since":{"epoch":"e","offset":"1"}"#, "must be a whole number, without quotes");
        check::<GetHistory<'_>>(r#"{"channel":5}"#, "must be a string, not a number");
        check::<GetHistory<'_>>(r#"{"channel":null}"#, "must be a string, not null");
        check::<GetHistory<'_>>("{}", "missing field `channel`");
        check::<GetHistory<'_>>(r#"{"channel":"a","channel":"a"}"#, "duplicate field `channel`");
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":["a"]}"#, "must be an object, not a list");
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":{"a":1}}"#, "must be a string, not a number");
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"msg_id":true}"#, "must be a string, not true or false");
    }
}
