//! Where values come from, and what a source says before it is parsed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::name::KeyName;
use super::value::Typed;

/// Everything that configures the server. The environment is passed in and not read from the process, so that a test
/// can set it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`; else `WS_SERVER_CONFIG` names the file, else there is none.
    pub config: Option<PathBuf>,
    /// Flags that set a key, with their values: `("--addr", ["127.0.0.1:0"])`.
    pub flags: Vec<(&'static str, Vec<String>)>,
    /// All variables; unrelated ones are ignored.
    pub env: BTreeMap<OsString, OsString>,
}

impl Sources {
    /// Adds a flag, unless it was not given.
    #[must_use]
    pub fn flag(mut self, name: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.flags.push((name, values));
        }
        self
    }

    /// A variable. An empty one counts as not set.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

/// The place of one value, as an operator can find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The file, and the line in it (from 1), where one is known.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
    /// Not typed: it follows from this other key.
    Key(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => {
                // A path may contain a line break, and this must stay on one line.
                f.write_str(&path.to_string_lossy().replace(char::is_control, "?"))?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))
            }
            Self::Variable(name) | Self::Flag(name) | Self::Key(name) => f.write_str(name),
        }
    }
}

/// What was typed for one key. The key may not exist, and the value may be invalid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) source: Source,
    pub(crate) name: KeyName,
    pub(crate) typed: Typed,
}
