//! Errors that several operations share.

use ws_proto::{ErrorBody, ErrorCode};

use crate::engine::EngineError;

/// The error for a failed call to the engine.
pub(crate) fn unavailable(error: &EngineError) -> ErrorBody {
    let code = if *error == EngineError::Overloaded { ErrorCode::Overloaded } else { ErrorCode::EngineUnavailable };
    ErrorBody::new(code, error.to_string())
}

/// The start of a text that a client sent, short enough to be quoted in an error.
pub(crate) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

/// The error for a channel whose namespace is not configured.
pub(crate) fn unknown_namespace(namespace: &str) -> ErrorBody {
    let advice = match section(namespace) {
        Some(section) => format!("add `[namespaces.{section}]`, or use a name without `:`"),
        None => "use a name without `:`".to_owned(),
    };
    ErrorBody::new(ErrorCode::UnknownNamespace, format!("there is no namespace {:?}: {advice}", clip(namespace)))
}

/// The namespace as it is written in the configuration. `None`: it cannot be configured.
fn section(namespace: &str) -> Option<String> {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match clip(namespace) == namespace && !namespace.contains('#') {
        true if namespace.bytes().all(is_bare) => Some(namespace.to_owned()),
        true => Some(format!("{namespace:?}")),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_namespace_is_told_how_to_be_known() {
        let check = |namespace: &str, expect: &str| {
            assert_eq!(unknown_namespace(namespace).message, format!("there is no namespace {expect}"));
        };
        check("room", "\"room\": add `[namespaces.room]`, or use a name without `:`");
        check("a.b", "\"a.b\": add `[namespaces.\"a.b\"]`, or use a name without `:`");
        check("pair#x", "\"pair#x\": use a name without `:`");
        check(&"x".repeat(65), &format!("\"{}\": use a name without `:`", "x".repeat(64)));
    }
}
