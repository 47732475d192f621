//! Why a connection is not admitted.

use ws_proto::{ErrorBody, ErrorCode};

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `connections_max` is reached.
    #[error("the server has reached its limit of connections (limits.connections_max)")]
    Full,
    /// The server is shutting down.
    #[error("the server is draining")]
    Draining,
    /// `connections_per_ip_max` is reached.
    #[error("this address has reached its limit of connections (limits.connections_per_ip_max)")]
    Address,
    /// `handshakes_per_ip_per_second` is reached.
    #[error("this address opens connections faster than one address may (limits.handshakes_per_ip_per_second)")]
    AddressTooFast,
    /// `handshakes_per_second` is reached.
    #[error("connections are being opened faster than the server accepts them (limits.handshakes_per_second)")]
    TooFast,
    /// Nobody knows how many connections the user of the handshake's token has in the cluster.
    #[error("the engine cannot say now how many connections this user has (limits.connections_per_user_max)")]
    Engine,
    /// Pages of this origin may not connect. Decided by the transport.
    #[error("pages of this origin may not connect; the operator can allow them (auth.allowed_origins)")]
    Origin,
    /// `unauthenticated_max` is reached, and the handshake has no token.
    #[error(
        "the server has reached its limit of unauthenticated connections (auth.unauthenticated_max); send a token with \
         the handshake"
    )]
    Unauthenticated,
    /// `sockets_per_ip_max` is reached. Decided by the transport.
    #[error("this address has too many sockets that are no open WebSockets (limits.sockets_per_ip_max)")]
    AddressSockets,
    /// All sockets that are no open WebSockets are taken. Decided by the transport.
    #[error("too many sockets that are no open WebSockets")]
    Sockets,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 10] = [
        Refusal::Full,
        Refusal::Draining,
        Refusal::Address,
        Refusal::AddressTooFast,
        Refusal::TooFast,
        Refusal::Engine,
        Refusal::Origin,
        Refusal::Unauthenticated,
        Refusal::AddressSockets,
        Refusal::Sockets,
    ];

    /// Its name, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Draining => "draining",
            Refusal::Address => "address",
            Refusal::AddressTooFast => "address_too_fast",
            Refusal::TooFast => "too_fast",
            Refusal::Engine => "engine",
            Refusal::Origin => "origin",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::AddressSockets => "address_sockets",
            Refusal::Sockets => "sockets",
        }
    }
}

/// The error for a connection over the limit of its user.
pub(crate) fn too_many_of_user() -> ErrorBody {
    let message = "this user has reached the limit of connections per user (limits.connections_per_user_max)";
    ErrorBody::new(ErrorCode::LimitExceeded, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_its_key() {
        for refusal in Refusal::ALL {
            // The number of all sockets is fixed.
            let is_limit = !matches!(refusal, Refusal::Draining | Refusal::Sockets);
            let text = refusal.to_string();
            assert_eq!(text.contains("(limits.") || text.contains("(auth."), is_limit, "{text}");
        }
    }
}
