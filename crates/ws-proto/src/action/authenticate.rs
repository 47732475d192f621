//! `authenticate`: identifies the user of the connection (PROTOCOL section 7).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `authenticate`: gives the connection the user and the permissions in a token, or renews the token of the user it
/// already has, without reconnecting.
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
    /// The user of the connection from now on.
    pub user: Cow<'a, str>,
    /// When the token expires, in milliseconds since 1970; absent if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// Without the token: it is a secret and must not appear in logs.
impl std::fmt::Debug for Authenticate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate").finish_non_exhaustive()
    }
}
