//! Tokens as a backend makes them, and servers that accept them.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use ws_server::config::{AuthKey, Config, Secret};

/// The secret that tests sign with.
pub const SECRET: &str = "the secret of all end-to-end tests";

/// Makes the server accept tokens from [`signed`].
pub fn accept(config: &mut Config) {
    config.auth.keys.push(AuthKey { secret: Some(Secret::new(SECRET)), ..AuthKey::default() });
}

/// A token with exactly these claims.
pub fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).expect("claims are JSON")
}

/// A token for this user, with these further claims.
pub fn of(user: &str, more: &Value) -> String {
    let mut claims = json!({"sub": user});
    more.as_object().into_iter().flatten().for_each(|(name, value)| claims[name] = value.clone());
    signed(&claims)
}

/// The time in this many seconds, as a token claim.
pub fn in_seconds(seconds: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    now + seconds
}
