//! Verifies tokens with the configured and the published keys.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use ws_core::{Authenticator, Claims, TokenError};

use crate::algorithm::Algorithm;
use crate::claims::{Expected, RawClaims};
use crate::header::{Header, part};
use crate::key::Key;
use crate::limits::TOKEN_BYTES_MAX;

/// How tokens are verified.
#[derive(Debug, Clone, Default)]
pub struct VerifierOptions {
    /// The keys of the configuration.
    pub keys: Vec<Key>,
    /// What `aud` must contain; `None`: `aud` is not checked.
    pub audience: Option<String>,
    /// What `iss` must be; `None`: `iss` is not checked.
    pub issuer: Option<String>,
    /// How far the clocks of this server and of the issuer may differ.
    pub leeway: Duration,
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    options: VerifierOptions,
    /// The keys of the published key set. The lock is held only to clone or replace the reference.
    published: RwLock<Arc<[Key]>>,
}

impl Verifier {
    /// Starts with the configured keys and no published ones.
    pub fn new(options: VerifierOptions) -> Self {
        Verifier { options, published: RwLock::new(Arc::new([])) }
    }

    /// Replaces the published keys. The configured keys stay.
    pub fn set_published(&self, keys: Vec<Key>) {
        *self.published.write() = keys.into();
    }

    /// Checks that a known key made `signature` over `message`.
    fn check_signature(&self, header: &Header, message: &str, signature: &str) -> Result<(), TokenError> {
        let published = self.published.read().clone();
        // A key without an id may be the one that the token names.
        let has_name = |key: &Key| header.kid.as_deref().is_none_or(|kid| key.kid().is_none_or(|known| known == kid));
        let fits = |key: &&Key| key.algorithm().as_str() == header.alg && has_name(key);
        let fitting: Vec<_> = self.options.keys.iter().chain(published.iter()).filter(fits).collect();
        if fitting.iter().any(|key| key.verifies(signature, message.as_bytes())) {
            return Ok(());
        }
        let why = match fitting.is_empty() {
            true => not_valid("no known key has its algorithm and key id (`alg`, `kid`)"),
            false => not_valid("its signature is not valid"),
        };
        // Keys without an id were tried, but the one that the token names may be in a newer key set.
        let is_named = header.kid.is_some() && fitting.iter().all(|key| key.kid().is_none());
        let may_be_published =
            is_named && Algorithm::from_name(&header.alg).is_some_and(|algorithm| !algorithm.is_symmetric());
        Err(if may_be_published { TokenError::UnknownKey(why) } else { TokenError::Invalid(why) })
    }
}

impl Authenticator for Verifier {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(format!("it is {} bytes long, more than {TOKEN_BYTES_MAX}", token.len())));
        }
        let malformed = || invalid("it is not a JSON Web Token (three parts separated by dots)");
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = message.split_once('.').ok_or_else(malformed)?;
        if payload.contains('.') {
            return Err(malformed());
        }
        let header: Header = part(header, "header").map_err(invalid)?;
        if header.crit.is_some() {
            return Err(invalid("its header requires extensions (`crit`), and none are supported"));
        }
        self.check_signature(&header, message, signature)?;
        let claims: RawClaims = part(payload, "payload").map_err(invalid)?;
        let expected = Expected {
            audience: self.options.audience.as_deref(),
            issuer: self.options.issuer.as_deref(),
            leeway: self.options.leeway,
            now_ms: unix_ms,
        };
        claims.validate(&expected).map_err(invalid)
    }
}

fn invalid(why: impl std::fmt::Display) -> TokenError {
    TokenError::Invalid(not_valid(why))
}

fn not_valid(why: impl std::fmt::Display) -> String {
    format!("the token is not valid: {why}")
}
