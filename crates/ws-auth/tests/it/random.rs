//! Whatever comes: no panic, and nothing passes that was not signed so.

use proptest::prelude::*;
use serde_json::json;
use ws_auth::{Algorithm, Key, Verifier, read_key_set};

use crate::keys::{base64url, pair, signed};
use crate::{SECRET, check, secret, token, verifier};

fn everything() -> Verifier {
    let public =
        |algorithm: &&Algorithm| Key::public_pem(**algorithm, pair(**algorithm).1, None).expect("a public key");
    let asymmetric = Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric());
    verifier(asymmetric.map(|algorithm| public(&algorithm)).chain([secret(None)]).collect())
}

/// Tokens that are in order, of different algorithms.
fn good() -> Vec<String> {
    let asymmetric = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(|algorithm| {
        let header = json!({"alg": algorithm.as_str()}).to_string();
        signed(&header, r#"{"sub":"ann","channels":["a"]}"#, algorithm, pair(algorithm).0)
    });
    asymmetric.into_iter().chain([token(&json!({"exp": u32::MAX, "info": {"a": 1}}))]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_no_token(text in ".{0,200}") {
        prop_assert!(check(&everything(), &text).is_err());
    }

    #[test]
    fn any_claims_are_judged(payload in "\\{\"(sub|exp|aud|info|channels)\":.{0,40}\\}") {
        let signed = signed(r#"{"alg":"HS256"}"#, &payload, Algorithm::Hs256, SECRET);
        let _ = check(&everything(), &signed);
    }

    #[test]
    fn any_header_is_refused(header in "\\{\"(alg|kid|crit)\":.{0,40}\\}", signature in "[A-Za-z0-9_-]{0,60}") {
        let text = format!("{}.{}.{signature}", base64url(header), base64url(r#"{"sub":"ann"}"#));
        prop_assert!(check(&everything(), &text).is_err());
    }

    /// One letter changed: what still passes says the same, for the last letter of base64 has bits that count nothing.
    #[test]
    fn a_changed_token_is_another(which in 0usize..4, at in any::<prop::sample::Index>(), letter in "[ -~]") {
        let good = &good()[which];
        let at = at.index(good.len());
        let changed = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
        prop_assume!(changed != *good);
        let verifier = everything();
        if let Ok(claims) = check(&verifier, &changed) {
            let before = check(&verifier, good).expect("in order");
            prop_assert_eq!(format!("{claims:?}"), format!("{before:?}"));
            prop_assert!(at > good.rfind('.').expect("three parts"), "only of the signature");
        }
    }

    #[test]
    fn any_bytes_are_a_key_set_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_key_set(&bytes);
    }

    #[test]
    fn any_key_is_used_or_skipped(kty in "RSA|EC|OKP|oct", crv in "P-256|P-384|Ed25519", x in ".{0,50}", y in ".{0,50}") {
        let key = json!({"kty": kty, "crv": crv, "x": x, "y": y, "n": x, "e": y, "k": x});
        let set = read_key_set(json!({"keys": [key]}).to_string().as_bytes()).expect("a key set");
        prop_assert_eq!(set.keys.len() + set.skipped, 1);
    }
}
