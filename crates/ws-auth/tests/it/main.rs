//! Tokens that are in order, and those that are not: the attacks that are known, one by one.

mod algorithms;
mod attacks;
mod claims;
mod key_set;
mod keys;
mod random;

use std::time::Duration;

use serde_json::{Value, json};
use ws_auth::{Algorithm, Key, Verifier, VerifierOptions};
use ws_core::{Authenticator, Claims, TokenError};

/// The moment of all tests, in seconds since 1970.
const NOW_S: u64 = 1_800_000_000;

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

fn secret(kid: Option<&str>) -> Key {
    Key::secret(Algorithm::Hs256, SECRET, kid.map(str::to_owned)).expect("a secret")
}

fn verifier(keys: Vec<Key>) -> Verifier {
    Verifier::new(VerifierOptions { keys, leeway: Duration::from_secs(5), ..VerifierOptions::default() })
}

/// What comes of a token.
fn check(verifier: &Verifier, token: &str) -> Result<Claims, TokenError> {
    verifier.check(token, NOW_S * 1000)
}

/// The user that a token names, or why it is none, without the words that all have in common.
fn outcome(verifier: &Verifier, token: &str) -> Result<String, String> {
    match check(verifier, token) {
        Ok(claims) if claims.has_expired(NOW_S * 1000) => Err("the token has expired".to_owned()),
        Ok(claims) => Ok(claims.user),
        Err(error) => {
            let text = error.to_string();
            Err(text.strip_prefix("the token is not valid: ").unwrap_or(&text).to_owned())
        }
    }
}

/// A token for ann, with these claims besides.
fn token(more: &Value) -> String {
    let mut claims = json!({"sub": "ann"});
    more.as_object().into_iter().flatten().for_each(|(name, value)| claims[name] = value.clone());
    ws_auth::mint(&secret(None), &claims).expect("a secret signs")
}
