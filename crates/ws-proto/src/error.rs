//! Error responses (PROTOCOL section 6).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, retryable: $retryable:literal, http: $status:literal;)*) => {
        /// Why a request was refused. The name on the wire is in `snake_case`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// A code that this version of the crate does not know; only ever decoded, never sent.
            #[serde(other)]
            #[cfg_attr(feature = "schema", schemars(skip))]
            Unknown,
        }

        impl ErrorCode {
            /// Every code that a server can send.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// Name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* ErrorCode::Unknown => "unknown" }
            }

            /// Whether the same request can succeed later, unchanged.
            pub const fn is_retryable(self) -> bool {
                match self { $(ErrorCode::$variant => $retryable,)* ErrorCode::Unknown => false }
            }

            /// HTTP status that carries this code in the HTTP API.
            pub const fn http_status(self) -> u16 {
                match self { $(ErrorCode::$variant => $status,)* ErrorCode::Unknown => 500 }
            }
        }
    };
}

error_codes! {
    /// The frame is not JSON, or is nested too deeply.
    Malformed = "malformed", retryable: false, http: 400;
    /// The frame is JSON, but not an envelope of PROTOCOL section 3.
    InvalidRequest = "invalid_request", retryable: false, http: 400;
    /// There is no action with this name.
    UnknownAction = "unknown_action", retryable: false, http: 400;
    /// The payload is not valid for the action; the message says which field and why.
    InvalidPayload = "invalid_payload", retryable: false, http: 400;
    /// Not a valid channel name (PROTOCOL section 5).
    InvalidChannel = "invalid_channel", retryable: false, http: 400;
    /// The channel's namespace is not configured.
    UnknownNamespace = "unknown_namespace", retryable: false, http: 404;
    /// The connection is already subscribed to this channel.
    AlreadySubscribed = "already_subscribed", retryable: false, http: 409;
    /// The connection is not subscribed to this channel.
    NotSubscribed = "not_subscribed", retryable: false, http: 409;
    /// The action needs a user, and this connection has not authenticated.
    Unauthenticated = "unauthenticated", retryable: false, http: 401;
    /// The token is not valid.
    InvalidToken = "invalid_token", retryable: false, http: 401;
    /// The token has expired.
    TokenExpired = "token_expired", retryable: false, http: 401;
    /// The user is not allowed to do this.
    PermissionDenied = "permission_denied", retryable: false, http: 403;
    /// The feature is turned off in this namespace or on this server.
    NotAvailable = "not_available", retryable: false, http: 403;
    /// The position belongs to another epoch.
    StalePosition = "stale_position", retryable: false, http: 409;
    /// The same `msg_id` was used before with different data.
    Conflict = "conflict", retryable: false, http: 409;
    /// A repeat (`age_ms`) of a publication that may have been published: nobody can tell any more. Nothing is published.
    UnknownOutcome = "unknown_outcome", retryable: false, http: 409;
    /// What the request names does not exist.
    NotFound = "not_found", retryable: false, http: 404;
    /// A fixed limit is reached: retrying does not help.
    LimitExceeded = "limit_exceeded", retryable: false, http: 429;
    /// Too many requests; retry later.
    RateLimited = "rate_limited", retryable: true, http: 429;
    /// The server is overloaded; retry later.
    Overloaded = "overloaded", retryable: true, http: 503;
    /// Storage is unavailable; retry later.
    EngineUnavailable = "engine_unavailable", retryable: true, http: 503;
    /// An upstream service failed.
    UpstreamFailed = "upstream_failed", retryable: false, http: 502;
    /// An error in the server itself.
    Internal = "internal", retryable: true, http: 500;
}

impl ErrorCode {
    /// Whether an error of this kind counts against a connection's error budget (PROTOCOL section 3).
    pub const fn counts_against_budget(self) -> bool {
        matches!(
            self,
            ErrorCode::Malformed
                | ErrorCode::InvalidRequest
                | ErrorCode::UnknownAction
                | ErrorCode::InvalidPayload
                | ErrorCode::InvalidChannel
                | ErrorCode::RateLimited
                | ErrorCode::InvalidToken
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `error` object of an error frame.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{code}: {message}")]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what was wrong, where, and what to do.
    pub message: Cow<'static, str>,
    /// Whether the same request can succeed later, unchanged.
    pub retryable: bool,
    /// How long to wait before retrying, in milliseconds, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Further details of this error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub details: Option<Box<RawValue>>,
}

impl ErrorBody {
    /// An error of this code; `retryable` follows from the code.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        ErrorBody { code, message: message.into(), retryable: code.is_retryable(), retry_after_ms: None, details: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_serde_writes() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).ok(), Some(code.as_str().into()));
            assert_eq!(serde_json::from_value::<ErrorCode>(code.as_str().into()).ok(), Some(*code));
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_unknown_not_an_error() {
        let body = r#"{"code":"brand_new","message":"m","retryable":true}"#;
        let body: ErrorBody = serde_json::from_str(body).expect("decodes");
        assert_eq!((body.code, body.retryable), (ErrorCode::Unknown, true));
    }

    #[test]
    fn optional_fields_stay_away() {
        let text = serde_json::to_string(&ErrorBody::new(ErrorCode::Internal, "m")).expect("encodes");
        assert_eq!(text, r#"{"code":"internal","message":"m","retryable":true}"#);
    }
}
