//! What a key of the configuration is, and how a section of keys is declared.
//!
//! [`section!`] declares a section once: the struct that the rest of the server reads, and with it every
//! key's name, default, bounds and one-line description. Loading, `print-config`, the names of the
//! environment variables and the reference in `docs/OPERATIONS.md` all work from that.

use std::fmt;

use super::Config;
use super::value::{Typed, Wrong};

/// What is true of a key, whatever its value: its line in the table of all keys.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    /// One sentence, as it stands in the reference.
    pub(crate) about: &'static str,
    /// As an operator would type it in an environment variable.
    pub(crate) default: &'static str,
    /// In words, for mistakes and for the reference.
    pub(crate) allowed: fn() -> String,
    /// Never shown: not by `print-config`, not in a mistake.
    pub(crate) secret: bool,
    /// The command line flag that sets it, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// A second environment variable for it, besides `WS_SERVER__SECTION__KEY`.
    pub(crate) variable: Option<&'static str>,
}

impl Facts {
    /// The start of every declaration: what a key has only by exception.
    pub(crate) const PLAIN: Self =
        Self { name: "", about: "", default: "", allowed: String::new, secret: false, flag: None, variable: None };
}

/// A key, tied to the field of the section `S` that holds its value.
#[derive(Debug)]
pub(crate) struct Key<S: 'static> {
    pub(crate) facts: Facts,
    pub(crate) set: fn(&mut S, &Typed) -> Result<(), Wrong>,
    /// The value as TOML.
    pub(crate) show: fn(&S) -> String,
}

/// The full name of a key: `limits.connections_max`, or `addr` where the section is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub(crate) section: String,
    pub(crate) key: String,
}

impl KeyName {
    pub(crate) fn new(section: &str, key: &str) -> Self {
        let (section, key) = (section.to_owned(), key.to_owned());
        Self { section, key }
    }

    /// `WS_SERVER__LIMITS__CONNECTIONS_MAX`
    pub(crate) fn variable(&self) -> String {
        let path = self.to_string().replace('.', "__");
        format!("WS_SERVER__{}", path.to_uppercase())
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.section.is_empty() {
            write!(f, "{}.", self.section)?;
        }
        f.write_str(&self.key)
    }
}

/// A section as the loader sees it. `[limits]` is a [`Fixed`] one; a map of sections (`[namespaces.*]`) is
/// another implementation, whose `owns` takes many paths and whose `set` reads the entry from the name.
pub(crate) trait Section: Sync {
    /// `limits`; empty for the keys at the top of the file.
    fn name(&self) -> &'static str;

    fn owns(&self, section: &str) -> bool {
        section == self.name()
    }

    fn facts(&self) -> Vec<&'static Facts>;

    /// Sets the field of that name. `None`: there is no such key here.
    fn set(&self, config: &mut Config, name: &KeyName, typed: &Typed) -> Option<Result<(), Wrong>>;

    /// Every key with its value as TOML, in the order of declaration.
    fn show(&self, config: &Config) -> Vec<(&'static Facts, String)>;
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
        let key = self.keys.iter().find(|key| key.facts.name == name.key)?;
        Some((key.set)((self.part_mut)(config), typed))
    }

    fn show(&self, config: &Config) -> Vec<(&'static Facts, String)> {
        let part = (self.part)(config);
        let shown = |key: &'static Key<S>| (&key.facts, (key.show)(part));
        self.keys.iter().map(shown).collect()
    }
}

/// Declares a section: `/// meaning` `name: type = "default", rule;` for each key, then `key: value`
/// for what it has by exception (see [`Facts`]); then, for [`Config`] alone, the sections inside it.
///
/// A key's sentence in the reference is its first paragraph here, so it is kept to one.
macro_rules! section {
    (
        $(#[$outer:meta])*
        pub struct $section:ident {
            $( $(#[doc = $about:literal])+
               $name:ident: $ty:ty = $default:literal, $rule:expr $(, $extra:ident: $value:expr)*; )*
        }
        $( parts { $( $(#[doc = $part_about:literal])+ $part:ident: $part_ty:ty; )* } )?
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $section {
            $( $(#[doc = $about])+ #[doc = concat!("\n\nDefault: `", $default, "`.")] pub $name: $ty, )*
            $( $( $(#[doc = $part_about])+ pub $part: $part_ty, )* )?
        }

        impl Default for $section {
            fn default() -> Self {
                Self {
                    $( $name: $crate::config::value::default::<$ty>(&$rule, $default), )*
                    $( $( $part: <$part_ty>::default(), )* )?
                }
            }
        }

        impl $section {
            pub(crate) const KEYS: &'static [$crate::config::key::Key<Self>] = &[ $(
                $crate::config::key::Key {
                    facts: $crate::config::key::Facts {
                        name: stringify!($name),
                        about: concat!($($about),+).trim_ascii(),
                        default: $default,
                        allowed: || <$ty as $crate::config::value::Setting>::allowed(&$rule),
                        $( $extra: $value, )*
                        ..$crate::config::key::Facts::PLAIN
                    },
                    set: |part, typed| {
                        part.$name = <$ty as $crate::config::value::Setting>::read(&$rule, typed)?;
                        Ok(())
                    },
                    show: |part| $crate::config::value::Setting::show(&part.$name, &$rule),
                },
            )* ];
        }
    };
}
pub(crate) use section;
