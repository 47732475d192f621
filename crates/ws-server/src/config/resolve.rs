//! From what was typed to values: every given value is parsed and set, later ones over earlier ones. Then `validate`
//! checks whether the values fit together.

use super::elsewhere;
use super::error::ConfigError;
use super::file::section_names;
use super::key::Facts;
use super::loaded::Loaded;
use super::name::{KeyName, SectionPath};
use super::nearest::distance;
use super::section::{BadName, Section};
use super::source::{Given, Source};
use super::table::SECTIONS;
use super::validate::validate;
use super::value::{InvalidValue, Typed};

/// Applies `given` in its order. What cannot be applied goes to `mistakes`.
pub(crate) fn resolve(mut given: Vec<Given>, mistakes: &mut Vec<ConfigError>) -> Loaded {
    let mut loaded = Loaded::default();
    // Sections that inherit come last, when everything that they inherit has been set.
    given.sort_by_key(|given| owner(&section_of(given)).is_some_and(|section| section.inherits().is_some()));
    for given in given {
        let path = section_of(&given);
        let Some(section) = owner(&path) else {
            mistakes.extend((given.typed != Typed::Section).then(|| unknown_key(given.source, &given.name)));
            continue;
        };
        if !loaded.opened.contains_key(&path)
            && let Err(bad) = section.open(&mut loaded.config, &path)
        {
            mistakes.push(bad_name(given.source.clone(), &path, bad));
        }
        loaded.opened.entry(path).or_insert_with(|| given.source.clone());
        if given.typed != Typed::Section {
            set(section, given, &mut loaded, mistakes);
        }
    }
    validate(&mut loaded, mistakes);
    loaded
}

/// The section of a given key, or the given section itself.
fn section_of(given: &Given) -> SectionPath {
    if given.typed == Typed::Section { given.name.to_section() } else { given.name.section.clone() }
}

fn owner(path: &SectionPath) -> Option<&'static dyn Section> {
    SECTIONS.iter().copied().find(|section| section.owns(path))
}

fn set(section: &dyn Section, given: Given, loaded: &mut Loaded, mistakes: &mut Vec<ConfigError>) {
    let Given { source, name, typed } = given;
    match section.set(&mut loaded.config, &name, &typed) {
        Some(Ok(())) => {
            loaded.origins.insert(name, source);
        }
        Some(Err(wrong)) => mistakes.push(bad_value(section, source, &name, wrong)),
        None => mistakes.push(unknown_key(source, &name)),
    }
}

fn bad_name(source: Source, path: &SectionPath, bad: BadName) -> ConfigError {
    ConfigError { source, key: path.to_string(), found: bad.found, allowed: bad.allowed.to_owned(), hint: None }
}

fn bad_value(section: &dyn Section, source: Source, name: &KeyName, wrong: InvalidValue) -> ConfigError {
    let facts = section.facts().into_iter().find(|facts| facts.name == name.key).unwrap_or(&Facts::PLAIN);
    ConfigError {
        source,
        key: name.to_string(),
        found: if facts.secret { "a value that is not shown".to_owned() } else { wrong.found },
        allowed: (facts.allowed)(),
        hint: wrong.hint.filter(|_| !facts.secret),
    }
}

fn unknown_key(source: Source, name: &KeyName) -> ConfigError {
    let keys =
        owner(&name.section).map(|section| section.facts().iter().map(|f| f.name).collect::<Vec<_>>().join(", "));
    let allowed = match (keys, name.section.words()) {
        (Some(keys), []) => format!("{keys}, and the sections {}", section_names()),
        (Some(keys), _) => keys,
        (None, _) => format!("the sections {}", section_names()),
    };
    let meant = elsewhere::key(&name.key.to_ascii_lowercase()).filter(|_| !is_near(name)).or_else(|| meant(name));
    let hint = meant.map(|near| match source {
        Source::Variable(_) => format!("did you mean {}?", near.variable()),
        // A list has no numbers in the file.
        _ if near.section == "auth.keys.0".into() => format!("did you mean {} in [[auth.keys]]?", near.key),
        _ => format!("did you mean {near}?"),
    });
    let hint = elsewhere::level(&name.key.to_ascii_lowercase()).map(str::to_owned).or(hint);
    ConfigError { source, key: name.to_string(), found: "an unknown key".to_owned(), allowed, hint }
}

