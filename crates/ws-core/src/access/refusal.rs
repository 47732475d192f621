//! Why a connection is not admitted.

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
    /// `handshakes_per_second` is reached.
    #[error("connections are being opened faster than the server accepts them (limits.handshakes_per_second)")]
    TooFast,
    /// Pages of this origin may not connect. Decided by the transport.
    #[error("pages of this origin may not connect; the operator can allow them (auth.allowed_origins)")]
    Origin,
    /// `unauthenticated_max` is reached, and the handshake has no token.
    #[error(
        "the server has reached its limit of unauthenticated connections (auth.unauthenticated_max); send a token with \
         the handshake"
    )]
    Unauthenticated,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 6] = [
        Refusal::Full,
        Refusal::Draining,
        Refusal::Address,
        Refusal::TooFast,
        Refusal::Origin,
        Refusal::Unauthenticated,
    ];

    /// Its name, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Draining => "draining",
            Refusal::Address => "address",
            Refusal::TooFast => "too_fast",
            Refusal::Origin => "origin",
            Refusal::Unauthenticated => "unauthenticated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_its_key() {
        for refusal in Refusal::ALL {
            let is_limit = refusal != Refusal::Draining;
            let text = refusal.to_string();
            assert_eq!(text.contains("(limits.") || text.contains("(auth."), is_limit, "{text}");
        }
    }
}
