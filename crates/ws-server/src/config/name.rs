//! The names of sections and keys, in the file and as environment variables.

use std::fmt::{self, Write};

/// The path of a section: `limits`, `engine.memory`, `namespaces.chat`; empty for the top of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SectionPath(Vec<String>);

impl SectionPath {
    pub(crate) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self(words.into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether `other` lies in this section, however deep.
    pub(crate) fn leads_to(&self, other: &Self) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }

    pub(crate) fn to_ascii_lowercase(&self) -> Self {
        Self(self.0.iter().map(|word| word.to_ascii_lowercase()).collect())
    }
}

/// Splits a path at its dots. For our own names, which contain no others.
impl From<&str> for SectionPath {
    fn from(dotted: &str) -> Self {
        Self::new(dotted.split('.').filter(|word| !word.is_empty()))
    }
}

impl fmt::Display for SectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_char('.')?;
            }
            write_word(f, word)?;
        }
        Ok(())
    }
}

/// The full name of a key: `limits.connections_max`, or `addr` where the section is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub(crate) section: SectionPath,
    pub(crate) key: String,
}

impl KeyName {
    pub(crate) fn new(section: impl Into<SectionPath>, key: &str) -> Self {
        Self { section: section.into(), key: key.to_owned() }
    }

    /// This name as the path of a section.
    pub(crate) fn to_section(&self) -> SectionPath {
        SectionPath([self.section.words(), std::slice::from_ref(&self.key)].concat())
    }

    /// `WS_SERVER__LIMITS__CONNECTIONS_MAX`
    pub(crate) fn variable(&self) -> String {
        let words: Vec<_> =
            self.section.words().iter().chain([&self.key]).map(|word| word.to_ascii_uppercase()).collect();
        format!("WS_SERVER__{}", words.join("__"))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_section().fmt(f)
    }
}

/// As in TOML: in quotes, unless it consists of letters, digits, `_` and `-`.
fn write_word(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !word.is_empty() && word.bytes().all(is_bare) {
        return f.write_str(word);
    }
    f.write_char('"')?;
    for c in word.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expect: &str) {
        let path = SectionPath::new(words.iter().copied()).to_string();
        assert_eq!(path, expect);
        if !words.is_empty() {
            let parsed: toml::Table = format!("[{path}]").parse().expect("TOML");
            assert_eq!(parsed.keys().next().map(String::as_str), Some(words[0]));
        }
    }

    #[test]
    fn paths_are_toml() {
        check(&[], "");
        check(&["engine", "memory"], "engine.memory");
        check(&["a.b", "c"], "\"a.b\".c");
        check(&["", "c"], "\"\".c");
        check(&["a\"\\\n"], "\"a\\\"\\\\\\u000A\"");
        check(&["聊天"], "\"聊天\"");
    }

    #[test]
    fn variables() {
        let name = KeyName::new("namespaces.chat", "history_size");
        assert_eq!(
            (name.to_string().as_str(), name.variable().as_str()),
            ("namespaces.chat.history_size", "WS_SERVER__NAMESPACES__CHAT__HISTORY_SIZE")
        );
        assert_eq!(KeyName::new("", "addr").variable(), "WS_SERVER__ADDR");
    }

    #[test]
    fn ways() {
        let leads = |from: &str, to: &str| SectionPath::from(from).leads_to(&to.into());
        assert!(leads("engine", "engine.memory") && leads("", "limits"));
        assert!(!leads("engine.memory", "engine.memory") && !leads("eng", "engine.memory"));
    }
}
