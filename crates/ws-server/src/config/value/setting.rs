//! What every kind of value does with what was typed.

use std::fmt;

/// A value as typed in its source, before parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// From a variable or a flag, where everything is text: `25s`, `64_000`, `a:1,b:2`.
    Bare(String),
    /// A string of the file.
    Quoted(String),
    /// A number of the file.
    Integer(i128),
    /// A `true` or `false` of the file.
    Boolean(bool),
    List(Vec<Typed>),
    /// A section of the file, with or without keys.
    Section,
    /// Something that no key takes, in words: a float, a date, a table.
    Other(String),
}

impl Typed {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Quoted(text) => Some(text.trim_ascii()),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Section | Self::Other(_) => None,
        }
    }

    pub(crate) fn invalid(&self) -> InvalidValue {
        InvalidValue { found: self.to_string(), hint: None }
    }

    pub(crate) fn invalid_because(&self, hint: impl Into<String>) -> InvalidValue {
        InvalidValue { found: self.to_string(), hint: Some(hint.into()) }
    }
}

/// Characters of a text that a mistake shows.
const SHOWN_CHARS_MAX: usize = 100;

/// As a mistake shows it: on one line, and truncated.
impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) | Self::Quoted(text) if text.chars().count() > SHOWN_CHARS_MAX => {
                let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                write!(f, "{start:?}…")
            }
            Self::Bare(text) | Self::Quoted(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Section => f.write_str("a section"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Why a value is not valid. The key says what is allowed instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    pub(crate) found: String,
    pub(crate) hint: Option<String>,
}

/// A kind of value. `Rule` is what differs from key to key, above all the bounds.
pub(crate) trait Setting: Sized {
    type Rule;

    fn read(rule: &Self::Rule, typed: &Typed) -> Result<Self, InvalidValue>;

    /// As TOML that [`read`](Self::read) takes back.
    fn show(&self, rule: &Self::Rule) -> String;

    /// Whether [`show`](Self::show) leaves out a secret part of it.
    fn is_redacted(&self) -> bool {
        false
    }

    /// In words: "a whole number from 1 to 128".
    fn allowed(rule: &Self::Rule) -> String;
}
