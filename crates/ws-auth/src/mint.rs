//! Makes tokens, for development: in production your backend does.

use jsonwebtoken::Header;
use serde_json::Value;

use crate::key::{Key, KeyError};

/// A token with these claims, signed with a secret.
///
/// # Errors
/// The key is a public one, which cannot sign.
pub fn mint(key: &Key, claims: &Value) -> Result<String, KeyError> {
    let Some(signs) = key.signs() else {
        return Err(KeyError::new("a public key cannot sign; a token is made with a secret"));
    };
    let header = Header { kid: key.kid().map(str::to_owned), ..Header::new(key.algorithm().jwa()) };
    jsonwebtoken::encode(&header, claims, signs).map_err(|error| KeyError::new(error.to_string()))
}
