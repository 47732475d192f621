//! What a section of the configuration is to those who load it and show it.

use super::key::{Facts, Key};
use super::name::{KeyName, SectionPath};
use super::sections::Config;
use super::value::{Typed, Wrong};

/// The keys of a section, each with its value.
pub(crate) type Shown = Vec<Value>;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) facts: &'static Facts,
    pub(crate) toml: String,
    /// A part of it is secret and left out.
    pub(crate) is_partial: bool,
}

/// A section as the loader sees it: [`Fixed`], or one that is there once for every name that is given to it,
/// or for every entry of a list.
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

    /// Whether it is there once for each entry of the list at this path.
    fn lists_at(&self, _path: &SectionPath) -> bool {
        false
    }

    /// The section whose values hold for the keys that are not set in this one.
    fn inherits(&self) -> Option<&'static str> {
        None
    }

    fn facts(&self) -> Vec<&'static Facts>;

    /// Makes the section be there, with or without keys. It is called once, before its first `set`.
    fn open(&self, _config: &mut Config, _path: &SectionPath) -> Result<(), BadName> {
        Ok(())
    }

    /// Sets the field of that name. `None`: there is no such key here.
    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>>;

    /// All that is there of it, with the keys in the order of declaration.
    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)>;
}

/// Why a section cannot be called what it is called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadName {
    pub(crate) found: String,
    pub(crate) allowed: &'static str,
}

/// A section that is there exactly once.
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

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>> {
        set(self.keys, (self.part_mut)(config), name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        vec![(self.name.into(), show(self.keys, (self.part)(config)))]
    }
}

/// [`Section::set`], for who has found the part.
pub(crate) fn set<S>(keys: &[Key<S>], part: &mut S, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>> {
    let key = keys.iter().find(|key| key.facts.name == name.key)?;
    Some((key.set)(part, typed))
}

/// [`Section::show`], for one part.
pub(crate) fn show<S>(keys: &'static [Key<S>], part: &S) -> Shown {
    let value =
        |key: &'static Key<S>| Value { facts: &key.facts, toml: (key.show)(part), is_partial: (key.conceals)(part) };
    keys.iter().map(value).collect()
}
