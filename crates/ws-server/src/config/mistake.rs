//! A mistake in the configuration, told so that it can be corrected without the manual.

use std::fmt;

use super::name::KeyName;
use super::source::Source;

/// One thing that the server cannot honour. All of them are reported together, and nothing is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file and line, the variable or the flag.
    pub source: Source,
    /// `limits.connections_max`; empty when it is about the whole source.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl Mistake {
    /// The section of its key.
    pub(crate) fn section(&self) -> &str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

impl std::error::Error for Mistake {}

impl fmt::Display for Mistake {
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
pub fn report(mistakes: &[Mistake]) -> String {
    let many = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    let mut out = format!("ws-server: {} {many} in the configuration\n", mistakes.len());
    for mistake in mistakes {
        out.push_str(&format!("{mistake}\n"));
    }
    out
}

/// Whether a mistake leaves open what one of these keys was meant to be: its own, or one of a whole source.
pub(crate) fn any_unsure(mistakes: &[Mistake], names: &[KeyName]) -> bool {
    mistakes.iter().any(|m| m.key.is_empty() || names.iter().any(|name| name.to_string() == m.key))
}
