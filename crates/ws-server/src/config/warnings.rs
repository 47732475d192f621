//! What is valid but may not be intended: what is open to everybody, and keys that are set and do nothing. The start
//! logs these warnings, and `check-config` prints them.

use std::fmt;

use ws_transport::{AllowedOrigin, TrustedNetwork};

use super::access_keys::{access_keys, idle_mode};
use super::loaded::Loaded;
use super::name::{KeyName, SectionPath};
use super::sections::{Config, EngineType, Fsync};
use super::source::Source;
use super::table::SECTIONS;

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where the value comes from. `None`: from the defaults.
    source: Option<Source>,
    what: String,
}

impl Warning {
    /// `source`: where the value comes from, if it was set.
    pub(crate) fn new(source: impl Into<Option<Source>>, what: impl Into<String>) -> Self {
        Warning { source: source.into(), what: what.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.iter().try_for_each(|source| write!(f, "{source}: "))?;
        f.write_str(&self.what)
    }
}

impl Loaded {
    /// All warnings about this configuration.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let unused = UNUSED.iter().filter(|unused| (unused.when)(&self.config)).flat_map(|unused| self.unused(unused));
        let empty = self.empty.iter().map(|name| format!("{name} is set to nothing, which counts as not set"));
        let open = open(&self.config).chain(empty).map(|what| Warning::new(None, what));
        open.chain(unused).chain(self.idle_modes()).collect()
    }

    /// Modes of lists that let nobody else in.
    fn idle_modes(&self) -> impl Iterator<Item = Warning> {
        access_keys(&self.config).into_iter().filter_map(|(name, access)| {
            let source = self.origins.get(&name)?;
            let (mode, why) = idle_mode(access, self.config.auth.has_keys())?;
            let what = format!("{} in {name} does nothing: {why}", mode.as_str());
            Some(Warning::new(source.clone(), what))
        })
    }

    /// The keys that are set to another value than their default, and do nothing.
    fn unused<'a>(&'a self, unused: &'a Unused) -> impl Iterator<Item = Warning> + 'a {
        let of_section = self.origins.iter().filter(|(name, _)| name.section == SectionPath::from(unused.section));
        let meant = of_section.filter(|(name, _)| unused.keys.is_empty() || unused.keys.contains(&name.key.as_str()));
        let set = meant.filter(|(name, _)| shown(&self.config, name) != shown(&Config::default(), name));
        set.map(|(name, source)| Warning::new(source.clone(), format!("{name} does nothing: {}", unused.why)))
    }
}

fn shown(config: &Config, name: &KeyName) -> Option<String> {
    let section = SECTIONS.iter().find(|section| section.owns(&name.section))?;
    let (_, keys) = section.show(config).into_iter().find(|(path, _)| *path == name.section)?;
    keys.into_iter().find(|value| value.facts.name == name.key).map(|value| value.toml)
}

/// A shorter key is warned about.
const API_KEY_BYTES_MIN: usize = 16;

/// What is open to everybody, or may be lost.
fn open(config: &Config) -> impl Iterator<Item = String> {
    let (auth, sqlite) = (&config.auth, &config.engine.sqlite);
    let door = match (auth.has_keys(), auth.anonymous) {
        (false, true) => "no authentication: whoever reaches the server may connect, publish and broadcast",
        (true, true) => "anonymous connections are allowed (auth.anonymous): the access modes decide what they may do",
        (_, false) => "",
    };
    let origins = auth.allowed_origins.contains(&AllowedOrigin::Any);
    let origins =
        origins.then_some("any origin is allowed: every page in a browser that reaches the server may connect");
    let loses = config.engine.r#type == EngineType::Sqlite && sqlite.fsync == Fsync::Interval;
    let power = loses.then(|| {
        format!(
            "a power failure may lose what was acknowledged in the last {:?} (engine.sqlite.fsync)",
            sqlite.fsync_interval
        )
    });
    let memory = &config.engine.memory;
    let forgets =
        config.engine.r#type == EngineType::Memory && memory.history_bytes_max < config.limits.message_bytes_max;
    let small =
        "the largest publications are not kept: engine.memory.history_bytes_max is less than limits.message_bytes_max";
    let small = forgets.then_some(small);
    let door = Some(door).filter(|door| !door.is_empty());
    let is_everybody = config.proxy.trusted.iter().any(TrustedNetwork::is_everybody);
    let liars =
        is_everybody.then_some("everybody is trusted as a proxy (proxy.trusted): any client may claim any address");
    let keys = config.api.key.iter().chain(config.api.keys.iter().filter_map(|entry| entry.key.as_ref()));
    let is_short = keys.into_iter().any(|key| key.reveal().len() < API_KEY_BYTES_MIN);
    let short = is_short.then_some("a key of the HTTP API has less than 16 bytes, and can be guessed ([api])");
    [door, origins, small, liars, short].into_iter().flatten().map(str::to_owned).chain(power)
}

