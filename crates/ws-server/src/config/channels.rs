//! `[channels]`, and `[namespaces.NAME]`: the options of channels without a namespace, and of those in one.
//!
//! A namespace has every key of `[channels]`, and takes from there what it does not set.

use std::time::Duration;

pub use ws_core::{Access, OnLag};

use super::Config;
use super::key::{Facts, section};
use super::name::{KeyName, SectionPath};
use super::section::{BadName, Section, Shown, set, show};
use super::value::{Choice, DAY, MS, Typed, Wrong, count, time, words};

/// Longest name of a namespace, in bytes.
const NAME_BYTES_MAX: usize = 64;

impl Choice for OnLag {
    const ALL: &'static [(&'static str, Self)] =
        &[("gap", Self::Gap), ("latest", Self::Latest), ("disconnect", Self::Disconnect)];
}

impl Choice for Access {
    const ALL: &'static [(&'static str, Self)] = &[
        ("anyone", Self::Anyone),
        ("authenticated", Self::Authenticated),
        ("granted", Self::Granted),
        ("subscriber", Self::Subscriber),
        ("nobody", Self::Nobody),
    ];
}

section! {
    /// What channels offer, and to whom.
    pub struct Channels {
        /// Publications of a channel that are kept for recovery, rewind and `get_history`.
        history_size: usize = "100", count(1, 1_000_000).zero("no history");
        /// Age at which a publication is no longer kept.
        history_ttl: Duration = "5m", time(MS, 366 * DAY).zero("kept at any age");
        /// Whether one can ask who is there (`get_presence`).
        presence: bool = "true", ();
        /// Whether subscribers are told who comes and goes. Needs `presence`.
        join_leave: bool = "false", ();
        /// Subscribers of a channel up to which each join and leave is told; above it they get counts, at most once
        /// a second.
        join_leave_max: usize = "100", count(1, 1_000_000).zero("always counts");
        /// What happens to a subscriber whose next publication is no longer kept. `gap`: it is told what is gone, and
        /// goes on with the oldest that is kept. `latest`: it goes on with the newest, and is told nothing.
        /// `disconnect`: its connection is closed with 4001.
        on_lag: OnLag = "gap", words();
        /// Who may subscribe. `authenticated`: a connection with a user. `granted`: one whose token says so. `nobody`:
        /// the server alone.
        subscribe: Access = "anyone", words().but(Access::Subscriber);
        /// Who may publish: as `subscribe`, or `subscriber`: a connection that is subscribed to the channel.
        publish: Access = "anyone", words();
        /// Who may read the history: as `publish`.
        read_history: Access = "subscriber", words();
        /// Who may ask who is there: as `publish`.
        read_presence: Access = "subscriber", words();
    }
}

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

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>> {
        let options = config.namespaces.get_mut(Self::namespace(&name.section)?)?;
        set(Channels::KEYS, options, name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        let shown = |(name, options): (&String, &Channels)| (Self::path(name), show(Channels::KEYS, options));
        config.namespaces.iter().map(shown).collect()
    }
}

/// Refuses what no channel can have before its first `:` (PROTOCOL, section 5).
fn check_name(name: &str) -> Result<(), BadName> {
    let found = if name.is_empty() {
        "an empty name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("a name of {} bytes", name.len())
    } else if name.contains(char::is_whitespace) {
        "a name with white space".to_owned()
    } else if name.contains(char::is_control) {
        "a name with a control character".to_owned()
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
