//! What claims say, and when they do not count.

use std::time::Duration;

use serde_json::{Value, json};
use ws_auth::{Verifier, VerifierOptions};
use ws_core::TokenError;

use crate::{NOW_S, check, outcome, secret, token, verifier};

const EXPIRED: &str = "the token has expired";

#[track_caller]
fn gives(claims: &Value, expect: Result<(), &str>) {
    let outcome = outcome(&verifier(vec![secret(None)]), &token(claims)).map(drop);
    assert_eq!(outcome, expect.map_err(str::to_owned), "{claims}");
}

#[test]
fn times() {
    let (not_yet, number) = (|name| format!("the token is not valid yet (`{name}`)"), "a number of seconds since 1970");
    for exp in [json!(NOW_S + 1), json!(NOW_S), json!(NOW_S - 4), json!(NOW_S as f64 - 4.5)] {
        gives(&json!({"exp": exp}), Ok(()));
    }
    for exp in [json!(NOW_S - 5), json!(NOW_S as f64 - 5.001), json!(0), json!(1.5)] {
        gives(&json!({"exp": exp}), Err(EXPIRED));
    }
    for name in ["nbf", "iat"] {
        for from in [json!(NOW_S + 5), json!(0), json!(NOW_S as f64 + 4.9)] {
            gives(&json!({name: from}), Ok(()));
        }
        gives(&json!({name: NOW_S + 6}), Err(&not_yet(name)));
        gives(&json!({name: NOW_S + 6, "exp": NOW_S - 100}), Err(&not_yet(name)));
    }
    for name in ["exp", "nbf", "iat"] {
        for wrong in [json!("1800000000"), json!(-1), json!([1]), json!(true), json!(null)] {
            gives(&json!({name: wrong}), Err(&format!("`{name}` must be {number}")));
        }
        for late in [json!(NOW_S * 1000), json!(1e300), json!(u64::MAX), json!(253_402_300_800u64)] {
            gives(
                &json!({name: late}),
                Err(&format!("`{name}` is after the year 9999: it must be in seconds, not milliseconds")),
            );
        }
    }
    gives(&json!({"exp": 253_402_300_799u64}), Ok(()));
    let claims = check(&verifier(vec![secret(None)]), &token(&json!({"exp": NOW_S as f64 + 0.25}))).expect("in order");
    assert_eq!(claims.expires_at_ms, Some(NOW_S * 1000 + 250));
}

#[test]
fn users() {
    gives(&json!({"sub": "é".repeat(127)}), Ok(()));
    gives(&json!({"sub": "anna, bob"}), Ok(()));
    let bytes = "`sub` must be 1 to 255 bytes long, without control characters";
    for wrong in [json!(""), json!("é".repeat(128)), json!("a\u{0}b"), json!("a\n")] {
        gives(&json!({"sub": wrong}), Err(bytes));
    }
    for wrong in [json!(null), json!(7), json!(["ann"])] {
        gives(&json!({"sub": wrong}), Err("`sub` must be a string: the name of the user"));
    }
}

#[test]
fn whom_it_is_for_and_from() {
    let verifier = Verifier::new(VerifierOptions {
        keys: vec![secret(None)],
        audience: Some("chat".to_owned()),
        issuer: Some("https://id.example".to_owned()),
        leeway: Duration::ZERO,
    });
    let check = |aud: Value, iss: Value, expect: Option<&str>| {
        let outcome = outcome(&verifier, &token(&json!({"aud": aud, "iss": iss})));
        assert_eq!(outcome.err().as_deref(), expect, "{aud} {iss}");
    };
    let issuer = || json!("https://id.example");
    check(json!("chat"), issuer(), None);
    check(json!(["shop", "chat"]), issuer(), None);
    for wrong in [json!("Chat"), json!("chat2"), json!([]), json!(["shop"]), json!(null), json!(7), json!([["chat"]])] {
        check(wrong, issuer(), Some("the token is for another audience (`aud`)"));
    }
    for wrong in [json!("https://id.example/"), json!(null), json!(["https://id.example"])] {
        check(json!("chat"), wrong, Some("the token is from another issuer (`iss`)"));
    }
    let expired = token(&json!({"aud": "shop", "exp": 1}));
    assert!(matches!(crate::check(&verifier, &expired), Err(TokenError::Invalid(_))), "only what is in order expires");
    gives(&json!({"aud": "whatever", "iss": 7}), Ok(()));
}

#[test]
fn grants_and_lists() {
    let claims = json!({
        "info": {"name": "Ann", "n": 1.50}, "channels": ["a", "b"], "subscribe": ["chat:*"], "publish": ["chat:a"],
        "presence": ["*"], "history": [], "actions": ["broadcast"], "jti": "7", "more": {"deep": [1]},
    });
    let claims = check(&verifier(vec![secret(None)]), &token(&claims)).expect("in order");
    assert_eq!(claims.info.expect("there").get(), r#"{"n":1.5,"name":"Ann"}"#);
    assert_eq!((claims.channels, claims.channel), (vec!["a".to_owned(), "b".to_owned()], None));
    let grants = claims.grants;
    assert!(grants.subscribe.cover("chat:x") && !grants.subscribe.cover("news:x"));
    assert!(grants.publish.cover("chat:a") && !grants.publish.cover("chat:x"));
    assert!(grants.presence.cover("x") && !grants.history.cover("x") && grants.actions.cover("broadcast"));
    for name in ["channels", "subscribe", "publish", "presence", "history", "actions"] {
        gives(&json!({name: null}), Ok(()));
        for wrong in [json!("a"), json!({"a": 1}), json!([1]), json!([["a"]]), json!(["a", null])] {
            gives(&json!({name: wrong}), Err(&format!("`{name}` must be a list of strings")));
        }
    }
    let one = check(&verifier(vec![secret(None)]), &token(&json!({"channel": "a", "info": null}))).expect("in order");
    assert_eq!((one.channel.as_deref(), one.info.is_none()), (Some("a"), true));
    gives(&json!({"channel": ["a"]}), Err("`channel` must be a string"));
}
