//! Where Redis is.

use std::path::PathBuf;

use super::setting::{InvalidValue, Setting, Typed};

/// Longest URL, in bytes.
const BYTES_MAX: usize = 2048;

const PORT: u16 = 6379;

/// `redis://host[:port]`, or `redis+unix:///path` for a socket of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisUrl {
    /// A host and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Why a URL cannot be used.
enum Wrong {
    /// It has a name or password, or what may be one.
    Secret,
    /// It will be possible one day.
    NotYet(&'static str),
    Database,
    Other,
}

impl RedisUrl {
    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Wrong::Other);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Wrong::Other)?;
        if rest.contains(['@', '?', '#']) {
            return Err(Wrong::Secret);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "redis" => {}
            "redis+unix" if rest.starts_with('/') && rest.len() > 1 => return Ok(RedisUrl::Unix(rest.into())),
            "rediss" | "rediss+sentinel" | "rediss+cluster" => return Err(Wrong::NotYet("TLS")),
            "redis+sentinel" => return Err(Wrong::NotYet("Sentinel")),
            "redis+cluster" => return Err(Wrong::NotYet("Redis Cluster")),
            _ => return Err(Wrong::Other),
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "0") {
            return Err(Wrong::Database);
        }
        if authority.contains(',') {
            return Err(Wrong::NotYet("several servers of Redis"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(Wrong::Other)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(Wrong::Other)?,
            None if port.is_empty() => PORT,
            None => return Err(Wrong::Other),
        };
        if host.is_empty() || (host.contains(':') && !authority.starts_with('[')) {
            return Err(Wrong::Other);
        }
        Ok(RedisUrl::Tcp(host.to_owned(), port))
    }
}

impl std::fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RedisUrl::Tcp(host, port) if host.contains(':') => write!(f, "redis://[{host}]:{port}"),
            RedisUrl::Tcp(host, port) => write!(f, "redis://{host}:{port}"),
            RedisUrl::Unix(path) => write!(f, "redis+unix://{}", path.display()),
        }
    }
}

impl Setting for RedisUrl {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, InvalidValue> {
        if matches!(typed, Typed::List(_)) {
            return Err(typed.invalid_because("several servers of Redis are not supported yet"));
        }
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        RedisUrl::parse(text).map_err(|wrong| match wrong {
            Wrong::Secret => InvalidValue {
                found: "a URL with a name, a password or a query, which is not shown".to_owned(),
                hint: Some("use engine.redis.username and engine.redis.password_file".to_owned()),
            },
            Wrong::NotYet(what) => typed.invalid_because(format!("{what}: not supported yet")),
            Wrong::Database => typed.invalid_because("only database 0: publish and subscribe know no others"),
            Wrong::Other => typed.invalid(),
        })
    }

    fn show(&self, (): &()) -> String {
        toml::Value::String(self.to_string()).to_string()
    }

    fn allowed((): &()) -> String {
        "redis://host, redis://host:port, or redis+unix:///path".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the URL as it is shown. `Err`: what was found, and the hint.
    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        let url = RedisUrl::read(&(), &Typed::Quoted(text.to_owned()));
        let shown = url.map(|url| url.to_string());
        let shown = shown.map_err(|wrong| format!("{} {}", wrong.found, wrong.hint.unwrap_or_default()));
        match expect {
            Ok(url) => assert_eq!(shown.as_deref(), Ok(url), "{text}"),
            Err(words) => assert!(shown.as_ref().is_err_and(|error| error.contains(words)), "{text}: {shown:?}"),
        }
    }

    #[test]
    fn urls() {
        check("redis://127.0.0.1", Ok("redis://127.0.0.1:6379"));
        check("REDIS://cache.example:7000/0", Ok("redis://cache.example:7000"));
        check("redis://[::1]:7000", Ok("redis://[::1]:7000"));
        check("redis://[::1]/", Ok("redis://[::1]:6379"));
        check("redis+unix:///run/redis.sock", Ok("redis+unix:///run/redis.sock"));
        check("rediss://cache.example", Err("TLS: not supported yet"));
        check("redis+sentinel://a,b/primary", Err("Sentinel: not supported yet"));
        check("redis+cluster://a,b", Err("Redis Cluster: not supported yet"));
        check("redis://a,b", Err("several servers of Redis: not supported yet"));
        check("redis://cache.example/1", Err("only database 0"));
        check("redis://ann:swordfish@cache.example", Err("engine.redis.password_file"));
        for wrong in [
            "",
            "cache.example",
            "redis://",
            "redis://:1",
            "redis://a:0",
            "redis://a:x",
            "redis://::1",
            "redis+unix://",
            "redis://[::1",
            "http://a",
        ] {
            check(wrong, Err(""));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let wrong = RedisUrl::read(&(), &Typed::Quoted("redis://ann:swordfish@a".to_owned())).expect_err("refused");
        assert!(!format!("{wrong:?}").contains("swordfish"));
    }
}
