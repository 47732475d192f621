//! `[[auth.keys]]`: the keys for checking tokens, one section for each.

use super::auth_key::AuthKey;
use super::key::Facts;
use super::name::{KeyName, SectionPath};
use super::section::{BadName, Section, Shown, set, show};
use super::sections::Config;
use super::value::{InvalidValue, Typed};

/// Most keys, so that a typo in a variable's number does not exhaust the memory.
const KEYS_MAX: usize = 64;

/// The sections `[[auth.keys]]`; in paths and variables each has its number, from 0 on.
pub(crate) struct AuthKeys;

impl AuthKeys {
    pub(crate) fn path(number: usize) -> SectionPath {
        SectionPath::new(["auth", "keys", &number.to_string()])
    }

    fn number(path: &SectionPath) -> Option<usize> {
        match path.words() {
            [auth, keys, number] if auth == "auth" && keys == "keys" => {
                (0..KEYS_MAX).find(|known| known.to_string() == *number)
            }
            _ => None,
        }
    }
}

impl Section for AuthKeys {
    fn name(&self) -> &'static str {
        "auth.keys.N"
    }

    fn title(&self) -> String {
        "[[auth.keys]]".to_owned()
    }

    fn lists_at(&self, path: &SectionPath) -> bool {
        *path == "auth.keys".into()
    }

    fn owns(&self, path: &SectionPath) -> bool {
        Self::number(path).is_some()
    }

    fn facts(&self) -> Vec<&'static Facts> {
        AuthKey::KEYS.iter().map(|key| &key.facts).collect()
    }

    fn open(&self, config: &mut Config, path: &SectionPath) -> Result<(), BadName> {
        let number = Self::number(path).unwrap_or_default();
        let keys = &mut config.auth.keys;
        keys.resize(keys.len().max(number + 1), AuthKey::default());
        Ok(())
    }

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), InvalidValue>> {
        let key = config.auth.keys.get_mut(Self::number(&name.section)?)?;
        set(AuthKey::KEYS, key, name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        let keys = config.auth.keys.iter().enumerate();
        keys.map(|(number, key)| (Self::path(number), show(AuthKey::KEYS, key))).collect()
    }
}
