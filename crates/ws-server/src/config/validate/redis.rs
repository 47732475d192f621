//! Checks what the Redis engine cannot do yet, which of its keys go together, and what it needs of other sections.

use ws_engine_redis::Location;

use crate::config::channels::Channels;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::KeyName;
use crate::config::namespaces::Namespaces;
use crate::config::sections::EngineType;

/// Mistakes of `[engine.redis]`, and of what does not go together with it.
pub(super) fn validate_redis(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let mut found = unmet(loaded, mistakes);
    found.extend(unsupported(loaded, mistakes));
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

/// What leads to Redis in a way that is not there yet.
fn unsupported(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let urls = &loaded.config.engine.redis.url;
    let what = match urls.locations.as_slice() {
        [Location::Server(_) | Location::Sentinel { .. }] => return None,
        [Location::Cluster(_)] => "Redis Cluster",
        _ => "several servers of Redis",
    };
    if any_invalid(mistakes, &[name("url")]) {
        return None;
    }
    let (found, hint) = (format!("\"{urls}\""), format!("{what}: not supported yet"));
    Some(mistake(loaded, name("url"), found, "one URL, of a server or of Sentinels", &hint))
}

/// Keys that do something only with another one. To ignore them would be to connect in another way than was meant.
fn unmet(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let redis = &loaded.config.engine.redis;
    let (is_tls, has_sentinels) = (redis.url.is_tls, redis.url.locations.iter().any(Location::is_sentinel));
    let [ca, cert, key] = [&redis.tls_ca_file, &redis.tls_cert_file, &redis.tls_key_file].map(Option::is_some);
    let [password, of_sentinels] = [&redis.password_file, &redis.sentinel_password_file].map(Option::is_some);
    let [user, user_of_sentinels] = [&redis.username, &redis.sentinel_username].map(Option::is_some);
    let (no_tls, tls) =
        ("a file for TLS, while engine.redis.url is not TLS", "rediss in place of redis in engine.redis.url");
    let no_sentinels = "a password for Sentinels, while engine.redis.url names none";
    // A key, whether it is set in vain, what it needs, what is found, and what it needs in words.
    let needs = [
        ("tls_ca_file", ca && !is_tls, "url", no_tls, tls),
        ("tls_cert_file", cert && !is_tls, "url", no_tls, tls),
        ("tls_key_file", key && !is_tls, "url", no_tls, tls),
        (
            "tls_cert_file",
            is_tls && cert && !key,
            "tls_key_file",
            "a certificate without its key",
            "engine.redis.tls_key_file",
        ),
        (
            "tls_key_file",
            is_tls && key && !cert,
            "tls_cert_file",
            "a key without its certificate",
            "engine.redis.tls_cert_file",
        ),
        ("username", user && !password, "password_file", "a user without a password", "engine.redis.password_file"),
        (
            "sentinel_username",
            user_of_sentinels && !of_sentinels,
            "sentinel_password_file",
            "a user without a password",
            "engine.redis.sentinel_password_file",
        ),
        (
            "sentinel_password_file",
            of_sentinels && !has_sentinels,
            "url",
            no_sentinels,
            "redis+sentinel://host,host/primary",
        ),
    ];
    let unmet = needs.into_iter().filter(|(_, is_unmet, ..)| *is_unmet);
    let known = unmet.filter(|(key, _, with, ..)| !any_invalid(mistakes, &[name(key), name(with)]));
    let mistake = |(key, _, _, found, with): (&str, bool, &str, &str, &str)| {
        let (source, key) = (loaded.source(&name(key)), name(key).to_string());
        ConfigError { source, key, found: found.to_owned(), allowed: format!("{with} with it"), hint: None }
    };
    known.map(mistake).collect()
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
    fn ways_to_redis_that_are_not_there_yet_are_refused() {
        let refused = |url: &str, hint: &str| {
            let allowed = "one URL, of a server or of Sentinels";
            let mistake = key("engine.redis.url", &format!("{url:?}"), allowed, &format!("{hint}: not supported yet"));
            check(&[REDIS, ("ENGINE__REDIS__URL", url)], &[&mistake]);
        };
        refused("redis+cluster://a:1,b:2", "Redis Cluster");
        refused("redis://a:1,redis://b:2", "several servers of Redis");
    }

    const TLS: (&str, &str) = ("ENGINE__REDIS__URL", "rediss://a");
    const CERT: (&str, &str) = ("ENGINE__REDIS__TLS_CERT_FILE", "/cert.pem");
    const KEY: (&str, &str) = ("ENGINE__REDIS__TLS_KEY_FILE", "/key.pem");

    /// A mistake without a hint.
    fn lone(name: &str, found: &str, allowed: &str) -> String {
        key(name, found, allowed, "").trim_end_matches(" | ").to_owned()
    }

    #[test]
    fn files_for_tls_need_tls_and_come_in_pairs() {
        let idle = |name: &str| {
            let allowed = "rediss in place of redis in engine.redis.url with it";
            lone(name, "a file for TLS, while engine.redis.url is not TLS", allowed)
        };
        check(&[REDIS, ("ENGINE__REDIS__TLS_CA_FILE", "/ca.pem")], &[&idle("engine.redis.tls_ca_file")]);
        check(&[REDIS, CERT, KEY], &[&idle("engine.redis.tls_cert_file"), &idle("engine.redis.tls_key_file")]);
        check(&[REDIS, TLS, ("ENGINE__REDIS__TLS_CA_FILE", "/ca.pem"), CERT, KEY], &[]);
        let allowed = "engine.redis.tls_key_file with it";
        check(&[REDIS, TLS, CERT], &[&lone("engine.redis.tls_cert_file", "a certificate without its key", allowed)]);
        let allowed = "engine.redis.tls_cert_file with it";
        check(&[REDIS, TLS, KEY], &[&lone("engine.redis.tls_key_file", "a key without its certificate", allowed)]);
    }

    #[test]
    fn who_logs_in_has_a_password_and_somewhere_to_log_in() {
        let nobody = |of: &str| {
            let allowed = format!("engine.redis.{of}password_file with it");
            lone(&format!("engine.redis.{of}username"), "a user without a password", &allowed)
        };
        check(&[REDIS, ("ENGINE__REDIS__USERNAME", "app")], &[&nobody("")]);
        let sentinel = ("ENGINE__REDIS__URL", "redis+sentinel://a/main");
        let (user, password) =
            (("ENGINE__REDIS__SENTINEL_USERNAME", "app"), ("ENGINE__REDIS__SENTINEL_PASSWORD_FILE", "/p"));
        check(&[REDIS, sentinel, user], &[&nobody("sentinel_")]);
        check(&[REDIS, sentinel, user, password], &[]);
        let nowhere = lone(
            "engine.redis.sentinel_password_file",
            "a password for Sentinels, while engine.redis.url names none",
            "redis+sentinel://host,host/primary with it",
        );
        check(&[REDIS, password], &[&nowhere]);
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
