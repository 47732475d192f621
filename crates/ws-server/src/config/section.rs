//! What loading and showing need to know of a section.

use super::key::{Facts, Key};
use super::name::{KeyName, SectionPath};
use super::sections::Config;
use super::value::{InvalidValue, Typed};

/// The keys of a section, each with its value.
pub(crate) type Shown = Vec<Value>;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) facts: &'static Facts,
    pub(crate) toml: String,
    /// A secret part of it is left out.
    pub(crate) is_partial: bool,
}

/// A section as the loader sees it: [`Fixed`], or one that exists once for every name, or for every entry of a list.
pub(crate) trait Section: Sync {
    /// `limits`; empty for the keys at the top of the file; `namespaces.NAME` where NAME is free.
    fn name(&self) -> &'static str;

    fn owns(&self, path: &SectionPath) -> bool {
        *path == self.name().into()
    }

    /// As it is written in the file.
    fn title(&self) -> String {
        format!("[{}]", self.name())
    }

    /// Whether it exists once for each entry of the list at this path.
    fn lists_at(&self, _path: &SectionPath) -> bool {
        false
    }

    /// The section that it inherits from: its values are used for keys that are not set here.
    fn inherits(&self) -> Option<&'static str> {
        None
    }

    fn facts(&self) -> Vec<&'static Facts>;

    /// Creates the section. Called once, before its first `set`, also if it has no keys.
    fn open(&self, _config: &mut Config, _path: &SectionPath) -> Result<(), BadName> {
        Ok(())
    }

    /// Sets the field of that name. `None`: there is no such key here.
    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>>;

    /// All its instances, with the keys in the order of declaration.
    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)>;
}

/// Why the name of a section is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadName {
    pub(crate) found: String,
    pub(crate) allowed: &'static str,
}

/// A section that exists exactly once.
#[derive(Debug)]
pub(crate) struct Fixed<S: 'static> {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key<S>],
    pub(crate) part: fn(&Config) -> &S,
    pub(crate) part_mut: fn(&mut Config) -> &mut S,
}

impl<S> Section for Fixed<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self) -> Vec<&'static Facts> {
        self.keys.iter().map(|key| &key.facts).collect()
    }

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>> {
        set(self.keys, (self.part_mut)(config), name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        vec![(self.name.into(), show(self.keys, (self.part)(config)))]
    }
}

/// [`Section::set`] for one part.
pub(crate) fn set<S>(keys: &[Key<S>], part: &mut S, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>> {
    let key = keys.iter().find(|key| key.facts.name == name.key)?;
    Some((key.set)(part, typed))
}

/// [`Section::show`], for one part.
pub(crate) fn show<S>(keys: &'static [Key<S>], part: &S) -> Shown {
    let value =
        |key: &'static Key<S>| Value { facts: &key.facts, toml: (key.show)(part), is_partial: (key.is_redacted)(part) };
    keys.iter().map(value).collect()
}
