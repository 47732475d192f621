//! A mistake in the configuration, with enough detail to correct it without the manual.

use std::fmt;

use super::name::KeyName;
use super::source::Source;

/// One mistake. All of them are reported together, and no port is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file and line, the variable or the flag.
    pub source: Source,
    /// `limits.connections_max`; empty when it is about the whole source.
    pub key: String,
    /// What was found there.
    pub found: String,
    /// What is allowed there.
    pub allowed: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl ConfigError {
    /// The section of its key.
    pub(crate) fn section(&self) -> &str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}\n    allowed: {}", self.found, self.allowed)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n    {hint}"))
    }
}

/// All mistakes, for standard error.
#[must_use]
pub fn report(mistakes: &[ConfigError]) -> String {
    let many = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    let mut out = format!("ws-server: {} {many} in the configuration\n", mistakes.len());
    for mistake in mistakes {
        out.push_str(&format!("{mistake}\n"));
    }
    out
}

/// Whether the intended value of one of these keys is unknown, because it or its whole source has a mistake.
pub(crate) fn any_invalid(mistakes: &[ConfigError], names: &[KeyName]) -> bool {
    mistakes.iter().any(|m| m.key.is_empty() || names.iter().any(|name| name.to_string() == m.key))
}
