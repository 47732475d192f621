//! Checks tokens with the keys that there are.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use ws_core::{Authenticator, Claims, TokenError};

use crate::algorithm::Algorithm;
use crate::claims::{Raw, Terms};
use crate::header::{Header, part};
use crate::key::Key;
use crate::limits::TOKEN_BYTES_MAX;

/// What tokens must be to count.
#[derive(Debug, Clone, Default)]
pub struct VerifierOptions {
    /// The keys of the configuration.
    pub keys: Vec<Key>,
    /// What `aud` must contain; `None`: it is not looked at.
    pub audience: Option<String>,
    /// What `iss` must be; `None`: it is not looked at.
    pub issuer: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    options: VerifierOptions,
    /// Those of the key set. Behind a lock that is held only to take or change the reference.
    published: RwLock<Arc<[Key]>>,
}

impl Verifier {
    /// With the keys of the configuration, and none that are published.
    pub fn new(options: VerifierOptions) -> Self {
        Verifier { options, published: RwLock::new(Arc::new([])) }
    }

    /// Takes these keys in place of those that were published before. Those of the configuration stay.
    pub fn set_published(&self, keys: Vec<Key>) {
        *self.published.write() = keys.into();
    }

    /// Whether some key has signed the token that is made of `message` and `signature`.
    fn check_signature(&self, header: &Header, message: &str, signature: &str) -> Result<(), TokenError> {
        let published = self.published.read().clone();
        // A key without a name can be the one that a name stands for.
        let has_name = |key: &Key| header.kid.as_deref().is_none_or(|kid| key.kid().is_none_or(|known| known == kid));
        let fits = |key: &&Key| key.algorithm().as_str() == header.alg && has_name(key);
        let fitting: Vec<_> = self.options.keys.iter().chain(published.iter()).filter(fits).collect();
        if fitting.iter().any(|key| key.verifies(signature, message.as_bytes())) {
            return Ok(());
        }
        let why = match fitting.is_empty() {
            true => not_valid("no key is known for its algorithm and key id (`alg`, `kid`)"),
            false => not_valid("its signature is not valid"),
        };
        // One without a name fits every name, but it need not be the one that is meant.
        let is_named = header.kid.is_some() && fitting.iter().all(|key| key.kid().is_none());
        let may_be_published =
            is_named && Algorithm::from_name(&header.alg).is_some_and(|algorithm| !algorithm.is_symmetric());
        Err(if may_be_published { TokenError::UnknownKey(why) } else { TokenError::Invalid(why) })
    }
}

impl Authenticator for Verifier {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(format!("it has {} bytes, more than {TOKEN_BYTES_MAX}", token.len())));
        }
        let no_token = || invalid("it is no JSON Web Token, which has three parts with dots between them");
        let (message, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
        let (header, payload) = message.split_once('.').ok_or_else(no_token)?;
        if payload.contains('.') {
            return Err(no_token());
        }
        let header: Header = part(header, "header").map_err(invalid)?;
        if header.crit.is_some() {
            return Err(invalid("its header asks for extensions (`crit`), and none is known here"));
        }
        self.check_signature(&header, message, signature)?;
        let claims: Raw = part(payload, "payload").map_err(invalid)?;
        let terms = Terms {
            audience: self.options.audience.as_deref(),
            issuer: self.options.issuer.as_deref(),
            leeway: self.options.leeway,
            now_ms: unix_ms,
        };
        claims.judge(&terms).map_err(invalid)
    }
}

fn invalid(why: impl std::fmt::Display) -> TokenError {
    TokenError::Invalid(not_valid(why))
}

fn not_valid(why: impl std::fmt::Display) -> String {
    format!("the token is not valid: {why}")
}
