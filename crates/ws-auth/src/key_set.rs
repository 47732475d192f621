//! Published key sets (RFC 7517, section 5).

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::algorithm::{Algorithm, Family};
use crate::key::{Key, check_modulus};
use crate::limits::{KEY_SET_BYTES_MAX, KEY_SET_KEYS_MAX};

/// The keys of a set.
#[derive(Debug)]
pub struct KeySet {
    /// The usable keys.
    pub keys: Vec<Key>,
    /// How many keys were skipped: of unknown types, for other uses, too short, or secrets (a published secret is none).
    pub skipped: usize,
}

/// Why something is not a key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Too long.
    #[error("it is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// Not an object with a list of `keys`.
    #[error("it is not a JSON Web Key Set: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Reads a key set. Unusable keys are skipped: a provider may publish keys for other purposes in the same set.
///
/// # Errors
/// When it is too long, or not a key set.
pub fn read_key_set(json: &[u8]) -> Result<KeySet, KeySetError> {
    if json.len() > KEY_SET_BYTES_MAX {
        return Err(KeySetError::TooLong);
    }
    let document: Document<'_> =
        serde_json::from_slice(json).map_err(|error| KeySetError::Malformed(error.to_string()))?;
    let all = document.keys.len();
    let usable = document.keys.iter().filter_map(|key| read(key)).take(KEY_SET_KEYS_MAX);
    let keys: Vec<_> = usable.collect();
    Ok(KeySet { skipped: all - keys.len(), keys })
}

fn read(json: &RawValue) -> Option<Key> {
    let jwk: Jwk = serde_json::from_str(json.get()).ok()?;
    let common = &jwk.common;
    let is_for_signatures = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !is_for_signatures {
        return None;
    }
    let (family, default) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Family::Rsa, Algorithm::Rs256),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => (Family::EllipticCurve, Algorithm::Es256),
            EllipticCurve::P384 => (Family::EllipticCurve, Algorithm::Es384),
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Family::Edwards, Algorithm::EdDsa)
        }
        _ => return None,
    };
    // Without `alg`, the algorithm that providers use by default.
    let algorithm = match common.key_algorithm {
        None => default,
        Some(named) => Algorithm::from_name(&named.to_string())?,
    };
    let verifies = DecodingKey::from_jwk(&jwk).ok().filter(|_| algorithm.family() == family)?;
    if let jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } = verifies.kind() {
        check_modulus(n.iter().skip_while(|byte| **byte == 0).count()).ok()?;
    }
    Key::public(algorithm, verifies, common.key_id.clone()).ok()
}
