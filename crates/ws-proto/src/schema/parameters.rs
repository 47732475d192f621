//! The parameters of the HTTP API: names in paths, options of queries, headers.

use serde_json::{Map, Value, json};

use crate::limits::{CHANNEL_BYTES_MAX, HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX, MSG_ID_BYTES_MAX};

/// What no name of a channel has in it: control characters, Unicode White_Space, and `*`.
const NEVER: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000*";

/// Cursors and epochs.
const OPAQUE: &str = "^[A-Za-z0-9_-]+$";

/// A reference to a parameter of [`parameters`].
pub(super) fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// All of them by name, for `components`.
pub(super) fn parameters() -> Map<String, Value> {
    let query = |name: &str, description: &str, schema: Value| {
        (name.to_owned(), json!({ "name": name, "in": "query", "description": description, "schema": schema }))
    };
    let whole = || json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX });
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": HISTORY_LIMIT_MAX, "default": HISTORY_LIMIT_DEFAULT,
    });
    let opaque = || json!({ "type": "string", "pattern": OPAQUE });
    [
        in_path("channel", "Name of the channel, percent-encoded.", channel()),
        in_path("id", "Id of the connection.", json!({ "type": "string", "format": "uuid" })),
        in_path("user", "The user, as tokens name it, percent-encoded.", user()),
        query("limit", "Most entries of the page.", limit),
        query("after", "`next` of the page before, unchanged.", opaque()),
        query("since_epoch", "Only publications after this position; together with `since_offset`.", opaque()),
        query("since_offset", "See `since_epoch`.", whole()),
        query("before", "Only publications with a smaller offset.", whole()),
        query("reverse", "The newest first.", json!({ "type": "boolean" })),
        query("prefix", "Only channels whose names begin with this.", json!({ "type": "string" })),
        ("of_user".to_owned(), query("user", "Only connections of this user.", json!({ "type": "string" })).1),
        ("idempotency_key".to_owned(), idempotency_key()),
    ]
    .into_iter()
    .collect()
}

fn in_path(name: &str, description: &str, schema: Value) -> (String, Value) {
    let parameter =
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema });
    (name.to_owned(), parameter)
}

/// A name of a channel. The schema counts characters, the server bytes.
fn channel() -> Value {
    json!({
        "type": "string",
        "maxLength": CHANNEL_BYTES_MAX,
        "pattern": channel_pattern(),
        "not": { "enum": [".", ".."] },
        "examples": ["news"],
    })
}

/// `name`, `namespace:name`, either with `#user,user` at its end.
fn channel_pattern() -> String {
    format!("^[^{NEVER}:#]+(:[^{NEVER}#]+)?(#[^{NEVER},]+(,[^{NEVER},]+)*)?$")
}

fn user() -> Value {
    json!({ "type": "string", "minLength": 1, "not": { "enum": [".", ".."] }, "examples": ["ann"] })
}

fn idempotency_key() -> Value {
    let (bytes, inner) = (MSG_ID_BYTES_MAX, MSG_ID_BYTES_MAX - 2);
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "Another spelling of `msg_id`, with or without quotes. Where both are there, they are the same.",
        "schema": {
            "type": "string",
            // Printable ASCII: what other characters become depends on the client.
            "pattern": format!("^(\"[ -~]{{1,{bytes}}}\"|[!-~]([ -~]{{0,{inner}}}[!-~])?)$"),
            "not": { "const": "\"\"" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that [`ChannelName`](crate::ChannelName) refuses, and no other, is in [`NEVER`].
    #[test]
    fn the_pattern_of_a_channel_forbids_what_the_parser_forbids() {
        let mut ranges = Vec::new();
        let mut rest = NEVER;
        while let Some(first) = next(&mut rest) {
            let last = if rest.starts_with('-') {
                rest = &rest[1..];
                next(&mut rest).expect("the end of a range")
            } else {
                first
            };
            ranges.push(first..=last);
        }
        for character in '\0'..=char::MAX {
            let is_refused = crate::ChannelName::parse(&format!("a{character}a")).is_err();
            let is_in_pattern = ranges.iter().any(|range| range.contains(&character));
            // A user's list begins with `#`; `a#a` is in order, and so is `a:a`.
            assert_eq!(is_refused, is_in_pattern, "{character:?}");
        }
    }

    fn next(rest: &mut &str) -> Option<char> {
        let (character, len) = match rest.strip_prefix(r"\u") {
            Some(digits) => (u32::from_str_radix(&digits[..4], 16).ok().and_then(char::from_u32)?, 6),
            None => (rest.chars().next()?, 1),
        };
        *rest = &rest[len..];
        Some(character)
    }
}
