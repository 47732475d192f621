//! Why a connection is not let in.

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `connections_max` is reached.
    #[error("the server has as many connections as it may have")]
    Full,
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// `connections_per_ip_max` is reached.
    #[error("this address has as many connections as it may have")]
    Address,
    /// `handshakes_per_second` is reached.
    #[error("more connections are being opened than the server lets in at a time")]
    TooFast,
    /// A page of this origin may not connect. The transport decides.
    #[error("pages of this origin may not connect; the operator can allow them (auth.allowed_origins)")]
    Origin,
    /// `unauthenticated_max` is reached, and there is no token in the handshake.
    #[error("the server has as many connections as it may have that have not authenticated; send a token along")]
    Strangers,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 6] =
        [Refusal::Full, Refusal::Draining, Refusal::Address, Refusal::TooFast, Refusal::Origin, Refusal::Strangers];

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Draining => "draining",
            Refusal::Address => "address",
            Refusal::TooFast => "too_fast",
            Refusal::Origin => "origin",
            Refusal::Strangers => "unauthenticated",
        }
    }
}
