//! What callers are told when something cannot be done.

use ws_proto::{ErrorBody, ErrorCode};

use crate::engine::EngineError;

/// What a client is told of an engine that could not.
pub(crate) fn unavailable(error: &EngineError) -> ErrorBody {
    let code = if *error == EngineError::Overloaded { ErrorCode::Overloaded } else { ErrorCode::EngineUnavailable };
    ErrorBody::new(code, error.to_string())
}

/// The beginning of a text that a client sent, short enough to be quoted back.
pub(crate) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

/// A channel whose namespace nobody has configured.
pub(crate) fn unknown_namespace(namespace: &str) -> ErrorBody {
    let message =
        format!("no namespace {:?} is configured; a channel without one has no `:` in its name", clip(namespace));
    ErrorBody::new(ErrorCode::UnknownNamespace, message)
}
