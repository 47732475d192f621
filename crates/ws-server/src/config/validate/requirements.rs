//! Checks whether the keys that a value needs are set.

use crate::config::channels::{Access, Channels};
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::{KeyName, SectionPath};
use crate::config::namespaces::Namespaces;
use crate::config::sections::EngineType;
use crate::config::value::{Setting, words};

/// Values that need another key which is not set.
pub(crate) fn validate_requirements(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let mut found = Vec::new();
    found.extend(sqlite_without_type(loaded, mistakes));
    found.extend(burst_without_rate(loaded, mistakes));
    found.extend(address_twice(loaded));
    found.extend(any_audience(loaded, mistakes));
    let is_invalid = mistakes.iter().any(|mistake| mistake.key.is_empty() || mistake.key.starts_with("auth."));
    if !loaded.config.auth.has_keys() && !is_invalid {
        found.extend(nobody_can_connect(loaded));
        found.extend(modes_without_keys(loaded));
    }
    found
}

fn mistake_at(loaded: &Loaded, name: KeyName, found: String, allowed: &str, hint: &str) -> ConfigError {
    let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
    ConfigError { source: loaded.source(&name), key: name.to_string(), found, allowed: allowed.to_owned(), hint }
}

/// Otherwise the memory engine would run, without a warning.
fn sqlite_without_type(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let (section, engine) = (SectionPath::from("engine.sqlite"), KeyName::new("engine", "type"));
    let is_said = loaded.origins.contains_key(&engine) || loaded.config.engine.r#type != EngineType::Memory;
    let source = loaded.opened.get(&section).filter(|_| !is_said && !any_invalid(mistakes, &[engine]))?;
    Some(ConfigError {
        source: source.clone(),
        key: section.to_string(),
        found: "a section that does nothing: without engine.type, the engine is memory".to_owned(),
        allowed: "engine.type = \"sqlite\" with it".to_owned(),
        hint: None,
    })
}

fn burst_without_rate(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let names = ["requests_burst", "requests_per_second"].map(|key| KeyName::new("limits", key));
    let limits = &loaded.config.limits;
    if limits.requests_burst == 0 || limits.requests_per_second > 0 || any_invalid(mistakes, &names) {
        return None;
    }
    let [burst, rate] = names;
    let found = format!("{}, while {rate} is 0 (no limit)", limits.requests_burst);
    Some(mistake_at(loaded, burst, found, "0, or a rate with it", "without a rate, nothing is limited"))
}

/// A socket on all addresses of a port leaves none for another socket.
fn address_twice(loaded: &Loaded) -> Option<ConfigError> {
    let addrs = &loaded.config.addr;
    let covers = |all: &std::net::SocketAddr, one: &std::net::SocketAddr| {
        all.ip().is_unspecified()
            && !one.ip().is_unspecified()
            && all.is_ipv4() == one.is_ipv4()
            && all.port() == one.port()
    };
    let pairs = addrs.iter().flat_map(|all| addrs.iter().map(move |one| (all, one)));
    let (all, one) = pairs.into_iter().find(|(all, one)| all.port() != 0 && covers(all, one))?;
    let found = format!("{one} as well as {all}, which includes it");
    Some(mistake_at(loaded, KeyName::new("", "addr"), found, "one of the two", ""))
}

/// A provider issues tokens for many services. Only the audience says that a token is for this one.
fn any_audience(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let (auth, audience) = (&loaded.config.auth, KeyName::new("auth", "audience"));
    if auth.jwks_url.is_none() || auth.audience.is_some() || any_invalid(mistakes, std::slice::from_ref(&audience)) {
        return None;
    }
    let hint = "tokens that the provider issues for other services would be accepted; write * to allow that";
    let source = loaded.source(&KeyName::new("auth", "jwks_url"));
    let found = "none, while auth.jwks_url is set".to_owned();
    Some(ConfigError {
        source,
        ..mistake_at(loaded, audience, found, "what `aud` of a token must contain, or \"*\" (any)", hint)
    })
}

fn nobody_can_connect(loaded: &Loaded) -> Option<ConfigError> {
    let name = KeyName::new("auth", "anonymous");
    let found = "false, while there are no keys for tokens".to_owned();
    let allowed = "true, or keys: [[auth.keys]] or auth.jwks_url";
    (!loaded.config.auth.anonymous).then(|| mistake_at(loaded, name, found, allowed, "nobody could connect"))
}

