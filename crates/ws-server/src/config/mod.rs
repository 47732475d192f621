//! The configuration: defaults < TOML file < environment < flags. Later sources win.
//!
//! Two stages. First each source says what was typed for which key (`file`, `env`, flags). Then `resolve` turns that
//! into values, and `validate` checks whether these fit together. All mistakes are reported at once, each with its
//! place, what was found and what is allowed. A value that a later source overrides must be valid too.
//!
//! All keys are in `sections`, and all sections in one `table`. Nothing here reads the process's environment: variables
//! are passed in.

mod access_keys;
mod agreement;
mod api_key;
mod auth_key;
mod canary;
mod channels;
mod claude;
mod elsewhere;
mod env;
mod error;
mod file;
mod key;
mod list;
mod loaded;
mod name;
mod namespaces;
mod nearest;
mod proxy;
mod redis;
mod resolve;
mod section;
mod sections;
mod show;
mod source;
mod table;
mod template;
mod validate;
mod value;
mod warnings;

pub use api_key::ApiKey;
pub use auth_key::AuthKey;
pub use canary::Canary;
pub use channels::{Access, Channels, Mode, OnLag};
pub use claude::Claude;
pub use error::{ConfigError, report};
pub use loaded::Loaded;
pub(crate) use nearest::nearest;
pub use proxy::{Metrics, Proxy};
pub use redis::RedisEngine;
pub(crate) use resolve::key_called;
pub use sections::{
    Actions, Api, Auth, Config, Drain, Engine, EngineType, Fsync, Heartbeat, Limits, LogFormat, MemoryEngine,
    SqliteEngine, Tls,
};
pub use show::reference;
pub use source::{Source, Sources};
pub use template::template;
pub use value::{RedisUrls, Secret, SecureUrl, duration, duration_meant};
pub use warnings::Warning;
pub use ws_transport::ApiRights;

use name::KeyName;
use source::Given;
use table::SECTIONS;
use value::Typed;

impl Config {
    /// Loads the configuration.
    ///
    /// # Errors
    ///
    /// All mistakes, in the order of the sources, and within the file from top to bottom.
    pub fn load(sources: &Sources) -> Result<Self, Vec<ConfigError>> {
        load(sources).map(|loaded| loaded.config)
    }
}

/// Loads the configuration, and keeps where its values come from, for `print-config`.
///
/// # Errors
///
/// As [`Config::load`].
pub fn load(sources: &Sources) -> Result<Loaded, Vec<ConfigError>> {
    let (loaded, mistakes) = load_with(sources, |_| Vec::new());
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes) }
}

/// Loads the configuration and checks it with `check`, which looks at what it refers to, such as files. Mistakes that
/// it finds in a section that has others are left out, as they may follow from those.
pub fn load_with(sources: &Sources, check: impl FnOnce(&Config) -> Vec<ConfigError>) -> (Loaded, Vec<ConfigError>) {
    let mut mistakes = Vec::new();
    let mut given = file::read(sources, &mut mistakes);
    given.extend(env::read(sources, &mut mistakes));
    given.extend(flags(sources));
    let loaded = Loaded { empty: env::empty(sources), ..resolve::resolve(given, &mut mistakes) };
    let mut beyond = loaded.located(check(&loaded.config));
    beyond.retain(|one| mistakes.iter().all(|other| !other.key.is_empty() && other.section() != one.section()));
    mistakes.extend(beyond);
    // In the order of the file, from top to bottom, whichever stage found them.
    mistakes.sort_by_key(|mistake| match mistake.source {
        Source::File(_, line) => (false, line),
        _ => (true, None),
    });
    (loaded, mistakes)
}

/// The flags that set a key; clap has refused all others.
fn flags(sources: &Sources) -> Vec<Given> {
    let mut given = Vec::new();
    for (flag, values) in &sources.flags {
        let typed = match values.as_slice() {
            [value] => Typed::Bare(value.clone()),
            values => Typed::List(values.iter().cloned().map(Typed::Bare).collect()),
        };
        given.push(Given { source: Source::Flag((*flag).to_owned()), name: key_of(flag), typed });
    }
    given
}

/// The key that a flag sets. A flag that sets none becomes an unknown key, and so a mistake.
fn key_of(flag: &str) -> KeyName {
    let of_section = |section: &&dyn section::Section| {
        let facts = section.facts().into_iter().find(|facts| facts.flag == Some(flag))?;
        Some(KeyName::new(section.name(), facts.name))
    };
    SECTIONS.iter().find_map(of_section).unwrap_or_else(|| KeyName::new("", flag))
}

/// The flags that set a key, with the key's short variable: what the command line must offer.
#[cfg(test)]
pub(crate) fn flag_names() -> Vec<(&'static str, Option<&'static str>)> {
    let facts = SECTIONS.iter().flat_map(|section| section.facts());
    facts.filter_map(|facts| Some((facts.flag?, facts.variable))).collect()
}
