//! A key that tokens are verified with.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey, crypto};

use crate::algorithm::{Algorithm, Family};
use crate::limits::{ED25519_BYTES, RSA_MODULUS_BYTES, SECRET_BYTES_MIN};

/// A key and the one algorithm it is used with.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    verifies: DecodingKey,
    /// Present for secrets only: public keys cannot sign.
    signs: Option<EncodingKey>,
    is_short: bool,
}

/// Why something cannot be used as a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

impl KeyError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        KeyError(what.into())
    }
}

impl Key {
    /// A secret, for HS256, HS384 or HS512.
    ///
    /// # Errors
    /// When the algorithm does not take a secret, or the secret is empty.
    pub fn secret(algorithm: Algorithm, secret: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        if !algorithm.is_symmetric() {
            return Err(KeyError::new(format!("{} takes a public key, not a secret", algorithm.as_str())));
        }
        if secret.is_empty() {
            return Err(KeyError::new("an empty secret"));
        }
        let (verifies, signs) = (DecodingKey::from_secret(secret), Some(EncodingKey::from_secret(secret)));
        Ok(Key { algorithm, kid, verifies, signs, is_short: secret.len() < SECRET_BYTES_MIN })
    }

    /// A public key in PEM, for the other algorithms.
    ///
    /// # Errors
    /// When the algorithm takes a secret; or when this is not PEM, a private key, a key for another algorithm, or an
    /// RSA key of less than 2048 or more than 4096 bits.
    pub fn public_pem(algorithm: Algorithm, pem: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY") {
            return Err(KeyError::new("a private key: the server needs only the public key"));
        }
        let name = algorithm.as_str();
        let read = match algorithm.family() {
            Family::Secret => return Err(KeyError::new(format!("{name} takes a secret, not a public key"))),
            Family::Rsa => DecodingKey::from_rsa_pem(pem),
            Family::EllipticCurve => DecodingKey::from_ec_pem(pem),
            Family::Edwards => DecodingKey::from_ed_pem(pem),
        };
        let verifies = read.map_err(|_| KeyError::new(format!("no PEM public key for {name}")))?;
        if algorithm.family() == Family::Rsa {
            let modulus = verifies.try_get_as_bytes().ok().and_then(rsa_modulus_bytes);
            check_modulus(modulus.ok_or_else(|| KeyError::new(format!("no PEM public key for {name}")))?)?;
        }
        Key::public(algorithm, verifies, kid)
    }

    /// A public key that has been parsed. Checks that it fits the algorithm.
    pub(crate) fn public(algorithm: Algorithm, verifies: DecodingKey, kid: Option<String>) -> Result<Self, KeyError> {
        let another_kind = || KeyError::new(format!("the wrong kind of key for {}", algorithm.as_str()));
        // jsonwebtoken does not check the length of these keys, and panics on a wrong one.
        let bytes = verifies.try_get_as_bytes().map_or(0, <[u8]>::len);
        if algorithm.family() == Family::Edwards && bytes != ED25519_BYTES {
            return Err(another_kind());
        }
        // The library checks the curve only when it verifies a signature. This one is never valid.
        match crypto::verify("", b"", &verifies, algorithm.jwa()) {
            Ok(_) => Ok(Key { algorithm, kid, verifies, signs: None, is_short: false }),
            Err(_) => Err(another_kind()),
        }
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its key id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it is a secret of less than 32 bytes, which is easier to guess than SHA-256 is to break.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    pub(crate) fn signs(&self) -> Option<&EncodingKey> {
        self.signs.as_ref()
    }

    /// Whether `signature` is this key's signature of `message`. False also when it cannot be decoded.
    pub(crate) fn verifies(&self, signature: &str, message: &[u8]) -> bool {
        crypto::verify(signature, message, &self.verifies, self.algorithm.jwa()).unwrap_or(false)
    }
}

/// Shows the key id and the algorithm; the key itself is secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Checks that the modulus of an RSA key is long enough to be safe and short enough to be supported.
pub(crate) fn check_modulus(bytes: usize) -> Result<(), KeyError> {
    if RSA_MODULUS_BYTES.contains(&bytes) {
        return Ok(());
    }
    let (min, max) = (RSA_MODULUS_BYTES.start() * 8, RSA_MODULUS_BYTES.end() * 8);
    Err(KeyError::new(format!("an RSA key of about {} bits; it must have {min} to {max}", bytes * 8)))
}

/// The length of the modulus of an RSA public key: the first integer in the DER sequence of PKCS #1 (RFC 8017, A.1.1).
fn rsa_modulus_bytes(der: &[u8]) -> Option<usize> {
    let (0x30, sequence) = tagged(der)? else { return None };
    let (0x02, _) = tagged(sequence)? else { return None };
    let (len, digits) = length(&sequence[1..])?;
    let leading_zeros = digits.iter().take_while(|byte| **byte == 0).count();
    len.checked_sub(leading_zeros)
}

/// The tag and the content of the first DER element.
fn tagged(der: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = der.split_first()?;
    Some((*tag, length(rest)?.1))
}

/// A DER length, and the bytes that follow it.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
    Some((digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest))
}
