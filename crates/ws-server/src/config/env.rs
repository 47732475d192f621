//! Environment variables: `WS_SERVER__SECTION__KEY` for every key, and short names for a few.
//!
//! Names with single underscores (`WS_SERVER_PORT`) are ignored unless they are clearly meant for a key: Kubernetes
//! sets such variables for a service called `ws-server`.

use std::ffi::OsStr;

use super::channels::Channels;
use super::error::ConfigError;
use super::file;
use super::name::{KeyName, SectionPath};
use super::namespaces::Namespaces;
use super::source::{Given, Source, Sources};
use super::table::SECTIONS;
use super::value::Typed;

const PREFIX: &str = "WS_SERVER__";

/// The long names, then the short ones. An empty variable counts as not set; [`empty`] names it.
pub(crate) fn read(sources: &Sources, mistakes: &mut Vec<ConfigError>) -> Vec<Given> {
    let mut given = Vec::new();
    for (name, value) in &sources.env {
        let Some(name) = name.to_str().filter(|_| !value.is_empty()) else { continue };
        match name.strip_prefix(PREFIX) {
            Some(path) => given.extend(variable(name, key_name(path), value, mistakes)),
            None => mistakes.extend(underscore_missing(name)),
        }
    }
    for (key, short) in short_names() {
        let Some(value) = sources.variable(short) else { continue };
        let long = key.variable();
        if sources.variable(&long).is_some_and(|other| other != value) {
            mistakes.push(both(&key, short, &long));
        }
        given.extend(variable(short, key, value, mistakes));
    }
    given
}

/// Variables of ours that are set to nothing, which may be a secret that did not arrive.
pub(crate) fn empty(sources: &Sources) -> Vec<String> {
    let empty = sources.env.iter().filter(|(_, value)| value.is_empty()).filter_map(|(name, _)| name.to_str());
    empty.filter(|name| is_ours(name)).map(str::to_owned).collect()
}

fn is_ours(name: &str) -> bool {
    let is_key = name.starts_with(PREFIX) || short_names().any(|(_, short)| short == name);
    is_key || name == file::VARIABLE || underscore_missing(name).is_some()
}

fn variable(name: &str, key: KeyName, value: &OsStr, mistakes: &mut Vec<ConfigError>) -> Option<Given> {
    let source = Source::Variable(name.to_owned());
    if let Some(text) = value.to_str() {
        return Some(Given { source, name: key, typed: Typed::Bare(text.to_owned()) });
    }
    mistakes.push(ConfigError {
        source,
        key: key.to_string(),
        found: "text that is not UTF-8".to_owned(),
        allowed: "UTF-8".to_owned(),
        hint: None,
    });
    None
}

/// `LIMITS__ERRORS_MAX` is `limits.errors_max`. Lower case is wrong, so it is turned into a name that no key has.
fn key_name(path: &str) -> KeyName {
    let lower = |part: &str| {
        let upper = !part.contains(|c: char| c.is_ascii_lowercase());
        if upper { part.to_ascii_lowercase() } else { part.to_ascii_uppercase() }
    };
    match path.rsplit_once("__") {
        Some((section, key)) => KeyName::new(SectionPath::new(lower(section).split("__")), &lower(key)),
        None => KeyName::new("", &lower(path)),
    }
}

fn short_names() -> impl Iterator<Item = (KeyName, &'static str)> {
    let keys = SECTIONS.iter().flat_map(|s| s.facts().into_iter().map(|f| (KeyName::new(s.name(), f.name), f)));
    keys.filter_map(|(key, facts)| Some((key, facts.variable?)))
}

/// `WS_SERVER_ADDR`, `WS_SERVER_LIMITS_ERRORS_MAX`: clearly meant for a key, and would do nothing.
fn underscore_missing(name: &str) -> Option<ConfigError> {
    if !name.starts_with("WS_SERVER_") || short_names().any(|(_, short)| short == name) {
        return None;
    }
    let flat = |name: &str| name.replace("__", "_");
    let keys = SECTIONS.iter().flat_map(|s| s.facts().into_iter().map(|f| KeyName::new(s.name(), f.name)));
    let known = keys.into_iter().find(|key| flat(&key.variable()) == flat(name));
    let key = known.or_else(|| of_namespace(&flat(name)))?;
    Some(ConfigError {
        source: Source::Variable(name.to_owned()),
        key: String::new(),
        found: "an unknown variable".to_owned(),
        allowed: "WS_SERVER__SECTION__KEY, with two underscores".to_owned(),
        hint: Some(format!("did you mean {}?", key.variable())),
    })
}

