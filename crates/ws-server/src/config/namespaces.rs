//! `[namespaces.NAME]`: the options of channels in a namespace, by its name.
//!
//! A namespace has the keys of `[channels]`, and inherits those that it does not set.

use ws_proto::CLAUDE_NAMESPACE;

use super::channels::Channels;
use super::key::Facts;
use super::name::{KeyName, SectionPath};
use super::section::{BadName, Section, Shown, set, show};
use super::sections::Config;
use super::value::{InvalidValue, Typed};

/// Longest name of a namespace, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The sections `[namespaces.NAME]`.
pub(crate) struct Namespaces;

impl Namespaces {
    pub(crate) fn path(namespace: &str) -> SectionPath {
        SectionPath::new(["namespaces", namespace])
    }

    fn namespace(path: &SectionPath) -> Option<&str> {
        match path.words() {
            [first, namespace] if first == "namespaces" => Some(namespace),
            _ => None,
        }
    }
}

impl Section for Namespaces {
    fn name(&self) -> &'static str {
        "namespaces.NAME"
    }

    fn owns(&self, path: &SectionPath) -> bool {
        Self::namespace(path).is_some()
    }

    fn inherits(&self) -> Option<&'static str> {
        Some("channels")
    }

    fn facts(&self) -> Vec<&'static Facts> {
        Channels::KEYS.iter().map(|key| &key.facts).collect()
    }

    fn open(&self, config: &mut Config, path: &SectionPath) -> Result<(), BadName> {
        let namespace = Self::namespace(path).unwrap_or_default();
        config.namespaces.insert(namespace.to_owned(), config.channels.clone());
        check_name(namespace)
    }

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>> {
        let options = config.namespaces.get_mut(Self::namespace(&name.section)?)?;
        set(Channels::KEYS, options, name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        let shown = |(name, options): (&String, &Channels)| (Self::path(name), show(Channels::KEYS, options));
        config.namespaces.iter().map(shown).collect()
    }
}

/// Refuses names that no channel can have before its first `:` (PROTOCOL, section 5).
fn check_name(name: &str) -> Result<(), BadName> {
    let found = if name.is_empty() {
        "an empty name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("a name of {} bytes", name.len())
    } else if name.contains(char::is_whitespace) {
        "a name with white space".to_owned()
    } else if name.contains(char::is_control) {
        "a name with a control character".to_owned()
    } else if name == CLAUDE_NAMESPACE {
        // That of the streams of runs, whose options are in `[claude]`.
        let found = "the name of a namespace that is built in".to_owned();
        return Err(BadName { found, allowed: "another name; the streams of Claude are configured in [claude]" });
    } else if let Some(c) = name.chars().find(|c| [':', '*', '#'].contains(c)) {
        format!("a name with {c}")
    } else {
        return Ok(());
    };
    Err(BadName { found, allowed: "1 to 64 bytes without white space, control characters, :, * and #" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: &str) {
        let found = check_name(name).err().map(|bad| bad.found).unwrap_or_default();
        assert_eq!(found, expect, "{name:?}");
    }

    #[test]
    fn names() {
        check("chat", "");
        check("聊天", "");
        check("a.b-c_d\"/", "");
        check(&"x".repeat(64), "");
        check("claude", "the name of a namespace that is built in");
        check("claudes", "");
        check("", "an empty name");
        check(&"x".repeat(65), "a name of 65 bytes");
        check(&"é".repeat(33), "a name of 66 bytes");
        check("a b", "a name with white space");
        check("a\u{3000}b", "a name with white space");
        check("a\u{7}", "a name with a control character");
        check("chat:", "a name with :");
        check("chat*", "a name with *");
        check("chat#x", "a name with #");
    }
}
