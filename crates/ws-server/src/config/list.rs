//! `[[auth.keys]]`, `[[api.keys]]`: sections that exist once for each entry of a list.

use super::key::{Facts, Key};
use super::name::{KeyName, SectionPath};
use super::section::{BadName, Section, Shown, set, show};
use super::sections::Config;
use super::value::{InvalidValue, Typed};

/// Most entries of a list, so that a typo in a variable's number does not exhaust the memory.
const ENTRIES_MAX: usize = 64;

/// The sections of one list. In paths and variables each has its number, from 0 on.
#[derive(Debug)]
pub(crate) struct List<S: 'static> {
    /// `auth.keys.N`.
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key<S>],
    pub(crate) entries: fn(&Config) -> &Vec<S>,
    pub(crate) entries_mut: fn(&mut Config) -> &mut Vec<S>,
}

/// The path of an entry of the list at `list`.
pub(crate) fn entry_path(list: &str, number: usize) -> SectionPath {
    format!("{list}.{number}").as_str().into()
}

impl<S> List<S> {
    /// `auth.keys`.
    fn path(&self) -> &'static str {
        self.name.trim_end_matches(".N")
    }

    fn number(&self, path: &SectionPath) -> Option<usize> {
        let list = SectionPath::from(self.path());
        let (number, parent) = path.words().split_last()?;
        let is_here = parent == list.words();
        is_here.then(|| (0..ENTRIES_MAX).find(|known| known.to_string() == *number))?
    }
}

impl<S: Clone + Default> Section for List<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        format!("[[{}]]", self.path())
    }

    fn lists_at(&self, path: &SectionPath) -> bool {
        *path == self.path().into()
    }

    fn owns(&self, path: &SectionPath) -> bool {
        self.number(path).is_some()
    }

    fn facts(&self) -> Vec<&'static Facts> {
        self.keys.iter().map(|key| &key.facts).collect()
    }

    fn open(&self, config: &mut Config, path: &SectionPath) -> Result<(), BadName> {
        let number = self.number(path).unwrap_or_default();
        let entries = (self.entries_mut)(config);
        entries.resize(entries.len().max(number + 1), S::default());
        Ok(())
    }

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>> {
        let entry = (self.entries_mut)(config).get_mut(self.number(&name.section)?)?;
        set(self.keys, entry, name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        let entries = (self.entries)(config).iter().enumerate();
        entries.map(|(number, entry)| (entry_path(self.path(), number), show(self.keys, entry))).collect()
    }
}
