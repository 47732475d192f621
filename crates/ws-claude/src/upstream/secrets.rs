//! What must not be seen, masked in the words of others: providers and gateways repeat keys in their errors.

use std::fmt;

use super::settings::Settings;

/// In place of a secret.
const MASK: &str = "…";

/// A piece of a secret of so many bytes is one as well: some show the beginning of a key.
const PIECE_BYTES_MIN: usize = 8;

/// The key, and what is secret in the URL.
#[derive(Clone)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(settings: &Settings) -> Self {
        let key = settings.key.reveal().to_owned();
        Secrets([key].into_iter().chain(settings.base_url.secrets().map(str::to_owned)).collect())
    }

    /// What others say, as it may be shown: masked, and of at most so many bytes.
    pub(super) fn shown(&self, text: &str, bytes_max: usize) -> String {
        // Cut first, for a text may be long. What the cut leaves of a secret is a piece like others.
        let mut masked = self.mask(short(text, bytes_max));
        masked.truncate(masked.floor_char_boundary(bytes_max));
        masked
    }

    /// The text with a mask in place of each secret, and of each longer piece of one.
    pub(super) fn mask(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            match self.0.iter().map(|secret| piece(secret, rest)).max() {
                Some(len @ 1..) => {
                    out.push_str(MASK);
                    rest = &rest[len..];
                }
                _ => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// The beginning of a text, of at most so many bytes.
fn short(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// How many bytes at the beginning of `text` are a piece of the secret that is long enough.
fn piece(secret: &str, text: &str) -> usize {
    let shared = |from: &str| from.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    let longest = secret.char_indices().map(|(at, _)| shared(&secret[at..])).max().unwrap_or(0);
    let is_secret = longest >= PIECE_BYTES_MIN.min(secret.len());
    if is_secret && text.is_char_boundary(longest) { longest } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_pieces_are_masked() {
        let secrets = Secrets(vec!["sk-ant-api03-swordfish".to_owned(), "ann".to_owned()]);
        let check = |text: &str, expect: &str| assert_eq!(secrets.mask(text), expect, "{text}");
        check("", "");
        check("overloaded", "overloaded");
        check("key sk-ant-api03-swordfish, please", "key …, please");
        check("key sk-ant-api03-s... and ...swordfish", "key …... and ...…");
        check("key sk-ant- is a beginning", "key sk-ant- is a beginning");
        check("sk-ant-api03-swordfishsk-ant-api03-swordfish", "……");
        check("übersk-ant-api03-swordfishü", "über…ü");
        check("user ann", "user …");
    }

    #[test]
    fn what_is_shown_is_short() {
        let secrets = Secrets(vec!["sk-ant-api03-swordfish".to_owned(), "x".to_owned()]);
        let check = |text: &str, expect: &str| assert_eq!(secrets.shown(text, 10), expect, "{text}");
        check("0123456789a", "0123456789");
        check("012345678ü", "012345678");
        check("sk-ant-api03-swordfish", "…");
        check("0sk-ant-api03-swordfish", "0…");
        check("0123sk-ant-api03-swordfish", "0123sk-ant");
        check("xxxxxxxxxx", "………");
    }
}
