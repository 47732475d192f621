//! A text.

use super::setting::{InvalidValue, Setting, Typed};

/// How long it may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    bytes_max: usize,
    /// Whether it may have line breaks and tabs.
    has_lines: bool,
}

pub(crate) const fn text(bytes_max: usize) -> Text {
    Text { bytes_max, has_lines: false }
}

/// The same with several lines.
pub(crate) const fn lines(bytes_max: usize) -> Text {
    Text { bytes_max, has_lines: true }
}

impl Text {
    fn forbids(self, c: char) -> bool {
        c.is_control() && !(self.has_lines && matches!(c, '\n' | '\r' | '\t'))
    }
}

impl Setting for String {
    type Rule = Text;

    fn read(rule: &Text, typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().filter(|text| !text.is_empty() && text.len() <= rule.bytes_max);
        text.filter(|text| !text.contains(|c| rule.forbids(c))).map(str::to_owned).ok_or_else(|| typed.invalid())
    }

    fn show(&self, _: &Text) -> String {
        toml::Value::String(self.clone()).to_string()
    }

    fn allowed(rule: &Text) -> String {
        let but = if rule.has_lines { " but line breaks and tabs" } else { "" };
        format!("a text of 1 to {} bytes without control characters{but}", rule.bytes_max)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Setting for Secret {
    type Rule = Text;

    fn read(rule: &Text, typed: &Typed) -> Result<Self, InvalidValue> {
        String::read(rule, typed).map(Secret)
    }

    fn show(&self, _: &Text) -> String {
        // Keys with a secret are marked as such, so this is never printed. If it were, it would be harmless.
        "\"…\"".to_owned()
    }

    fn allowed(rule: &Text) -> String {
        String::allowed(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let read = |text: &str| String::read(&text_of(4), &Typed::Quoted(text.to_owned())).ok();
        assert_eq!(read(" a\" "), Some("a\"".to_owned()));
        assert_eq!([read(""), read("abcde"), read("a\u{0}"), read("éé")], [None, None, None, Some("éé".to_owned())]);
        assert!(String::read(&text_of(4), &Typed::Integer(1)).is_err());
        let two_lines = Typed::Quoted("a\nb".to_owned());
        assert!(String::read(&text_of(4), &two_lines).is_err() && String::read(&lines(4), &two_lines).is_ok());
        assert_eq!("a\"b".to_owned().show(&text_of(4)).parse::<toml::Value>().ok(), Some("a\"b".into()));
    }

    fn text_of(bytes_max: usize) -> Text {
        text(bytes_max)
    }

    #[test]
    fn missing_texts() {
        let read = |text: &str| Option::<String>::read(&text_of(4), &Typed::Bare(text.to_owned()));
        assert_eq!((read(""), read("a")), (Ok(None), Ok(Some("a".to_owned()))));
        assert!(read("abcde").is_err());
        assert_eq!(None::<String>.show(&text_of(4)), "\"\"");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::read(&text_of(40), &Typed::Bare("swordfish".to_owned())).expect("a text");
        assert_eq!(secret.reveal(), "swordfish");
        assert!(![format!("{secret:?}"), secret.show(&text_of(40))].iter().any(|shown| shown.contains("sword")));
    }
}
