//! Why a WebSocket was closed (PROTOCOL section 6; RFC 6455 section 7.4).

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $code:literal, $reason:literal;)*) => {
        /// Close codes that the server sends.
        ///
        /// 4000–4499: reconnect. 4500–4999: do not reconnect, the result would be the same.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CloseCode {
            $($(#[doc = $doc])* $variant,)*
        }

        impl CloseCode {
            /// Every close code, in numerical order.
            pub const ALL: &[CloseCode] = &[$(CloseCode::$variant),*];

            /// Number on the wire.
            pub const fn as_u16(self) -> u16 {
                match self { $(CloseCode::$variant => $code,)* }
            }

            /// The code with this number, if it is one of these.
            pub const fn from_u16(code: u16) -> Option<CloseCode> {
                match code { $($code => Some(CloseCode::$variant),)* _ => None }
            }

            /// What happened, in a sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self { $(CloseCode::$variant => concat!($($doc),*).trim_ascii(),)* }
            }

            /// The reason sent with the code in the close frame, at most 123 bytes.
            pub const fn reason(self) -> &'static str {
                match self { $(CloseCode::$variant => $reason,)* }
            }
        }
    };
}

close_codes! {
    /// The client closed the connection.
    Normal = 1000, "";
    /// The server is shutting down or restarting; reconnect in the time window of the `draining` event.
    GoingAway = 1001, "server is draining";
    /// A violation of RFC 6455.
    Protocol = 1002, "websocket protocol error";
    /// A binary frame: only text frames are accepted.
    Unsupported = 1003, "only text frames are accepted";
    /// A text frame that is not UTF-8.
    InvalidUtf8 = 1007, "text is not valid UTF-8";
    /// A message over `message_bytes_max`.
    TooBig = 1009, "message is larger than limits.message_bytes_max";
    /// An error in the server itself.
    Internal = 1011, "internal error";
    /// Nothing was received for interval + timeout.
    HeartbeatTimeout = 4000, "heartbeat timeout";
    /// The client reads too slowly: no write progress, or `on_lag: disconnect`.
    TooSlow = 4001, "client reads too slowly";
    /// The token expired and was not refreshed.
    TokenExpired = 4002, "token expired";
    /// The operator asks clients to reconnect.
    Reconnect = 4003, "reconnect asked for by the operator";
    /// This user has too many connections.
    UserConnectionLimit = 4005, "connection limit of this user (limits.connections_per_user_max)";
    /// Too many requests over a rate limit; reconnect after 30 s or more.
    TooManyRequests = 4006, "too many requests: reconnect in 30 s or later";
    /// No valid token was received in time.
    NotAuthenticated = 4500, "not authenticated in time (auth.authenticate_within)";
    /// The token is not valid.
    InvalidToken = 4501, "invalid token";
    /// This connection is not allowed.
    PermissionDenied = 4502, "permission denied";
    /// Closed through the server API.
    Disconnected = 4503, "disconnected by the server";
    /// The error budget is used up.
    TooManyErrors = 4504, "too many errors (limits.errors_max)";
}

impl CloseCode {
    /// Whether a client should reconnect by itself after this code. After 1009 and the like the same would happen again.
    pub const fn should_reconnect(self) -> bool {
        match self {
            CloseCode::GoingAway | CloseCode::Internal => true,
            CloseCode::Normal
            | CloseCode::Protocol
            | CloseCode::Unsupported
            | CloseCode::InvalidUtf8
            | CloseCode::TooBig => false,
            own => own.as_u16() < 4500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLOSE_REASON_BYTES_MAX;

    #[test]
    fn numbers_go_round_and_reasons_fit_a_control_frame() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_u16(code.as_u16()), Some(*code));
            assert!(code.reason().len() <= CLOSE_REASON_BYTES_MAX);
            assert!(code.meaning().ends_with('.'), "{code:?}");
        }
        assert_eq!(CloseCode::from_u16(4999), None);
    }

    /// The list of PROTOCOL section 6.
    #[test]
    fn codes_of_our_own() {
        let own = CloseCode::ALL.iter().map(|code| code.as_u16()).filter(|code| *code >= 4000).collect::<Vec<_>>();
        assert_eq!(own, [4000, 4001, 4002, 4003, 4005, 4006, 4500, 4501, 4502, 4503, 4504]);
    }

    #[test]
    fn ranges_tell_whether_to_reconnect() {
        for code in CloseCode::ALL.iter().filter(|code| code.as_u16() >= 4000) {
            assert_eq!(code.should_reconnect(), code.as_u16() < 4500, "{code:?}");
        }
    }
}
