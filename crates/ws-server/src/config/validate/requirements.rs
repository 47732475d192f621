//! Checks whether the keys that a value needs are set.

use std::net::SocketAddr;

use ws_transport::ListenAddr;

use crate::config::access_keys::{access_keys, needs_token};
use crate::config::channels::Access;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::{KeyName, SectionPath};
use crate::config::sections::EngineType;
use crate::config::value::{Setting, modes};

/// Values that need another key which is not set.
pub(crate) fn validate_requirements(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let mut found = Vec::new();
    found.extend(sqlite_without_type(loaded, mistakes));
    found.extend(burst_without_rate(loaded, mistakes));
    found.extend(address_twice(loaded));
    found.extend(metrics_at_addr(loaded, mistakes));
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
fn covers(all: &SocketAddr, one: &SocketAddr) -> bool {
    let is_covered = all.is_ipv4() == one.is_ipv4() || all.is_ipv6();
    all.ip().is_unspecified() && is_covered && all.port() == one.port() && all.port() != 0
}

fn address_twice(loaded: &Loaded) -> Option<ConfigError> {
    let addrs: Vec<_> = loaded.config.addr.iter().filter_map(ListenAddr::tcp).collect();
    let pairs = addrs.iter().flat_map(|all| addrs.iter().map(move |one| (all, one)));
    let (all, one) = pairs.into_iter().find(|(all, one)| all != one && covers(all, one))?;
    let found = format!("{one} as well as {all}, which includes it");
    let hint = if all.is_ipv4() == one.is_ipv4() { "" } else { "[::] covers IPv4 already" };
    Some(mistake_at(loaded, KeyName::new("", "addr"), found, "one of the two", hint))
}

/// What is served at `metrics.addr` cannot be served elsewhere.
fn metrics_at_addr(loaded: &Loaded, mistakes: &[ConfigError]) -> Option<ConfigError> {
    let names = [KeyName::new("", "addr"), KeyName::new("metrics", "addr")];
    let metrics = loaded.config.metrics.addr.as_ref().filter(|_| !any_invalid(mistakes, &names))?;
    let is_taken = |addr: &&ListenAddr| match (addr.tcp(), metrics.tcp()) {
        (Some(addr), Some(metrics)) => {
            addr == metrics && addr.port() != 0 || covers(&addr, &metrics) || covers(&metrics, &addr)
        }
        _ => *addr == metrics,
    };
    let taken = loaded.config.addr.iter().find(is_taken)?;
    let found = format!("{metrics}, while addr has {taken}");
    let hint = "metrics.addr serves nothing but metrics; leave it empty to have them at addr";
    let [_, name] = names;
    Some(mistake_at(loaded, name, found, "an address of its own", hint))
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

/// Modes that only a token can meet. An inherited mode is reported where it was set.
fn modes_without_keys(loaded: &Loaded) -> Vec<ConfigError> {
    let all = access_keys(&loaded.config).into_iter();
    let set = all.filter(|(name, access)| needs_token(*access) && loaded.origins.contains_key(name));
    let mistake = |(name, access): (KeyName, Access)| {
        let found = format!("{}, while there are no keys for tokens", access.show(&modes()));
        let allowed = "this mode with keys ([[auth.keys]] or auth.jwks_url), or another mode";
        mistake_at(loaded, name, found, allowed, "nobody could meet it")
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
        let covered = |other: &str| {
            format!(
                "WS_SERVER__ADDR: addr: found {other} as well as [::]:80, which includes it | allowed: one of the two | \
                 [::] covers IPv4 already"
            )
        };
        check(&[("ADDR", "0.0.0.0:80,[::]:80")], &[&covered("0.0.0.0:80")]);
        check(&[("ADDR", "[::]:80,127.0.0.1:80")], &[&covered("127.0.0.1:80")]);
        check(&[("ADDR", "127.0.0.1:80,0.0.0.0:81,[::]:82,[::1]:80")], &[]);
        check(&[("ADDR", "0.0.0.0:80,[::1]:80")], &[]);
        check(&[("ADDR", "127.0.0.1:0,0.0.0.0:0")], &[]);
    }

    #[test]
    fn metrics_need_an_address_of_their_own() {
        let line = |metrics: &str, addr: &str| {
            format!(
                "WS_SERVER__METRICS__ADDR: metrics.addr: found {metrics}, while addr has {addr} | allowed: an address of its \
                 own | metrics.addr serves nothing but metrics; leave it empty to have them at addr"
            )
        };
        for (metrics, addr) in [
            ("0.0.0.0:3000", "0.0.0.0:3000"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("[::]:80", "[::1]:80"),
            ("unix:a", "unix:a"),
        ] {
            check(&[("METRICS__ADDR", metrics), ("ADDR", addr)], &[&line(metrics, addr)]);
        }
        check(&[("METRICS__ADDR", "127.0.0.1:3000")], &[&line("127.0.0.1:3000", "0.0.0.0:3000")]);
        check(&[("METRICS__ADDR", "127.0.0.1:9300")], &[]);
        check(&[("METRICS__ADDR", "127.0.0.1:0"), ("ADDR", "127.0.0.1:0")], &[]);
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
                &line("ACTIONS__BROADCAST", "actions.broadcast", "granted"),
                &line("NAMESPACES__CHAT__READ_HISTORY", "namespaces.chat.read_history", "authenticated"),
            ],
        );
        check(&[("CHANNELS__PUBLISH", "granted,subscriber")], &[]);
        let both =
            line("CHANNELS__PUBLISH", "channels.publish", "X").replace("\"X\"", "[\"authenticated\", \"granted\"]");
        check(&[("CHANNELS__PUBLISH", "granted,authenticated")], &[&both]);
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
