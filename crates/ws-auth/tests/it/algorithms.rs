//! Every algorithm, signatures that others made, and the change of keys.

use serde_json::json;
use ws_auth::{Algorithm, Key};
use ws_core::{Authenticator, TokenError};

use crate::keys::{pair, signed};
use crate::{SECRET, check, outcome, secret, token, verifier};

fn key(algorithm: Algorithm) -> Key {
    match algorithm.is_symmetric() {
        true => Key::secret(algorithm, SECRET, None).expect("a secret"),
        false => Key::public_pem(algorithm, pair(algorithm).1, None).expect("a public key"),
    }
}

#[test]
fn each_one_signs_and_verifies_for_itself_alone() {
    for algorithm in Algorithm::ALL {
        let private = if algorithm.is_symmetric() { SECRET } else { pair(*algorithm).0 };
        let header = json!({"alg": algorithm.as_str(), "typ": "JWT"}).to_string();
        let token = signed(&header, r#"{"sub":"ann"}"#, *algorithm, private);
        for other in Algorithm::ALL {
            let expect = match other == algorithm {
                true => Ok("ann".to_owned()),
                false => Err("no known key has its algorithm and key id (`alg`, `kid`)".to_owned()),
            };
            assert_eq!(outcome(&verifier(vec![key(*other)]), &token), expect, "{algorithm:?} with {other:?}");
        }
    }
}

/// RFC 7515, appendix A.1: HS256, with an `exp` of 2011.
#[test]
fn the_first_example_of_the_rfc() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let secret = [
        3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40, 169,
        15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61,
        46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
    ];
    let key = Key::secret(Algorithm::Hs256, &secret, None).expect("a secret");
    // The signature is good, so it is the claims that are judged: there is no user in them.
    assert_eq!(outcome(&verifier(vec![key]), token), Err("`sub` must be a string: the name of the user".to_owned()));
    assert_eq!(outcome(&verifier(vec![secret_of_ours()]), token), Err("its signature is not valid".to_owned()));
}

fn secret_of_ours() -> Key {
    secret(None)
}

#[test]
fn several_keys_and_names() {
    let named =
        |kid: &str, secret: &[u8]| Key::secret(Algorithm::Hs256, secret, Some(kid.to_owned())).expect("a secret");
    let keys = || vec![named("old", b"the old secret"), named("new", SECRET)];
    let with = |kid: &str| {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        signed(&header, r#"{"sub":"ann"}"#, Algorithm::Hs256, SECRET)
    };
    let no_key = Err("no known key has its algorithm and key id (`alg`, `kid`)".to_owned());
    assert_eq!(outcome(&verifier(keys()), &with("new")), Ok("ann".to_owned()));
    assert_eq!(outcome(&verifier(keys()), &with("old")), Err("its signature is not valid".to_owned()));
    assert_eq!(outcome(&verifier(keys()), &with("other")), no_key);
    assert_eq!(outcome(&verifier(keys()), &token(&json!({}))), Ok("ann".to_owned()), "without a name, each is tried");
    assert_eq!(outcome(&verifier(vec![secret(None)]), &with("any")), Ok("ann".to_owned()), "a key without a name");
    assert_eq!(outcome(&verifier(vec![]), &with("new")), no_key);
}

/// A name that is not known is worth looking for where keys are published, which secrets never are.
#[test]
fn keys_that_may_be_published_by_now() {
    let verifier = verifier(vec![secret(Some("old"))]);
    let kind = |header: serde_json::Value| {
        let header = crate::keys::base64url(header.to_string());
        check(&verifier, &format!("{header}.{}.AAAA", crate::keys::base64url("{}"))).map_err(|error| match error {
            TokenError::UnknownKey(_) => "unknown",
            TokenError::Invalid(_) => "invalid",
        })
    };
    for algorithm in Algorithm::ALL {
        let expect = if algorithm.is_symmetric() { "invalid" } else { "unknown" };
        assert_eq!(kind(json!({"alg": algorithm.as_str(), "kid": "new"})).err(), Some(expect), "{algorithm:?}");
        assert_eq!(kind(json!({"alg": algorithm.as_str()})).err(), Some("invalid"), "{algorithm:?} without a name");
    }
    assert_eq!(kind(json!({"alg": "none", "kid": "new"})).err(), Some("invalid"));
}

#[test]
fn published_keys_change_and_those_of_the_configuration_stay() {
    let verifier = verifier(vec![secret(None)]);
    let ours = token(&json!({}));
    let of = |algorithm: Algorithm| {
        let header = json!({"alg": algorithm.as_str()}).to_string();
        signed(&header, r#"{"sub":"bob"}"#, algorithm, pair(algorithm).0)
    };
    let (first, second) = (of(Algorithm::Es256), of(Algorithm::EdDsa));
    let known = |token: &str| check(&verifier, token).is_ok();
    assert_eq!([&ours, &first, &second].map(|token| known(token)), [true, false, false]);
    verifier.set_published(vec![key(Algorithm::Es256)]);
    assert_eq!([&ours, &first, &second].map(|token| known(token)), [true, true, false]);
    verifier.set_published(vec![key(Algorithm::EdDsa)]);
    assert_eq!([&ours, &first, &second].map(|token| known(token)), [true, false, true]);
    assert!(verifier.check(&ours, 0).is_ok());
}
