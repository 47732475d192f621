//! Why a connection is not admitted.

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `connections_max` is reached.
    #[error("the server has reached its limit of connections")]
    Full,
    /// The server is shutting down.
    #[error("the server is draining")]
    Draining,
    /// `connections_per_ip_max` is reached.
    #[error("this address has reached its limit of connections")]
    Address,
    /// `handshakes_per_ip_per_second` is reached.
    #[error("this address opens connections faster than the server accepts them from one address")]
    AddressTooFast,
    /// `handshakes_per_second` is reached.
    #[error("connections are being opened faster than the server accepts them")]
    TooFast,
    /// Pages of this origin may not connect. Decided by the transport.
    #[error("pages of this origin may not connect; the operator can allow them (auth.allowed_origins)")]
    Origin,
    /// `unauthenticated_max` is reached, and the handshake has no token.
    #[error("the server has reached its limit of unauthenticated connections; send a token with the handshake")]
    Unauthenticated,
    /// `sockets_per_ip_max` is reached. Decided by the transport.
    #[error("this address has too many sockets that are no open WebSockets")]
    AddressSockets,
    /// All sockets that are no open WebSockets are taken. Decided by the transport.
    #[error("too many sockets that are no open WebSockets")]
    Sockets,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 9] = [
        Refusal::Full,
        Refusal::Draining,
        Refusal::Address,
        Refusal::AddressTooFast,
        Refusal::TooFast,
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
            Refusal::Origin => "origin",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::AddressSockets => "address_sockets",
            Refusal::Sockets => "sockets",
        }
    }
}
