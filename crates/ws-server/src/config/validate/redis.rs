//! Checks what the Redis engine cannot do yet, and what it needs of other sections.

use std::time::Duration;

use crate::config::channels::Channels;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::KeyName;
use crate::config::namespaces::Namespaces;
use crate::config::sections::EngineType;

/// Mistakes of `[engine.redis]`, and of what does not go together with it.
pub(super) fn validate_redis(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let mut found = unsupported(loaded);
    found.extend(prefix(loaded, mistakes));
    if loaded.config.engine.r#type == EngineType::Redis && !any_invalid(mistakes, &[KeyName::new("engine", "type")]) {
        for (section, options) in sections(loaded) {
            found.extend(position_ttl(loaded, mistakes, &section, options));
        }
    }
    found
}

fn name(key: &str) -> KeyName {
    KeyName::new("engine.redis", key)
}

/// The sections of channels that set something themselves, and the one whose defaults they have.
fn sections(loaded: &Loaded) -> Vec<(String, &Channels)> {
    let named = loaded.config.namespaces.iter().map(|(name, options)| (Namespaces::path(name).to_string(), options));
    std::iter::once(("channels".to_owned(), &loaded.config.channels)).chain(named).collect()
}

fn mistake(loaded: &Loaded, key: KeyName, found: String, allowed: &str, hint: &str) -> ConfigError {
    let (source, allowed, hint) = (loaded.source(&key), allowed.to_owned(), Some(hint.to_owned()));
    ConfigError { source, key: key.to_string(), found, allowed, hint }
}

/// Keys whose function is not there yet. To accept them would be to ignore them.
fn unsupported(loaded: &Loaded) -> Vec<ConfigError> {
    let redis = &loaded.config.engine.redis;
    let keys = [
        ("sentinel_password_file", redis.sentinel_password_file.is_some()),
        ("tls_ca_file", redis.tls_ca_file.is_some()),
        ("tls_cert_file", redis.tls_cert_file.is_some()),
        ("tls_key_file", redis.tls_key_file.is_some()),
        ("replicas_min", redis.replicas_min > 0),
        ("replicas_timeout", redis.replicas_timeout != Duration::from_secs(1)),
    ];
    let set = keys.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(key, _)| {
        let found = "a value for something that this version does not do yet".to_owned();
        mistake(loaded, name(key), found, "nothing", "leave it out")
    })
    .collect()
}

fn prefix(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let prefix = &loaded.config.engine.redis.prefix;
    let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_plain || any_invalid(mistakes, &[name("prefix")]) {
        return None;
    }
    let allowed = "1 to 32 of A-Z, a-z, 0-9, '.', '_' and '-'";
    Some(mistake(loaded, name("prefix"), format!("{prefix:?}"), allowed, "it is part of every key"))
}

/// A position must not be forgotten before what it is the position of.
fn position_ttl(loaded: &Loaded, mistakes: &[ConfigError], section: &str, options: &Channels) -> Option<ConfigError> {
    let (key, ttl) = (name("position_ttl"), loaded.config.engine.redis.position_ttl);
    let history = KeyName::new(section, "history_ttl");
    let is_own = section == "channels" || loaded.origins.contains_key(&history);
    if options.history_ttl <= ttl || !is_own || any_invalid(mistakes, &[key.clone(), history.clone()]) {
        return None;
    }
    let found = format!("{ttl:?}, less than {history} ({:?})", options.history_ttl);
    Some(mistake(loaded, key, found, "at least the longest history_ttl", "a position outlives what it counts"))
}

#[cfg(test)]
mod tests {
    use crate::config::resolve::tests::check;

    const REDIS: (&str, &str) = ("ENGINE__TYPE", "redis");

    fn key(key: &str, found: &str, allowed: &str, hint: &str) -> String {
        let variable = key.replace('.', "__").to_uppercase();
        format!("WS_SERVER__{variable}: {key}: found {found} | allowed: {allowed} | {hint}")
    }

    #[test]
    fn what_is_not_there_yet_is_refused() {
        let words = "a value for something that this version does not do yet";
        let refused = |name: &str| key(&format!("engine.redis.{name}"), words, "nothing", "leave it out");
        check(&[REDIS], &[]);
        check(&[REDIS, ("ENGINE__REDIS__REPLICAS_MIN", "1")], &[&refused("replicas_min")]);
        check(&[REDIS, ("ENGINE__REDIS__TLS_CA_FILE", "/ca.pem")], &[&refused("tls_ca_file")]);
        check(&[REDIS, ("ENGINE__REDIS__REPLICAS_TIMEOUT", "2s")], &[&refused("replicas_timeout")]);
    }

    #[test]
    fn what_all_servers_know_is_allowed() {
        check(&[REDIS, ("LIMITS__CONNECTIONS_PER_USER_MAX", "3"), ("CHANNELS__JOIN_LEAVE", "true")], &[]);
        check(&[REDIS, ("CLAUDE__API_KEY_FILE", "/k")], &[]);
    }

    #[test]
    fn positions_outlive_publications() {
        let found = "3600s, less than channels.history_ttl (7200s)";
        let mistake = key(
            "engine.redis.position_ttl",
            found,
            "at least the longest history_ttl",
            "a position outlives what it counts",
        );
        let short = ("ENGINE__REDIS__POSITION_TTL", "1h");
        check(&[REDIS, short, ("CHANNELS__HISTORY_TTL", "2h")], &[&mistake]);
        check(&[REDIS, short, ("CHANNELS__HISTORY_TTL", "1h")], &[]);
        let prefix = key(
            "engine.redis.prefix",
            "\"a:b\"",
            "1 to 32 of A-Z, a-z, 0-9, '.', '_' and '-'",
            "it is part of every key",
        );
        check(&[REDIS, ("ENGINE__REDIS__PREFIX", "a:b")], &[&prefix]);
    }
}
