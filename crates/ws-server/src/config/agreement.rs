//! What all servers on one Redis must have the same, as they compare it.

use sha2::{Digest, Sha256};

use super::Config;
use super::section::Section;
use super::table::SECTIONS;

/// Sections of which everything must be.
const SECTIONS_AGREED: [&str; 2] = ["channels", "namespaces"];

/// Single keys that must be.
const KEYS_AGREED: [&str; 5] = [
    "limits.connections_per_user_max",
    "engine.redis.position_ttl",
    "engine.redis.lease",
    "claude.runs_per_user_max",
    "claude.runs_per_channel_max",
];

impl Config {
    /// By name: sections in brackets, each with a digest of what it says, and keys with their values.
    pub(crate) fn agreement(&self) -> Vec<(String, String)> {
        let is_of = |section: &&&dyn Section, name: &str| section.name().split('.').next() == Some(name);
        let mut parts = Vec::new();
        for name in SECTIONS_AGREED {
            let mut digest = Sha256::new();
            for section in SECTIONS.iter().filter(|section| is_of(section, name)) {
                for (path, keys) in section.show(self) {
                    keys.iter().for_each(|key| digest.update(format!("{path}.{} = {}\n", key.facts.name, key.toml)));
                }
            }
            let short: String = digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            parts.push((format!("[{name}]"), short));
        }
        for (path, keys) in SECTIONS.iter().flat_map(|section| section.show(self)) {
            let named = keys.into_iter().map(|key| (format!("{path}.{}", key.facts.name), key.toml));
            parts.extend(named.filter(|(name, _)| KEYS_AGREED.contains(&name.as_str())));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The parts that differ after a change.
    fn differs(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let (mut config, before) = (Config::default(), Config::default().agreement());
        change(&mut config);
        let after = config.agreement();
        let names = |parts: &[(String, String)]| parts.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
        before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|(before, _)| before.0.clone())
            .collect()
    }

    #[test]
    fn what_must_be_the_same_is_in_it_and_nothing_else() {
        assert_eq!(Config::default().agreement().len(), SECTIONS_AGREED.len() + KEYS_AGREED.len(), "all keys exist");
        assert_eq!(differs(|config| config.channels.history_size += 1), ["[channels]"]);
        let add = |config: &mut Config| _ = config.namespaces.insert("n".to_owned(), config.channels.clone());
        assert_eq!(differs(add), ["[namespaces]"]);
        assert_eq!(differs(|config| config.engine.redis.lease = Duration::from_secs(99)), ["engine.redis.lease"]);
        assert!(differs(|config| config.limits.connections_max += 1).is_empty());
    }
}