/// Whether its own section has a key that differs in a letter.
fn is_near(name: &KeyName) -> bool {
    let here = SECTIONS.iter().find(|section| section.owns(&name.section));
    here.is_some_and(|section| {
        section.facts().iter().any(|facts| distance(&name.key, facts.name).is_some_and(|letters| letters <= 1))
    })
}

/// The key of this name, or of a similar one, or of one that it has elsewhere.
pub(crate) fn key_called(name: &str) -> Option<KeyName> {
    elsewhere::key(name).or_else(|| meant(&KeyName::new("", name)))
}

/// The nearest key in any section: a key in the wrong section is a common mistake.
fn meant(name: &KeyName) -> Option<KeyName> {
    let typed = [name.section.clone(), name.section.to_ascii_lowercase()];
    let scored = SECTIONS.iter().flat_map(|section| {
        let here = typed.iter().find(|path| section.owns(path));
        let path = here.cloned().unwrap_or_else(|| section.name().into());
        let known = section.facts().into_iter().map(move |facts| KeyName::new(path.clone(), facts.name));
        known.filter_map(move |known| Some((distance(&name.key, &known.key)? + usize::from(here.is_none()), known)))
    });
    scored.min_by_key(|(score, _)| *score).map(|(_, known)| known)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::{Access, Channels, Config, OnLag, Sources};

    /// The mistakes, one line each, that these variables give.
    #[track_caller]
    pub(crate) fn check(env: &[(&str, &str)], expect: &[&str]) {
        let env = env.iter().map(|(name, value)| (format!("WS_SERVER__{name}").into(), value.into())).collect();
        let result = Config::load(&Sources { env, ..Sources::default() });
        let mistakes = result.err().unwrap_or_default();
        let lines: Vec<_> = mistakes.iter().map(|m| m.to_string().replace("\n    ", " | ")).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn unknown_keys() {
        let sections = section_names();
        let allowed =
            format!("found an unknown key | allowed: addr, log_format, log_connections, and the sections {sections}");
        check(&[("PORT", "1")], &[&format!("WS_SERVER__PORT: port: {allowed} | did you mean WS_SERVER__ADDR?")]);
        check(
            &[("MAX_CONNECTIONS", "1")],
            &[&format!(
                "WS_SERVER__MAX_CONNECTIONS: max_connections: {allowed} | did you mean WS_SERVER__LIMITS__CONNECTIONS_MAX?"
            )],
        );
        check(
            &[("LOG_LEVEL", "debug")],
            &[&format!(
                "WS_SERVER__LOG_LEVEL: log_level: {allowed} | the level is in the variable RUST_LOG: RUST_LOG=debug"
            )],
        );
        check(
            &[("LIMITS__MAX_CONNECTIONS", "7")],
            &["WS_SERVER__LIMITS__MAX_CONNECTIONS: limits.max_connections: found an unknown key | allowed: \
               connections_max, connections_per_ip_max, connections_per_user_max, handshakes_per_second, handshakes_per_ip_per_second, sockets_per_ip_max, message_bytes_max, \
               channels_per_connection_max, outbox_bytes_max, broadcast_log_bytes_max, channel_log_bytes_max, \
               channel_logs_bytes_max, requests_per_second, requests_burst, errors_max, errors_window, \
               handshake_timeout, keep_alive, write_timeout, token_checks_per_second | did you mean WS_SERVER__LIMITS__CONNECTIONS_MAX?"],
        );
        check(
            &[("DRAIN__GRASE", "1s")],
            &[
                "WS_SERVER__DRAIN__GRASE: drain.grase: found an unknown key | allowed: grace, reconnect_spread | did you mean WS_SERVER__DRAIN__GRACE?",
            ],
        );
        check(
            &[("GRACE", "1s")],
            &[&format!("WS_SERVER__GRACE: grace: {allowed} | did you mean WS_SERVER__DRAIN__GRACE?")],
        );
        check(
            &[("X__Y", "1")],
            &[&format!("WS_SERVER__X__Y: x.y: found an unknown key | allowed: the sections {sections}")],
        );
    }

    /// The configuration that these keys give, which are right.
    #[track_caller]
    pub(crate) fn resolved(typed: &[(&str, &str, &str)]) -> Config {
        let mut mistakes = Vec::new();
        let given = typed.iter().map(|(section, key, value)| Given {
            source: Source::Flag("-".to_owned()),
            name: KeyName::new(*section, key),
            typed: Typed::Bare((*value).to_owned()),
        });
        let loaded = resolve(given.collect(), &mut mistakes);
        assert_eq!(mistakes, []);
        loaded.config
    }

    #[test]
    fn what_a_namespace_does_not_set_it_inherits() {
        let config = resolved(&[
            ("namespaces.chat", "history_size", "7"),
            ("namespaces.chat", "presence", "false"),
            ("channels", "history_size", "5"),
            ("channels", "on_lag", "latest"),
            ("namespaces.news", "publish", "nobody"),
        ]);
        let (chat, news) = (&config.namespaces["chat"], &config.namespaces["news"]);
        assert_eq!((chat.history_size, chat.presence, chat.on_lag), (7, false, OnLag::Latest));
        assert_eq!(*news, Channels { publish: Access::NOBODY, ..config.channels });
        assert_eq!(config.namespaces.len(), 2);
    }

    #[test]
    fn namespaces_in_the_environment() {
        let allowed = "history_size, history_ttl, presence, join_leave, join_leave_max, on_lag, subscribe, publish, \
                       read_history, read_presence, claude";
        check(&[("NAMESPACES__CHAT__HISTORY_SIZE", "7"), ("NAMESPACES__聊天__PRESENCE", "true")], &[]);
        let unknown = |name: &str, key: &str, hint: &str| {
            format!(
                "WS_SERVER__{name}: {key}: found an unknown key | allowed: {allowed} | did you mean WS_SERVER__{hint}?"
            )
        };
        check(
            &[("NAMESPACES__CHAT__HISTROY_SIZE", "7")],
            &[&unknown(
                "NAMESPACES__CHAT__HISTROY_SIZE",
                "namespaces.chat.histroy_size",
                "NAMESPACES__CHAT__HISTORY_SIZE",
            )],
        );
        check(
            &[("NAMESPACES__CHAT__GRACE", "7s")],
            &[&unknown("NAMESPACES__CHAT__GRACE", "namespaces.chat.grace", "DRAIN__GRACE")],
        );
        let sections = format!("found an unknown key | allowed: the sections {}", section_names());
        check(&[("NAMESPACES__CHAT", "7")], &[&format!("WS_SERVER__NAMESPACES__CHAT: namespaces.chat: {sections}")]);
        check(
            &[("NAMESPACES__HISTORY_SIZE", "7")],
            &[&format!(
                "WS_SERVER__NAMESPACES__HISTORY_SIZE: namespaces.history_size: {sections} | did you mean WS_SERVER__CHANNELS__HISTORY_SIZE?"
            )],
        );
        check(
            &[("NAMESPACES__chat__HISTORY_SIZE", "7")],
            &[&format!(
                "WS_SERVER__NAMESPACES__chat__HISTORY_SIZE: NAMESPACES.CHAT.history_size: {sections} | did you mean WS_SERVER__NAMESPACES__CHAT__HISTORY_SIZE?"
            )],
        );
    }

    #[test]
    fn a_bad_name_is_told_once() {
        check(
            &[("NAMESPACES__A:B__ON_LAG", "gap"), ("NAMESPACES__A:B__PRESENCE", "maybe")],
            &[
                "WS_SERVER__NAMESPACES__A:B__ON_LAG: namespaces.\"a:b\": found a name with : | allowed: 1 to 64 bytes without white space, control characters, :, * and #",
                "WS_SERVER__NAMESPACES__A:B__PRESENCE: namespaces.\"a:b\".presence: found \"maybe\" | allowed: true or false",
            ],
        );
    }
}
