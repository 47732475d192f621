//! Tokens: any text, and valid tokens with changes.

use std::sync::LazyLock;
use std::time::Duration;

use ws_auth::{Algorithm, Key, Verifier, VerifierOptions, mint, read_key_set};
use ws_core::Authenticator;

const NOW_MS: u64 = 1_800_000_000_000;

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../crates/ws-auth/tests/keys/", $name))
    };
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let public = |algorithm, pem: &[u8]| Key::public_pem(algorithm, pem, None).expect("a public key");
    let keys = vec![
        secret(),
        public(Algorithm::Rs256, pem!("rsa.pub.pem")),
        public(Algorithm::Ps256, pem!("rsa.pub.pem")),
        public(Algorithm::Es256, pem!("p256.pub.pem")),
        public(Algorithm::Es384, pem!("p384.pub.pem")),
        public(Algorithm::EdDsa, pem!("ed25519.pub.pem")),
    ];
    Verifier::new(VerifierOptions { keys, leeway: Duration::from_secs(5), ..VerifierOptions::default() })
});

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let claims = serde_json::json!({"sub": "ann", "exp": 1_900_000_000, "channels": ["a"], "info": {"n": 1}});
    mint(&secret(), &claims).expect("a secret signs")
});

fn secret() -> Key {
    Key::secret(Algorithm::Hs256, b"a secret of thirty-two bytes, or more", None).expect("a secret")
}

/// The first byte says what the rest is: a token, changes to a valid one, or a key set.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => any(rest),
        1 => changed(rest),
        _ => {
            if let Ok(set) = read_key_set(rest) {
                VERIFIER.set_published(set.keys);
                assert!(VERIFIER.check(&GOOD, NOW_MS).is_ok(), "what is published takes nothing away");
            }
        }
    }
}

fn any(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        // Nobody finds a signature by chance.
        assert!(text == *GOOD || VERIFIER.check(text, NOW_MS).is_err() || says_the_same(text), "{text}");
    }
}

/// Pairs of an index and the letter to put there.
fn changed(changes: &[u8]) {
    let mut token = GOOD.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % token.len();
        token[at] = change[2] & 0x7f;
    }
    let text = String::from_utf8(token).expect("ASCII");
    assert!(VERIFIER.check(&text, NOW_MS).is_err() || says_the_same(&text), "{text}");
}

/// Only unused bits of the signature's last letter may differ.
fn says_the_same(text: &str) -> bool {
    text.len() == GOOD.len() && text[..text.len() - 1] == GOOD[..GOOD.len() - 1]
}
