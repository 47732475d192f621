//! The keys of `tests/keys`, and parts of tokens made by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use ws_auth::{Algorithm, Key, KeyError};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../keys/", $name))
    };
}

pub(crate) const RSA_PUBLIC: &[u8] = pem!("rsa.pub.pem");

/// The private and the public key for an algorithm.
pub(crate) fn pair(algorithm: Algorithm) -> (&'static [u8], &'static [u8]) {
    match algorithm.as_str() {
        "ES256" => (pem!("p256.pem"), pem!("p256.pub.pem")),
        "ES384" => (pem!("p384.pem"), pem!("p384.pub.pem")),
        "EdDSA" => (pem!("ed25519.pem"), pem!("ed25519.pub.pem")),
        _ => (pem!("rsa.pem"), RSA_PUBLIC),
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these parts, signed as if by this algorithm, whatever its header says.
pub(crate) fn signed(header: &str, payload: &str, algorithm: Algorithm, key: &[u8]) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let signs = match algorithm.as_str() {
        "HS256" | "HS384" | "HS512" => Ok(EncodingKey::from_secret(key)),
        "ES256" | "ES384" => EncodingKey::from_ec_pem(key),
        "EdDSA" => EncodingKey::from_ed_pem(key),
        _ => EncodingKey::from_rsa_pem(key),
    };
    let jwa = algorithm.as_str().parse().expect("a name of RFC 7518");
    let signature = crypto::sign(message.as_bytes(), &signs.expect("a key in PEM"), jwa).expect("it signs");
    format!("{message}.{signature}")
}

#[test]
fn what_is_a_key() {
    let check = |algorithm: &str, pem: &[u8], expect: Option<&str>| {
        let key = Key::public_pem(Algorithm::from_name(algorithm).expect("a name"), pem, None);
        assert_eq!(key.err().map(|error: KeyError| error.to_string()).as_deref(), expect, "{algorithm}");
    };
    for algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric()) {
        check(algorithm.as_str(), pair(*algorithm).1, None);
        let private = Some("a private key: the server needs only the public key");
        check(algorithm.as_str(), pair(*algorithm).0, private);
    }
    check("RS256", pem!("rsa.pkcs1.pub.pem"), None);
    check("RS256", pem!("rsa1024.pub.pem"), Some("an RSA key of about 1024 bits; it must have 2048 to 4096"));
    check("RS256", pem!("p256.pub.pem"), Some("no PEM public key for RS256"));
    check("ES256", pem!("rsa.pub.pem"), Some("no PEM public key for ES256"));
    check("ES256", pem!("p384.pub.pem"), Some("the wrong kind of key for ES256"));
    check("EdDSA", pem!("p256.pub.pem"), Some("no PEM public key for EdDSA"));
    check("PS256", b"", Some("no PEM public key for PS256"));
    check("PS256", b"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----", Some("no PEM public key for PS256"));
    check("HS256", RSA_PUBLIC, Some("HS256 takes a secret, not a public key"));
}

#[test]
fn what_is_a_secret() {
    let key = |algorithm, secret: &[u8]| Key::secret(algorithm, secret, Some("k".to_owned()));
    assert!(key(Algorithm::Rs256, b"x").is_err() && key(Algorithm::Hs256, b"").is_err());
    let short = key(Algorithm::Hs256, b"hunter2").expect("allowed, though");
    assert!(short.is_short() && !key(Algorithm::Hs512, &[7; 32]).expect("a secret").is_short());
    let shown = format!("{short:?}");
    assert!(!shown.contains("hunter2") && shown.contains("Hs256"), "{shown}");
}