/// Keys that do nothing under some condition.
struct Unused {
    section: &'static str,
    /// Empty: all of the section.
    keys: &'static [&'static str],
    when: fn(&Config) -> bool,
    why: &'static str,
}

const UNUSED: [Unused; 16] = [
    Unused {
        section: "auth",
        keys: &["audience", "issuer", "leeway", "expiry_grace", "expiry_notice"],
        when: |config| !config.auth.has_keys(),
        why: "there are no keys for tokens",
    },
    Unused {
        section: "auth",
        keys: &["jwks_refresh"],
        when: |config| config.auth.jwks_url.is_none(),
        why: "there is no auth.jwks_url",
    },
    Unused {
        section: "auth",
        keys: &["authenticate_within", "unauthenticated_max"],
        when: |config| config.auth.anonymous,
        why: "auth.anonymous is true, so nobody has to authenticate",
    },
    Unused {
        section: "limits",
        keys: &["connections_per_user_max"],
        when: |config| !config.auth.has_keys(),
        why: "without keys for tokens nobody is a user",
    },
    Unused {
        section: "limits",
        keys: &["connections_per_user_max"],
        when: |config| config.auth.has_keys() && is_over(config.limits.connections_per_user_max, config),
        why: "it is not less than limits.connections_max",
    },
    Unused {
        section: "limits",
        keys: &["connections_per_ip_max"],
        when: |config| config.auth.anonymous && is_over(config.limits.connections_per_ip_max, config),
        why: "it is not less than limits.connections_max",
    },
    Unused {
        section: "limits",
        keys: &["errors_window"],
        when: |config| config.limits.errors_max == 0,
        why: "limits.errors_max is 0",
    },
    Unused {
        section: "heartbeat",
        keys: &["timeout"],
        when: |config| config.heartbeat.interval.is_zero(),
        why: "heartbeats are off",
    },
    Unused {
        section: "proxy",
        keys: &["header", "protocol"],
        when: |config| config.proxy.trusted.is_empty(),
        why: "proxy.trusted is empty, so nobody is believed",
    },
    Unused {
        section: "channels",
        keys: &["history_ttl"],
        when: |config| config.channels.history_size == 0 && config.namespaces.values().all(|c| c.history_size == 0),
        why: "channels.history_size is 0",
    },
    Unused {
        section: "claude",
        // What is said of streams counts for those that a server before this one has left.
        keys: &[
            "auth",
            "model",
            "models_allowed",
            "max_tokens",
            "effort",
            "thinking",
            "system",
            "client_options",
            "context_bytes_max",
            "runs_max",
            "runs_per_user_max",
            "runs_per_channel_max",
            "run_timeout",
            "first_token_timeout",
            "idle_timeout",
            "retries_max",
            "cache",
            "delta_interval",
        ],
        when: |config| config.claude.api_key.is_none() && config.claude.api_key_file.is_none(),
        why: "there is no key for Claude (ANTHROPIC_API_KEY)",
    },
    Unused {
        section: "engine.sqlite",
        keys: &["fsync_interval"],
        when: |config| config.engine.r#type == EngineType::Sqlite && config.engine.sqlite.fsync == Fsync::Commit,
        why: "engine.sqlite.fsync is commit",
    },
    Unused {
        section: "engine.sqlite",
        keys: &[],
        when: |config| config.engine.r#type != EngineType::Sqlite,
        why: "another engine is configured",
    },
    Unused {
        section: "engine.redis",
        keys: &["replicas_timeout"],
        when: |config| config.engine.r#type == EngineType::Redis && config.engine.redis.replicas_min == 0,
        why: "engine.redis.replicas_min is 0",
    },
    Unused {
        section: "engine.redis",
        keys: &[],
        when: |config| config.engine.r#type != EngineType::Redis,
        why: "another engine is configured",
    },
    Unused {
        section: "engine.memory",
        keys: &[],
        when: |config| config.engine.r#type != EngineType::Memory,
        why: "another engine is configured",
    },
];

