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
    let message =
        format!("no namespace {:?} is configured; a channel without one has no `:` in its name", clip(namespace));
    ErrorBody::new(ErrorCode::UnknownNamespace, message)
}
