//! `authenticate`: a token names the user of the connection (PROTOCOL section 7).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `authenticate`: the connection gets the user that a token names, and what the token grants; or a fresh token for
/// the user that it has already, without connecting again.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authenticate<'a> {
    /// A JSON Web Token (RFC 7519).
    #[serde(borrow)]
    pub token: Cow<'a, str>,
}

/// Data of the response to [`Authenticate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthenticateData<'a> {
    /// Who the connection is now.
    pub user: Cow<'a, str>,
    /// When the token runs out, in milliseconds since 1970; absent where it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// A token is a secret, and does not get into logs.
impl std::fmt::Debug for Authenticate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate").finish_non_exhaustive()
    }
}
