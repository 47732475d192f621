//! `[[auth.keys]]`: the keys that tokens are checked with, a section for each.

use std::path::PathBuf;

use ws_auth::Algorithm;

use super::Config;
use super::key::{Facts, section};
use super::name::{KeyName, SectionPath};
use super::section::{BadName, Section, Shown, set, show};
use super::value::{Choice, Secret, Typed, Wrong, text, words};

/// Most keys, so that a slip in a variable's number does not take the memory of the machine.
const KEYS_MAX: usize = 64;

impl Choice for Algorithm {
    const ALL: &'static [(&'static str, Self)] = &[
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];
}

section! {
    /// A key that tokens are checked with.
    pub struct AuthKey {
        /// The one algorithm that the key is for. Those with HS take a secret, the others a public key.
        algorithm: Algorithm = "HS256", words();
        /// The secret itself; better in a variable or a file of its own. At least 32 bytes from a random source.
        secret: Option<Secret> = "", text(4096), secret: true;
        /// A file with the secret; a line break at its end does not count.
        secret_file: Option<PathBuf> = "", ();
        /// A file with the public key, in PEM.
        public_key_file: Option<PathBuf> = "", ();
        /// The id of the key; tokens that name another one are not checked with it. None: it is tried for all.
        kid: Option<String> = "", text(256);
    }
}

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

    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>> {
        let key = config.auth.keys.get_mut(Self::number(&name.section)?)?;
        set(AuthKey::KEYS, key, name, typed)
    }

    fn show(&self, config: &Config) -> Vec<(SectionPath, Shown)> {
        let keys = config.auth.keys.iter().enumerate();
        keys.map(|(number, key)| (Self::path(number), show(AuthKey::KEYS, key))).collect()
    }
}
