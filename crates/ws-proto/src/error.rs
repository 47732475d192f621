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
    /// Too many requests; `retry_after_ms`, which is always there, says when to retry.
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
    /// Whether an error of this kind counts against a connection's error budget, whose end is close code 4504 (PROTOCOL
    /// section 3). `rate_limited` has a budget of its own, whose end is 4006.
    pub const fn counts_against_budget(self) -> bool {
        matches!(
            self,
            ErrorCode::Malformed
                | ErrorCode::InvalidRequest
                | ErrorCode::UnknownAction
                | ErrorCode::InvalidPayload
                | ErrorCode::InvalidChannel
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
    /// An error of this code; `retryable` follows from the code. For `rate_limited` use
    /// [`rate_limited`](Self::rate_limited).
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        ErrorBody { code, message: message.into(), retryable: code.is_retryable(), retry_after_ms: None, details: None }
    }

    /// `rate_limited`, which always says after how many milliseconds to retry: at least 1.
    pub fn rate_limited(message: impl Into<Cow<'static, str>>, retry_after_ms: u64) -> Self {
        let retry_after_ms = Some(retry_after_ms.max(1));
        ErrorBody { retry_after_ms, ..ErrorBody::new(ErrorCode::RateLimited, message) }
    }

    /// The same error for a request that came over HTTP without an envelope: it names the field of the body or of the query
    /// alone, `since.epoch` in place of `payload.since.epoch` (PROTOCOL section 3).
    #[must_use]
    pub fn without_envelope(mut self) -> Self {
        use ErrorCode::{Conflict, InvalidPayload, StalePosition};
        if matches!(self.code, InvalidPayload | Conflict | StalePosition) {
            let message = self.message.replace("`payload.", "`");
            self.message = match message.strip_prefix("`payload`") {
                Some(what) => format!("the body{what}").into(),
                None => message.into(),
            };
        }
        self
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

    /// The lists of PROTOCOL sections 3 and 6.
    #[test]
    fn each_code_has_its_status_and_its_budget() {
        let statuses: &[(u16, &[&str])] = &[
            (400, &["malformed", "invalid_request", "invalid_payload", "invalid_channel", "unknown_action"]),
            (401, &["unauthenticated", "invalid_token", "token_expired"]),
            (403, &["permission_denied", "not_available"]),
            (404, &["not_found", "unknown_namespace"]),
            (409, &["conflict", "stale_position", "already_subscribed", "not_subscribed", "unknown_outcome"]),
            (429, &["rate_limited", "limit_exceeded"]),
            (500, &["internal"]),
            (502, &["upstream_failed"]),
            (503, &["overloaded", "engine_unavailable"]),
        ];
        let retryable = ["rate_limited", "overloaded", "engine_unavailable", "internal"];
        let counted = ["malformed", "invalid_request", "unknown_action", "invalid_payload", "invalid_channel"];
        for code in ErrorCode::ALL {
            let name = code.as_str();
            let status = statuses.iter().find(|(_, names)| names.contains(&name)).map(|(status, _)| *status);
            assert_eq!(status, Some(code.http_status()), "{name}");
            assert_eq!(code.is_retryable(), retryable.contains(&name), "{name}");
            assert_eq!(code.counts_against_budget(), counted.contains(&name) || name == "invalid_token", "{name}");
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_unknown_not_an_error() {
        let body = r#"{"code":"brand_new","message":"m","retryable":true}"#;
        let body: ErrorBody = serde_json::from_str(body).expect("decodes");
        assert_eq!((body.code, body.retryable), (ErrorCode::Unknown, true));
    }

    #[test]
    fn without_an_envelope_a_field_is_named_alone() {
        let check = |code, message: &str, expect: &str| {
            let error = ErrorBody::new(code, message.to_owned()).without_envelope();
            assert_eq!((error.code, &*error.message), (code, expect));
        };
        let invalid = ErrorCode::InvalidPayload;
        check(
            invalid,
            "`payload.since.chat:1.epoch`: missing field `epoch`",
            "`since.chat:1.epoch`: missing field `epoch`",
        );
        check(invalid, "`payload.a` and `payload.b` exclude each other", "`a` and `b` exclude each other");
        check(invalid, "`payload`: must be an object", "the body: must be an object");
        check(ErrorCode::NotFound, "nothing at `payload.a`", "nothing at `payload.a`");
    }

    #[test]
    fn what_is_rate_limited_says_when_to_retry() {
        let error = ErrorBody::rate_limited("m", 0);
        assert_eq!((error.code, error.retryable, error.retry_after_ms), (ErrorCode::RateLimited, true, Some(1)));
    }

    #[test]
    fn optional_fields_stay_away() {
        let text = serde_json::to_string(&ErrorBody::new(ErrorCode::Internal, "m")).expect("encodes");
        assert_eq!(text, r#"{"code":"internal","message":"m","retryable":true}"#);
    }
}
