//! The API key.

use std::fmt;

/// The key for the provider's API. Neither `Debug` nor anything else shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// The key cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing in it but white space.
    #[error("is empty")]
    Empty,
    /// No header can carry it (RFC 9110, section 5.5; ASCII alone).
    #[error("contains a character that no HTTP header can carry, such as a line break or a letter beyond ASCII")]
    Unsendable,
}

impl Key {
    /// The key in `text`, without the white space around it.
    ///
    /// # Errors
    /// When it is empty, or no header can carry it. The error does not contain it.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        match text.trim() {
            "" => Err(KeyError::Empty),
            key if key.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(Key(key.to_owned())),
            _ => Err(KeyError::Unsendable),
        }
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_a_header_can_carry() {
        let check = |text: &str, expect: Result<&str, KeyError>| {
            assert_eq!(Key::new(text).as_ref().map(Key::reveal), expect.as_ref().copied(), "{text:?}");
        };
        check("sk-ant-api03-x", Ok("sk-ant-api03-x"));
        check("\u{a0} sk-ant-api03-x\r\n", Ok("sk-ant-api03-x"));
        check("two words", Ok("two words"));
        check(" \n\t", Err(KeyError::Empty));
        check("a\nb", Err(KeyError::Unsendable));
        check("a\u{7f}b", Err(KeyError::Unsendable));
        check("schlüssel", Err(KeyError::Unsendable));
    }

    #[test]
    fn nothing_shows_it() {
        let key = Key::new("swordfish").expect("a key");
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert!(
            !format!("{:?} {}", Key::new("sword\nfish"), Key::new("sword\nfish").expect_err("no")).contains("sword")
        );
    }
}
