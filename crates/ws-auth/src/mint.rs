//! Makes tokens for development. In production your backend makes them.

use jsonwebtoken::Header;
use serde_json::Value;

use crate::key::{Key, KeyError};

/// A token with these claims, signed with a secret.
///
/// # Errors
/// When the key is a public key, which cannot sign.
pub fn mint(key: &Key, claims: &Value) -> Result<String, KeyError> {
    let Some(signs) = key.signs() else {
        return Err(KeyError::new("a public key cannot sign a token; use a secret"));
    };
    let header = Header { kid: key.kid().map(str::to_owned), ..Header::new(key.algorithm().jwa()) };
    jsonwebtoken::encode(&header, claims, signs).map_err(|error| KeyError::new(error.to_string()))
}
