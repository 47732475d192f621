//! A configuration that has been loaded, with the origin of every value.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::name::{KeyName, SectionPath};
use super::sections::Config;
use super::source::Source;

/// A configuration, and where its values come from. A value without an origin is the default.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    pub(crate) origins: BTreeMap<KeyName, Source>,
    /// Where each section was first named.
    pub(crate) opened: BTreeMap<SectionPath, Source>,
    /// Variables that are set to nothing.
    pub(crate) empty: Vec<String>,
}

impl Loaded {
    /// Adds the place of the value to mistakes that were found in what it refers to, such as a file.
    #[must_use]
    pub fn located(&self, mistakes: Vec<ConfigError>) -> Vec<ConfigError> {
        let located = |mistake: ConfigError| match &mistake.source {
            Source::Key(key) => {
                let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
                ConfigError { source: self.source(&KeyName::new(section, name)), key: key.clone(), ..mistake }
            }
            _ => mistake,
        };
        mistakes.into_iter().map(located).collect()
    }

    /// Where a key was set. If it was not: where its section was; else the name of the section.
    pub(crate) fn source(&self, name: &KeyName) -> Source {
        let in_section = || self.origins.iter().find(|(other, _)| other.section == name.section);
        let origin = self.origins.get(name).or_else(|| in_section().map(|(_, source)| source));
        let origin = origin.or_else(|| self.opened.get(&name.section));
        origin.cloned().unwrap_or_else(|| Source::Key(name.section.to_string()))
    }
}
