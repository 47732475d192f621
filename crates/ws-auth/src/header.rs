//! The header of a token (RFC 7515, section 4), and how its parts are decoded.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The fields this server reads. Not `jku`, `jwk`, `x5u` and `x5c`: a token must not bring its own key.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    /// Extensions that must be understood; none are.
    #[serde(default)]
    pub(crate) crit: Option<serde_json::Value>,
}

/// Decodes the JSON object in one part of a token.
///
/// # Errors
/// What is wrong with it, without quoting any of it.
pub(crate) fn part<T: DeserializeOwned>(part: &str, name: &str) -> Result<T, String> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| format!("its {name} is not base64url"))?;
    if json.first() != Some(&b'{') {
        return Err(format!("its {name} is not a JSON object"));
    }
    serde_json::from_slice(&json).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("its {name} is invalid: {}", field(&error)),
        _ => format!("its {name} is not JSON"),
    })
}

/// serde's complaint about a field, without the value it found.
fn field(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = ["missing field", "duplicate field"].iter().find(|known| text.starts_with(**known));
    match known {
        Some(_) => text.split(" at line").next().unwrap_or_default().to_owned(),
        None => "a field has the wrong type".to_owned(),
    }
}