fn is_over(most: usize, config: &Config) -> bool {
    config.limits.connections_max > 0 && most >= config.limits.connections_max
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    /// What is doubtful under these variables, but for the open door.
    #[track_caller]
    fn check(env: &[(&str, &str)], expect: &[&str]) {
        let secret = [("AUTH__KEYS__0__SECRET", "a secret that is long enough to be one")];
        let env = env.iter().chain(&secret).map(|(name, value)| (format!("WS_SERVER__{name}").into(), value.into()));
        let loaded = load(&Sources { env: env.collect(), ..Sources::default() }).expect("no mistake");
        let warnings: Vec<_> = loaded.warnings().iter().map(ToString::to_string).collect();
        let anonymous = "anonymous connections are allowed (auth.anonymous): the access modes decide what they may do";
        let warnings: Vec<_> = warnings.iter().map(String::as_str).filter(|warning| *warning != anonymous).collect();
        assert_eq!(warnings, expect);
    }

    #[test]
    fn what_is_open() {
        let warnings = load(&Sources::default()).expect("no mistake").warnings();
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["no authentication: whoever reaches the server may connect, publish and broadcast"]);
        check(
            &[("AUTH__ALLOWED_ORIGINS", "*")],
            &["any origin is allowed: every page in a browser that reaches the server may connect"],
        );
        check(
            &[("PROXY__TRUSTED", "loopback,::/0")],
            &["everybody is trusted as a proxy (proxy.trusted): any client may claim any address"],
        );
        check(
            &[("PROXY__PROTOCOL", "true")],
            &["WS_SERVER__PROXY__PROTOCOL: proxy.protocol does nothing: proxy.trusted is empty, so nobody is believed"],
        );
        check(
            &[("ENGINE__TYPE", "sqlite"), ("ENGINE__SQLITE__FSYNC", "interval")],
            &["a power failure may lose what was acknowledged in the last 1s (engine.sqlite.fsync)"],
        );
        check(
            &[("ENGINE__MEMORY__HISTORY_BYTES_MAX", "1MiB"), ("LIMITS__MESSAGE_BYTES_MAX", "2MiB")],
            &["the largest publications are not kept: engine.memory.history_bytes_max is less than \
               limits.message_bytes_max"],
        );
    }

    #[test]
    fn what_is_set_to_nothing() {
        check(
            &[("AUTH__KEYS__1__SECRET", ""), ("DRAIN__GRACE", "")],
            &["AUTH__KEYS__1__SECRET", "DRAIN__GRACE"]
                .map(|name| format!("WS_SERVER__{name} is set to nothing, which counts as not set"))
                .each_ref()
                .map(String::as_str),
        );
    }

    #[test]
    fn modes_that_do_nothing() {
        check(
            &[("CHANNELS__PUBLISH", "granted,anyone"), ("NAMESPACES__CHAT__PRESENCE", "true")],
            &["WS_SERVER__CHANNELS__PUBLISH: granted in channels.publish does nothing: anyone may"],
        );
        check(&[("CHANNELS__PUBLISH", "granted,subscriber")], &[]);
    }

    #[test]
    fn what_does_nothing() {
        let line = |variable: &str, key: &str, why: &str| format!("WS_SERVER__{variable}: {key} does nothing: {why}");
        let check_one = |variable: &str, value: &str, others: &[(&str, &str)], key: &str, why: &str| {
            let env = [&[(variable, value)], others].concat();
            check(&env, &[&line(variable, key, why)]);
        };
        check_one("AUTH__JWKS_REFRESH", "1m", &[], "auth.jwks_refresh", "there is no auth.jwks_url");
        check_one(
            "AUTH__UNAUTHENTICATED_MAX",
            "7",
            &[],
            "auth.unauthenticated_max",
            "auth.anonymous is true, so nobody has to authenticate",
        );
        check_one(
            "LIMITS__ERRORS_WINDOW",
            "7s",
            &[("LIMITS__ERRORS_MAX", "0")],
            "limits.errors_window",
            "limits.errors_max is 0",
        );
        check_one(
            "HEARTBEAT__TIMEOUT",
            "7s",
            &[("HEARTBEAT__INTERVAL", "0s")],
            "heartbeat.timeout",
            "heartbeats are off",
        );
        check_one(
            "LIMITS__CONNECTIONS_PER_IP_MAX",
            "7",
            &[("LIMITS__CONNECTIONS_MAX", "7")],
            "limits.connections_per_ip_max",
            "it is not less than limits.connections_max",
        );
        check_one(
            "CHANNELS__HISTORY_TTL",
            "7s",
            &[("CHANNELS__HISTORY_SIZE", "0")],
            "channels.history_ttl",
            "channels.history_size is 0",
        );
        check_one(
            "ENGINE__SQLITE__FSYNC_INTERVAL",
            "7s",
            &[("ENGINE__TYPE", "sqlite")],
            "engine.sqlite.fsync_interval",
            "engine.sqlite.fsync is commit",
        );
        check_one(
            "ENGINE__SQLITE__DIR",
            "d",
            &[("ENGINE__TYPE", "memory")],
            "engine.sqlite.dir",
            "another engine is configured",
        );
        check(&[("ENGINE__SQLITE__DIR", "./data"), ("ENGINE__TYPE", "memory")], &[]);
    }
}
