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
    /// Those that can be used.
    pub keys: Vec<Key>,
    /// How many cannot: of unknown kinds, for other uses, too short; and secrets, for what is published is none.
    pub passed_over: usize,
}

/// Why something is no key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Too long.
    #[error("it is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// Not an object with a list of `keys`.
    #[error("it is no JSON Web Key Set: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Reads a key set. A key that cannot be used is passed over, as others in the set may be for others.
///
/// # Errors
/// It is too long, or no key set at all.
pub fn read_key_set(json: &[u8]) -> Result<KeySet, KeySetError> {
    if json.len() > KEY_SET_BYTES_MAX {
        return Err(KeySetError::TooLong);
    }
    let document: Document<'_> =
        serde_json::from_slice(json).map_err(|error| KeySetError::Malformed(error.to_string()))?;
    let all = document.keys.len();
    let usable = document.keys.iter().filter_map(|key| read(key)).take(KEY_SET_KEYS_MAX);
    let keys: Vec<_> = usable.collect();
    Ok(KeySet { passed_over: all - keys.len(), keys })
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
            EllipticCurve::P256 => (Family::Curve, Algorithm::Es256),
            EllipticCurve::P384 => (Family::Curve, Algorithm::Es384),
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Family::Edwards, Algorithm::EdDsa)
        }
        _ => return None,
    };
    // Without a word on it, what every provider means.
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
