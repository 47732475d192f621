//! A key that tokens are checked with.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey, crypto};

use crate::algorithm::{Algorithm, Family};
use crate::limits::{ED25519_BYTES, RSA_MODULUS_BYTES, SECRET_BYTES_MIN};

/// A key, with the one algorithm that it is for.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    verifies: DecodingKey,
    /// The secret itself, to sign with.
    signs: Option<EncodingKey>,
    is_short: bool,
}

/// Why something is no key.
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
    /// The algorithm takes no secret, or it is empty.
    pub fn secret(algorithm: Algorithm, secret: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        if !algorithm.is_symmetric() {
            return Err(KeyError::new(format!("{} takes a public key, not a secret", algorithm.as_str())));
        }
        if secret.is_empty() {
            return Err(KeyError::new("an empty secret protects nothing"));
        }
        let (verifies, signs) = (DecodingKey::from_secret(secret), Some(EncodingKey::from_secret(secret)));
        Ok(Key { algorithm, kid, verifies, signs, is_short: secret.len() < SECRET_BYTES_MIN })
    }

    /// A public key in PEM, for the other algorithms.
    ///
    /// # Errors
    /// The algorithm takes a secret; or it is no PEM, a private key, one of another kind, or an RSA key of less than
    /// 2048 or more than 4096 bits.
    pub fn public_pem(algorithm: Algorithm, pem: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY") {
            return Err(KeyError::new("a private key: the server needs only the public one, and keeps no other"));
        }
        let name = algorithm.as_str();
        let read = match algorithm.family() {
            Family::Secret => return Err(KeyError::new(format!("{name} takes a secret, not a public key"))),
            Family::Rsa => DecodingKey::from_rsa_pem(pem),
            Family::Curve => DecodingKey::from_ec_pem(pem),
            Family::Edwards => DecodingKey::from_ed_pem(pem),
        };
        let verifies = read.map_err(|_| KeyError::new(format!("no public key for {name} in PEM")))?;
        if algorithm.family() == Family::Rsa {
            let modulus = verifies.try_get_as_bytes().ok().and_then(rsa_modulus_bytes);
            check_modulus(modulus.ok_or_else(|| KeyError::new(format!("no public key for {name} in PEM")))?)?;
        }
        Key::public(algorithm, verifies, kid)
    }

    /// A public key that has been read; whether it fits the algorithm is found out.
    pub(crate) fn public(algorithm: Algorithm, verifies: DecodingKey, kid: Option<String>) -> Result<Self, KeyError> {
        let another_kind = || KeyError::new(format!("a key of another kind than {} takes", algorithm.as_str()));
        // jsonwebtoken takes the length of these for granted, and panics.
        let bytes = verifies.try_get_as_bytes().map_or(0, <[u8]>::len);
        if algorithm.family() == Family::Edwards && bytes != ED25519_BYTES {
            return Err(another_kind());
        }
        // Only with a signature does the library look at the curve. This one is valid nowhere.
        match crypto::verify("", b"", &verifies, algorithm.jwa()) {
            Ok(_) => Ok(Key { algorithm, kid, verifies, signs: None, is_short: false }),
            Err(_) => Err(another_kind()),
        }
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name, where it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it is a secret that is easier to guess than its hash is to break: shorter than 32 bytes.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    pub(crate) fn signs(&self) -> Option<&EncodingKey> {
        self.signs.as_ref()
    }

    /// Whether this is its signature of the message. One that cannot be read is none.
    pub(crate) fn verifies(&self, signature: &str, message: &[u8]) -> bool {
        crypto::verify(signature, message, &self.verifies, self.algorithm.jwa()).unwrap_or(false)
    }
}

/// Its name and algorithm; the rest is nobody's business.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Whether the modulus of an RSA key has a length that is safe, and can be used.
pub(crate) fn check_modulus(bytes: usize) -> Result<(), KeyError> {
    if RSA_MODULUS_BYTES.contains(&bytes) {
        return Ok(());
    }
    let (min, max) = (RSA_MODULUS_BYTES.start() * 8, RSA_MODULUS_BYTES.end() * 8);
    Err(KeyError::new(format!("an RSA key of about {} bits; it must have {min} to {max}", bytes * 8)))
}

/// How long the modulus of an RSA public key is: the first integer in the DER sequence of PKCS #1 (RFC 8017, A.1.1).
fn rsa_modulus_bytes(der: &[u8]) -> Option<usize> {
    let (0x30, sequence) = tagged(der)? else { return None };
    let (0x02, _) = tagged(sequence)? else { return None };
    let (len, digits) = length(&sequence[1..])?;
    let leading_zeros = digits.iter().take_while(|byte| **byte == 0).count();
    len.checked_sub(leading_zeros)
}

/// The tag and the content of the first element.
fn tagged(der: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = der.split_first()?;
    Some((*tag, length(rest)?.1))
}

/// A length of DER, and so many of the bytes behind it as there are.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
    Some((digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest))
}
