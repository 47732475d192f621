//! Key sets as providers publish them.

use serde_json::{Value, json};
use ws_auth::{Algorithm, KEY_SET_BYTES_MAX, KeySetError, read_key_set};

/// RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
fn curve() -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
}

fn rsa() -> Value {
    json!({"kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"})
}

fn edwards() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn changed(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

/// The algorithms of the keys that can be used, and how many cannot.
#[track_caller]
fn check(keys: &[Value], expect: &[Algorithm], skipped: usize) {
    let set = read_key_set(json!({"keys": keys}).to_string().as_bytes()).expect("a key set");
    let algorithms: Vec<_> = set.keys.iter().map(|key| key.algorithm()).collect();
    assert_eq!((algorithms.as_slice(), set.skipped), (expect, skipped));
}

#[test]
fn what_can_be_used() {
    check(&[curve(), rsa(), edwards()], &[Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa], 0);
    check(&[changed(rsa(), "alg", json!("PS512"))], &[Algorithm::Ps512], 0);
    check(&[changed(rsa(), "alg", json!(null))], &[Algorithm::Rs256], 0);
    check(&[changed(rsa(), "key_ops", json!(["verify"]))], &[Algorithm::Rs256], 0);
    check(&[], &[], 0);
}

#[test]
fn what_is_skipped() {
    let secret = json!({"kty": "oct", "alg": "HS256", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"});
    for wrong in [
        secret.clone(),
        changed(rsa(), "alg", json!("HS256")),
        changed(rsa(), "alg", json!("ES256")),
        changed(rsa(), "alg", json!("RSA-OAEP")),
        changed(rsa(), "use", json!("enc")),
        changed(rsa(), "key_ops", json!(["sign"])),
        changed(rsa(), "n", json!("AQAB")),
        changed(rsa(), "n", json!("%")),
        changed(curve(), "crv", json!("P-521")),
        changed(curve(), "crv", json!("P-384")),
        changed(curve(), "x", json!("AAAA")),
        changed(edwards(), "crv", json!("X25519")),
        changed(edwards(), "x", json!("")),
        json!({"kty": "PQC"}),
        json!({}),
        json!(7),
    ] {
        check(&[wrong, curve()], &[Algorithm::Es256], 1);
    }
}

#[test]
fn what_is_no_key_set() {
    for wrong in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[}"#, "<html>"] {
        assert!(matches!(read_key_set(wrong.as_bytes()), Err(KeySetError::Malformed(_))), "{wrong}");
    }
    let long = vec![b' '; KEY_SET_BYTES_MAX + 1];
    assert_eq!(read_key_set(&long).map(drop), Err(KeySetError::TooLong));
    let many = vec![edwards(); 100];
    let set = read_key_set(json!({"keys": many}).to_string().as_bytes()).expect("a key set");
    assert_eq!((set.keys.len(), set.skipped), (64, 36));
}