/// `WS_SERVER_NAMESPACES_CHAT_PRESENCE`
fn of_namespace(flat: &str) -> Option<KeyName> {
    let rest = flat.strip_prefix("WS_SERVER_NAMESPACES_")?.to_ascii_lowercase();
    let fits = Channels::KEYS.iter().map(|key| key.facts.name).filter_map(|key| {
        let namespace = rest.strip_suffix(key)?.strip_suffix('_')?;
        Some(KeyName::new(Namespaces::path(namespace), key))
    });
    // `read_presence` ends as `presence` does.
    fits.max_by_key(|name| name.key.len())
}

fn both(key: &KeyName, short: &str, long: &str) -> ConfigError {
    ConfigError {
        source: Source::Variable(short.to_owned()),
        key: key.to_string(),
        found: format!("another value than in {long}"),
        allowed: "one of the two, or the same value in both".to_owned(),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per key that was given and per mistake.
    #[track_caller]
    fn check(env: &[(&str, &str)], expect: &[&str]) {
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut mistakes = Vec::new();
        let given = read(&Sources { env, ..Sources::default() }, &mut mistakes);
        let given = given.iter().map(|g| format!("{} {} = {}", g.source, g.name, g.typed));
        let mistakes = mistakes.iter().map(|m| m.to_string().replace("\n    ", " | "));
        assert_eq!(given.chain(mistakes).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn names() {
        check(&[("WS_SERVER__ADDR", "a")], &["WS_SERVER__ADDR addr = \"a\""]);
        check(&[("WEBSOCKET_ADDR", "a")], &["WEBSOCKET_ADDR addr = \"a\""]);
        check(&[("WS_SERVER__A__B__C_D", "7")], &["WS_SERVER__A__B__C_D a.b.c_d = \"7\""]);
        check(&[("WS_SERVER__A__B__C_D", ""), ("WEBSOCKET_ADDR", ""), ("WS_SERVER_ADDR", "")], &[]);
        check(&[("WEBSOCKET_ADDR", ""), ("WS_SERVER__ADDR", "a")], &["WS_SERVER__ADDR addr = \"a\""]);
        check(&[("WS_SERVER__addr", "a")], &["WS_SERVER__addr ADDR = \"a\""]);
        check(&[("PATH", "/bin"), ("WS_SERVER_PORT", "tcp://10.0.0.1:80"), ("WS_SERVER_CONFIG", "x")], &[]);
    }

    #[test]
    fn set_to_nothing() {
        let ours = ["WEBSOCKET_ADDR", "WS_SERVER_ADDR", "WS_SERVER_CONFIG", "WS_SERVER_DATA_DIR", "WS_SERVER__A__B"];
        let others = ["PATH", "RUST_LOG", "WS_SERVER_PORT"];
        let nothing = ours.iter().chain(&others).map(|name| (name.into(), "".into()));
        let env = nothing.chain([("WS_SERVER__ADDR".into(), "a".into())]).collect();
        assert_eq!(empty(&Sources { env, ..Sources::default() }), ours);
    }

    #[test]
    fn mistakes() {
        let hint = "found an unknown variable | allowed: WS_SERVER__SECTION__KEY, with two underscores | did you mean";
        check(&[("WS_SERVER_ADDR", "a")], &[&format!("WS_SERVER_ADDR: {hint} WS_SERVER__ADDR?")]);
        check(
            &[("WS_SERVER_DRAIN_GRACE", "1s")],
            &[&format!("WS_SERVER_DRAIN_GRACE: {hint} WS_SERVER__DRAIN__GRACE?")],
        );
        check(
            &[("WS_SERVER_NAMESPACES_CHAT_READ_PRESENCE", "anyone"), ("WS_SERVER_NAMESPACES_PORT", "80")],
            &[&format!("WS_SERVER_NAMESPACES_CHAT_READ_PRESENCE: {hint} WS_SERVER__NAMESPACES__CHAT__READ_PRESENCE?")],
        );
        check(
            &[("WEBSOCKET_ADDR", "a"), ("WS_SERVER__ADDR", "b")],
            &[
                "WS_SERVER__ADDR addr = \"b\"",
                "WEBSOCKET_ADDR addr = \"a\"",
                "WEBSOCKET_ADDR: addr: found another value than in WS_SERVER__ADDR | allowed: one of the two, or the same value in both",
            ],
        );
    }
}