type Mode<T> = (&'static str, fn(&T) -> Access);

const OF_CHANNELS: [Mode<Channels>; 4] = [
    ("subscribe", |channels| channels.subscribe),
    ("publish", |channels| channels.publish),
    ("read_history", |channels| channels.read_history),
    ("read_presence", |channels| channels.read_presence),
];

/// Access modes that only a token can meet. An inherited mode is reported where it was set.
fn modes_without_keys(loaded: &Loaded) -> Vec<ConfigError> {
    let config = &loaded.config;
    let namespaces = config.namespaces.iter().map(|(name, channels)| (Namespaces::path(name), channels));
    let sections = std::iter::once((SectionPath::from("channels"), &config.channels)).chain(namespaces);
    let of_channels = sections.flat_map(|(section, channels)| {
        OF_CHANNELS.map(|(key, mode)| (KeyName { section: section.clone(), key: key.to_owned() }, mode(channels)))
    });
    let actions = [("broadcast", config.actions.broadcast), ("get_connections", config.actions.get_connections)];
    let of_actions = actions.map(|(key, mode)| (KeyName::new("actions", key), mode));
    let needs_token = |mode: &Access| matches!(mode, Access::Authenticated | Access::Granted);
    let set =
        of_channels.chain(of_actions).filter(|(name, mode)| needs_token(mode) && loaded.origins.contains_key(name));
    let mistake = |(name, mode): (KeyName, Access)| {
        let found = format!("{}, while there are no keys for tokens", mode.show(&words()));
        mistake_at(
            loaded,
            name,
            found,
            "this mode with keys ([[auth.keys]] or auth.jwks_url), or another mode",
            "nobody could meet it",
        )
    };
    set.map(mistake).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::resolve::tests::check;

    const SECRET: (&str, &str) = ("AUTH__KEYS__0__SECRET", "a secret that is long enough to be one");

    #[test]
    fn sqlite_needs_to_be_chosen() {
        check(
            &[("ENGINE__SQLITE__FSYNC", "interval")],
            &[
                "WS_SERVER__ENGINE__SQLITE__FSYNC: engine.sqlite: found a section that does nothing: without engine.type, the \
               engine is memory | allowed: engine.type = \"sqlite\" with it",
            ],
        );
        check(&[("ENGINE__SQLITE__FSYNC", "interval"), ("ENGINE__TYPE", "sqlite")], &[]);
        check(&[("ENGINE__SQLITE__FSYNC", "interval"), ("ENGINE__TYPE", "memory")], &[]);
    }

    #[test]
    fn a_burst_needs_a_rate() {
        check(
            &[("LIMITS__REQUESTS_BURST", "7")],
            &[
                "WS_SERVER__LIMITS__REQUESTS_BURST: limits.requests_burst: found 7, while limits.requests_per_second is 0 (no \
               limit) | allowed: 0, or a rate with it | without a rate, nothing is limited",
            ],
        );
        check(&[("LIMITS__REQUESTS_BURST", "7"), ("LIMITS__REQUESTS_PER_SECOND", "1")], &[]);
    }

    #[test]
    fn all_addresses_are_all() {
        check(
            &[("ADDR", "127.0.0.1:80,0.0.0.0:80")],
            &["WS_SERVER__ADDR: addr: found 127.0.0.1:80 as well as 0.0.0.0:80, which includes it | allowed: one \
               of the two"],
        );
        check(&[("ADDR", "127.0.0.1:80,0.0.0.0:81,[::]:80")], &[]);
        check(&[("ADDR", "127.0.0.1:0,0.0.0.0:0")], &[]);
    }

    #[test]
    fn a_key_set_needs_an_audience() {
        let url = ("AUTH__JWKS_URL", "https://id.example/keys");
        check(
            &[url],
            &[
                "WS_SERVER__AUTH__JWKS_URL: auth.audience: found none, while auth.jwks_url is set | allowed: what `aud` of a \
               token must contain, or \"*\" (any) | tokens that the provider issues for other \
               services would be accepted; write * to allow that",
            ],
        );
        check(&[url, ("AUTH__AUDIENCE", "chat")], &[]);
        check(&[url, ("AUTH__AUDIENCE", "*")], &[]);
        check(&[SECRET], &[]);
    }

    #[test]
    fn modes_for_tokens_need_keys() {
        let line = |variable: &str, key: &str, mode: &str| {
            format!(
                "WS_SERVER__{variable}: {key}: found \"{mode}\", while there are no keys for tokens | allowed: this mode with \
                 keys ([[auth.keys]] or auth.jwks_url), or another mode | nobody could meet it"
            )
        };
        let subscribe = line("CHANNELS__SUBSCRIBE", "channels.subscribe", "granted");
        check(&[("CHANNELS__SUBSCRIBE", "granted"), ("NAMESPACES__CHAT__PRESENCE", "true")], &[&subscribe]);
        check(
            &[("NAMESPACES__CHAT__READ_HISTORY", "authenticated"), ("ACTIONS__BROADCAST", "granted")],
            &[
                &line("NAMESPACES__CHAT__READ_HISTORY", "namespaces.chat.read_history", "authenticated"),
                &line("ACTIONS__BROADCAST", "actions.broadcast", "granted"),
            ],
        );
        check(&[("CHANNELS__SUBSCRIBE", "granted"), SECRET], &[]);
        check(&[("CHANNELS__SUBSCRIBE", "nobody")], &[]);
    }

    #[test]
    fn who_has_to_authenticate_needs_keys() {
        check(
            &[("AUTH__ANONYMOUS", "false")],
            &[
                "WS_SERVER__AUTH__ANONYMOUS: auth.anonymous: found false, while there are no keys for tokens | allowed: true, or \
               keys: [[auth.keys]] or auth.jwks_url | nobody could connect",
            ],
        );
        check(&[("AUTH__ANONYMOUS", "false"), SECRET], &[]);
    }
}
