//! What keys and sections of other servers are called here.

use super::name::KeyName;

/// Names of sections, and what to write instead.
const SECTIONS: [(&[&str], &str); 6] = [
    (
        &["log", "logs", "logging", "logger"],
        "log_format and log_connections stand at the top of the file; the level is in the variable RUST_LOG",
    ),
    (&["server", "http", "http_server", "listen", "network", "websocket"], "addr stands at the top of the file"),
    (&["cors", "origins"], "origins are in auth.allowed_origins"),
    (&["jwt", "token", "tokens", "client"], "keys for tokens are in [[auth.keys]], the rest is in [auth]"),
    (
        &["database", "storage", "sqlite", "persistence"],
        "set type = \"sqlite\" in [engine], and the rest in [engine.sqlite]",
    ),
    (&["ssl", "https"], "did you mean [tls]?"),
];

/// Names of keys, and the keys of ours: section and name.
const KEYS: [(&[&str], &str, &str); 16] = [
    (&["port", "host", "bind", "listen", "address", "addresses", "listen_addr", "ip"], "", "addr"),
    (&["log", "logformat", "format"], "", "log_format"),
    (&["origins", "cors", "cors_origins", "allow_origin"], "auth", "allowed_origins"),
    (&["allow_anonymous", "anonymous_connections", "allow_anonymous_connect_without_token"], "auth", "anonymous"),
    (&["jwks", "jwks_uri", "jwks_public_endpoint"], "auth", "jwks_url"),
    (&["secret", "jwt_secret", "token_secret", "hmac_secret_key", "token_hmac_secret_key"], "auth.keys.0", "secret"),
    (&["max_connections", "connections", "connection_limit", "client_connection_limit"], "limits", "connections_max"),
    (&["max_payload", "max_message_size", "message_size_limit", "maxpayload"], "limits", "message_bytes_max"),
    (&["rate_limit", "requests"], "limits", "requests_per_second"),
    (&["ping_interval", "heartbeat_interval", "pinginterval"], "heartbeat", "interval"),
    (&["pong_timeout", "ping_timeout", "pingtimeout"], "heartbeat", "timeout"),
    (&["history", "history_length", "history_limit"], "channels", "history_size"),
    (&["ttl", "history_lifetime", "retention"], "channels", "history_ttl"),
    (&["data_dir", "datadir", "database", "db_path", "path"], "engine.sqlite", "dir"),
    (&["cert", "certificate", "tls_cert", "ssl_cert", "tls_cert_file"], "tls", "cert_file"),
    (&["key", "private_key", "tls_key", "ssl_key", "tls_key_file"], "tls", "key_file"),
];

const LEVELS: [&str; 5] = ["log_level", "level", "loglevel", "verbose", "debug"];

/// What to write instead of a section, by the first word of its path.
pub(crate) fn section(name: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, advice)| *advice)
}

/// The key that is meant by a name.
pub(crate) fn key(name: &str) -> Option<KeyName> {
    let (_, section, key) = KEYS.iter().find(|(names, ..)| names.contains(&name))?;
    Some(KeyName::new(*section, key))
}

/// What to do where a name asks for the level of the log.
pub(crate) fn level(name: &str) -> Option<&'static str> {
    LEVELS.contains(&name).then_some("the level is in the variable RUST_LOG: RUST_LOG=debug")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    #[test]
    fn what_is_meant_exists() {
        for (_, section, key) in KEYS {
            let path = section.into();
            let owner = table::SECTIONS.iter().find(|owner| owner.owns(&path)).expect("a section");
            assert!(owner.facts().iter().any(|facts| facts.name == key), "{section}.{key}");
        }
    }
}
