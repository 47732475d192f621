//! What a key of the configuration is, and how a section of keys is declared.
//!
//! [`section!`] declares a section once: the struct that the rest of the server reads, and with it every
//! key's name, default, bounds and one-line description. Loading, `print-config`, the names of the
//! environment variables and the reference in `docs/OPERATIONS.md` all work from that.

use super::value::{InvalidValue, Typed};

/// What is true of a key, whatever its value: its line in the table of all keys.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    /// One paragraph, for the reference.
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
    /// The defaults of what only some keys have.
    pub(crate) const PLAIN: Self =
        Self { name: "", about: "", default: "", allowed: String::new, secret: false, flag: None, variable: None };
}

/// A key, tied to the field of the section `S` that holds its value.
#[derive(Debug)]
pub(crate) struct Key<S: 'static> {
    pub(crate) facts: Facts,
    pub(crate) set: fn(&mut S, &Typed) -> Result<(), InvalidValue>,
    /// The value as TOML.
    pub(crate) show: fn(&S) -> String,
    /// Whether a secret part of the value is not shown.
    pub(crate) is_redacted: fn(&S) -> bool,
}

/// The name without the prefix of a raw identifier: `type` for `r#type`.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', _, ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares a section: `/// meaning` `name: type = "default", rule;` for each key, then `key: value`
/// for what only some keys have (see [`Facts`]); then the sections inside it, only for [`Config`](super::Config).
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
            #[allow(clippy::needless_update)] // a section may set all of them
            pub(crate) const KEYS: &'static [$crate::config::key::Key<Self>] = &[ $(
                $crate::config::key::Key {
                    facts: $crate::config::key::Facts {
                        name: $crate::config::key::plain(stringify!($name)),
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
                    is_redacted: |part| $crate::config::value::Setting::is_redacted(&part.$name),
                },
            )* ];
        }
    };
}
pub(crate) use section;
