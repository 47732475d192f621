//! How a login ended, for metrics.

use ws_proto::ErrorCode;

/// How a login ended: with a token in the handshake, or with `authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// The connection has its user, or a fresh token for it.
    Ok,
    /// The token is not valid, or not for this.
    InvalidToken,
    /// The token has expired.
    Expired,
    /// The connection has more tokens checked than it may (`token_checks_per_second`).
    TooFast,
    /// The user has too many connections (`connections_per_user_max`).
    UserFull,
    /// The server has too many connections (`connections_max`, or `unauthenticated_max` while keys are fetched).
    Full,
    /// The engine could not say how many connections the user has.
    Unavailable,
}

impl Authentication {
    /// All of them.
    pub const ALL: [Authentication; 7] = [
        Authentication::Ok,
        Authentication::InvalidToken,
        Authentication::Expired,
        Authentication::TooFast,
        Authentication::UserFull,
        Authentication::Full,
        Authentication::Unavailable,
    ];

    /// Its name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Authentication::Ok => "ok",
            Authentication::InvalidToken => "invalid_token",
            Authentication::Expired => "expired",
            Authentication::TooFast => "too_fast",
            Authentication::UserFull => "user_full",
            Authentication::Full => "full",
            Authentication::Unavailable => "unavailable",
        }
    }

    /// What a login ended with that got this error; `None`: its token was not looked at.
    pub(crate) fn refused(code: ErrorCode) -> Option<Self> {
        match code {
            ErrorCode::InvalidToken => Some(Authentication::InvalidToken),
            ErrorCode::TokenExpired => Some(Authentication::Expired),
            ErrorCode::RateLimited => Some(Authentication::TooFast),
            ErrorCode::LimitExceeded => Some(Authentication::UserFull),
            ErrorCode::Overloaded => Some(Authentication::Full),
            ErrorCode::EngineUnavailable => Some(Authentication::Unavailable),
            ErrorCode::Malformed
            | ErrorCode::InvalidRequest
            | ErrorCode::UnknownAction
            | ErrorCode::InvalidPayload
            | ErrorCode::InvalidChannel
            | ErrorCode::UnknownNamespace
            | ErrorCode::AlreadySubscribed
            | ErrorCode::NotSubscribed
            | ErrorCode::Unauthenticated
            | ErrorCode::PermissionDenied
            | ErrorCode::NotAvailable
            | ErrorCode::StalePosition
            | ErrorCode::Conflict
            | ErrorCode::UnknownOutcome
            | ErrorCode::NotFound
            | ErrorCode::UpstreamFailed
            | ErrorCode::Internal
            | _ => None,
        }
    }
}
