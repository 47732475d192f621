//! `authenticate`: identifies the user of the connection (PROTOCOL section 7).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::position::Positions;

/// `authenticate`: gives the connection the user and the permissions in a token, or renews the token of the user it
/// already has, without reconnecting.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authenticate<'a> {
    /// A JSON Web Token (RFC 7519).
    #[serde(borrow)]
    pub token: Cow<'a, str>,
    /// Where subscriptions start that the server starts because the token lists their channels. Positions of other
    /// channels, of channels that this connection is subscribed to already, and of channels without history change
    /// nothing. The last of duplicate channels counts.
    #[serde(borrow, default, deserialize_with = "borrowed::positions", skip_serializing_if = "Option::is_none")]
    pub since: Option<Positions<'a>>,
}

/// Data of the response to [`Authenticate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthenticateData<'a> {
    /// The user of the connection from now on.
    pub user: Cow<'a, str>,
    /// When the token expires, in milliseconds since 1970; absent if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// Without the token: it is a secret and must not appear in logs.
impl std::fmt::Debug for Authenticate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate").field("since", &self.since).finish_non_exhaustive()
    }
}
