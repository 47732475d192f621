//! The attacks that are known: each is refused, and says why in words that help an honest developer.

use serde_json::json;
use ws_auth::{Algorithm, Key, TOKEN_BYTES_MAX};
use ws_core::TokenError;

use crate::keys::{RSA_PUBLIC, base64url, pair, signed};
use crate::{SECRET, check, outcome, secret, token, verifier};

const PAYLOAD: &str = r#"{"sub":"mallory"}"#;
const NO_KEY: &str = "no known key has its algorithm and key id (`alg`, `kid`)";
const BAD_SIGNATURE: &str = "its signature is not valid";
const NO_TOKEN: &str = "it is not a JSON Web Token (three parts separated by dots)";

/// A verifier with a secret and a public key of each kind.
#[track_caller]
fn refused(token: &str, expect: &str) {
    let public = |algorithm| Key::public_pem(algorithm, pair(algorithm).1, None).expect("a public key");
    let keys = vec![secret(None), public(Algorithm::Rs256), public(Algorithm::Es256), public(Algorithm::EdDsa)];
    let verifier = verifier(keys);
    assert_eq!(outcome(&verifier, token), Err(expect.to_owned()));
    assert!(matches!(check(&verifier, token), Err(TokenError::Invalid(_))));
}

#[test]
fn no_algorithm() {
    for none in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256\u{0}"] {
        let header = base64url(json!({"alg": none}).to_string());
        let payload = base64url(PAYLOAD);
        for signature in ["", "AAAA"] {
            refused(&format!("{header}.{payload}.{signature}"), NO_KEY);
        }
    }
    let without = format!("{}.{}.", base64url("{}"), base64url(PAYLOAD));
    refused(&without, "its header is invalid: missing field `alg`");
    let number = format!("{}.{}.", base64url(r#"{"alg":0}"#), base64url(PAYLOAD));
    refused(&number, "its header is invalid: a field has the wrong type");
    let twice = format!("{}.{}.", base64url(r#"{"alg":"HS256","alg":"none"}"#), base64url(PAYLOAD));
    refused(&twice, "its header is invalid: duplicate field `alg`");
}

#[test]
fn a_public_key_as_the_secret() {
    for public in [RSA_PUBLIC, pair(Algorithm::Es256).1, pair(Algorithm::EdDsa).1] {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let header = json!({"alg": algorithm.as_str()}).to_string();
            let token = signed(&header, PAYLOAD, algorithm, public);
            let expect = if algorithm == Algorithm::Hs256 { BAD_SIGNATURE } else { NO_KEY };
            refused(&token, expect);
            let rsa_alone = Key::public_pem(Algorithm::Rs256, RSA_PUBLIC, None).expect("a public key");
            assert_eq!(outcome(&verifier(vec![rsa_alone]), &token), Err(NO_KEY.to_owned()));
        }
    }
}

#[test]
fn a_header_that_lies_about_the_algorithm() {
    refused(&signed(r#"{"alg":"RS256"}"#, PAYLOAD, Algorithm::Hs256, SECRET), BAD_SIGNATURE);
    refused(&signed(r#"{"alg":"ES256"}"#, PAYLOAD, Algorithm::Hs256, SECRET), BAD_SIGNATURE);
    refused(&signed(r#"{"alg":"PS256"}"#, PAYLOAD, Algorithm::Rs256, pair(Algorithm::Rs256).0), NO_KEY);
    refused(&signed(r#"{"alg":"RS256"}"#, PAYLOAD, Algorithm::Ps256, pair(Algorithm::Ps256).0), BAD_SIGNATURE);
}

#[test]
fn key_ids_are_only_names() {
    let long = "k".repeat(5_000);
    for kid in ["../../../dev/null", "' OR '1'='1", "/proc/self/environ", "http://evil.example/key", "\u{0}", &long] {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        let named = verifier(vec![secret(Some("real"))]);
        for stolen in [b"".as_slice(), b"\0", b"guess"] {
            let token = signed(&header, PAYLOAD, Algorithm::Hs256, stolen);
            assert_eq!(outcome(&named, &token), Err(NO_KEY.to_owned()));
        }
    }
    let list = signed(r#"{"alg":"HS256","kid":["real"]}"#, PAYLOAD, Algorithm::Hs256, SECRET);
    refused(&list, "its header is invalid: a field has the wrong type");
}

#[test]
fn a_token_does_not_bring_its_key() {
    let (private, _) = pair(Algorithm::Es384);
    let jwk = json!({"kty": "oct", "k": base64url("guess")});
    for header in [
        json!({"alg": "HS256", "jwk": jwk}),
        json!({"alg": "HS256", "jku": "https://evil.example/keys.json", "x5u": "https://evil.example/x"}),
        json!({"alg": "HS256", "x5c": ["MIIB"]}),
    ] {
        refused(&signed(&header.to_string(), PAYLOAD, Algorithm::Hs256, b"guess"), BAD_SIGNATURE);
    }
    refused(&signed(r#"{"alg":"ES384"}"#, PAYLOAD, Algorithm::Es384, private), NO_KEY);
    let crit = signed(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, PAYLOAD, Algorithm::Hs256, SECRET);
    refused(&crit, "its header requires extensions (`crit`), and none are supported");
}

#[test]
fn too_long() {
    let padding = |bytes: usize| token(&json!({"info": "x".repeat(bytes)}));
    refused(&padding(TOKEN_BYTES_MAX), &format!("it is {} bytes long, more than 8192", padding(TOKEN_BYTES_MAX).len()));
    let verifier = verifier(vec![secret(None)]);
    assert_eq!(outcome(&verifier, &padding(6_000)), Ok("ann".to_owned()));
    refused(&"a".repeat(8_193), "it is 8193 bytes long, more than 8192");
    refused(&".".repeat(8_192), NO_TOKEN);
}

#[test]
fn parts_that_are_missing_or_too_many() {
    let good = token(&json!({}));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for wrong in ["", ".", "x", header, &format!("{header}.{payload}"), &format!("{good}."), &format!("{good}.x")] {
        refused(wrong, NO_TOKEN);
    }
    refused("..", "its header is not a JSON object");
    refused(&format!(".{payload}.{signature}"), "its header is not a JSON object");
    refused(&format!("{header}..{signature}"), BAD_SIGNATURE);
    refused(&format!("{header}.{payload}."), BAD_SIGNATURE);
    refused(&format!(" {good}"), "its header is not base64url");
    refused(&format!("{good} "), BAD_SIGNATURE);
    refused(&format!("{good}\n"), BAD_SIGNATURE);
    refused(&format!("{good}="), BAD_SIGNATURE);
    refused(&format!("{header}=.{payload}.{signature}"), "its header is not base64url");
    refused(&format!("Bearer {good}"), "its header is not base64url");
    refused("é.é.é", "its header is not base64url");
    refused(&format!("{}.{payload}.{signature}", base64url("nonsense")), "its header is not a JSON object");
    refused(&format!("{}.{payload}.{signature}", base64url("[]")), "its header is not a JSON object");
    refused(&format!("{}.{payload}.{signature}", base64url("{")), "its header is not JSON");
    refused(&format!("{}.{payload}.{signature}", base64url("{\"a\":".repeat(500))), "its header is not JSON");
}

#[test]
fn signatures_of_something_else() {
    let good = token(&json!({}));
    let other = token(&json!({"info": 1}));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (good, other) = (parts(&good), parts(&other));
    refused(&format!("{}.{}.{}", good[0], good[1], other[2]), BAD_SIGNATURE);
    refused(&format!("{}.{}.{}", good[0], other[1], good[2]), BAD_SIGNATURE);
    for cut in [1, good[2].len() / 2, good[2].len() - 1] {
        refused(&format!("{}.{}.{}", good[0], good[1], &good[2][..cut]), BAD_SIGNATURE);
    }
    refused(&signed(r#"{"alg":"HS256"}"#, PAYLOAD, Algorithm::Hs256, b"guess"), BAD_SIGNATURE);
}

/// What has no valid signature learns nothing about its claims.
#[test]
fn the_signature_comes_first() {
    for payload in [r#"{"sub":"ann","exp":1}"#, r#"{"sub":""}"#, "nonsense", "[]"] {
        refused(&signed(r#"{"alg":"HS256"}"#, payload, Algorithm::Hs256, b"guess"), BAD_SIGNATURE);
    }
    for payload in ["nonsense", "[]", "null", ""] {
        refused(&signed(r#"{"alg":"HS256"}"#, payload, Algorithm::Hs256, SECRET), "its payload is not a JSON object");
    }
    refused(&signed(r#"{"alg":"HS256"}"#, "{\"sub\"", Algorithm::Hs256, SECRET), "its payload is not JSON");
    let twice = signed(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","sub":"bob"}"#, Algorithm::Hs256, SECRET);
    refused(&twice, "its payload is invalid: duplicate field `sub`");
}
