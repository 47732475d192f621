//! Where Redis is: a URL, or a list of them.
//!
//! | URL | what it names |
//! |---|---|
//! | `redis://host[:6379]` | the primary |
//! | `redis+unix:///path` | the primary, on a socket of this machine |
//! | `redis+sentinel://host[:26379],host/primary` | Sentinels, and the name of the primary |
//! | `redis+cluster://host[:6379],host` | nodes of a Redis Cluster |
//!
//! `rediss` in place of `redis` is TLS. User info and queries are secrets, or would be ignored: they are refused.

use ws_engine_redis::{Address, Location};

use super::setting::{InvalidValue, Setting, Typed};

/// Longest URL, in bytes.
const BYTES_MAX: usize = 2048;

const PORT: u16 = 6379;

const SENTINEL_PORT: u16 = 26379;

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrls {
    /// One location, or that of each shard, in their order.
    pub locations: Vec<Location>,
    /// Whether all of them are spoken to over TLS; else none is.
    pub is_tls: bool,
}

/// Why a URL cannot be used.
enum Wrong {
    /// It has a name or password, or what may be one.
    Secret,
    /// It is no URL, or one of something else.
    Unknown,
    Because(&'static str),
}

/// What stands before the `://` of a kind of location.
#[derive(Clone, Copy)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

/// Each with whether it is TLS.
const SCHEMES: [(&str, Kind, bool); 7] = [
    ("redis", Kind::Server, false),
    ("rediss", Kind::Server, true),
    ("redis+unix", Kind::Unix, false),
    ("redis+sentinel", Kind::Sentinel, false),
    ("rediss+sentinel", Kind::Sentinel, true),
    ("redis+cluster", Kind::Cluster, false),
    ("rediss+cluster", Kind::Cluster, true),
];

/// A location, and whether it is TLS.
fn parse(text: &str) -> Result<(Location, bool), Wrong> {
    if text.len() > BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::Because("it is too long, or has spaces or other characters that no URL has"));
    }
    let (scheme, rest) = text.split_once("://").ok_or(Wrong::Unknown)?;
    if rest.contains(['@', '?', '#']) {
        return Err(Wrong::Secret);
    }
    let known = SCHEMES.iter().find(|(known, ..)| scheme.eq_ignore_ascii_case(known));
    let (_, kind, is_tls) = *known.ok_or(Wrong::Unknown)?;
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let location = match kind {
        Kind::Server => {
            database(path)?;
            Location::Server(address(hosts, PORT)?)
        }
        Kind::Unix if hosts.is_empty() && !path.is_empty() => Location::Server(Address::Unix(rest.into())),
        Kind::Unix => return Err(Wrong::Because("a socket has a path and no host: redis+unix:///path")),
        Kind::Sentinel => {
            let (primary, path) = path.split_once('/').unwrap_or((path, ""));
            database(path)?;
            Location::Sentinel { sentinels: addresses(hosts, SENTINEL_PORT)?, primary: name(primary)? }
        }
        Kind::Cluster => {
            database(path)?;
            Location::Cluster(addresses(hosts, PORT)?)
        }
    };
    Ok((location, is_tls))
}

fn database(path: &str) -> Result<(), Wrong> {
    match path {
        "" | "0" => Ok(()),
        _ => Err(Wrong::Because("only database 0: publish and subscribe know no others")),
    }
}

/// The name under which Sentinels watch a primary.
fn name(text: &str) -> Result<String, Wrong> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match is_plain && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err(Wrong::Because("after its hosts must come the name under which they watch the primary: /NAME")),
    }
}

fn addresses(hosts: &str, port: u16) -> Result<Vec<Address>, Wrong> {
    let mut addresses = Vec::new();
    for host in hosts.split(',') {
        let address = address(host, port)?;
        if addresses.contains(&address) {
            return Err(Wrong::Because("a host is in it twice"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn address(text: &str, default: u16) -> Result<Address, Wrong> {
    if text.contains(',') {
        return Err(Wrong::Because(
            "it may have one host; several are redis+sentinel, redis+cluster or a list of URLs",
        ));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(Wrong::Because("a bracket is not closed"))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    const BAD_PORT: Wrong = Wrong::Because("a port is a number from 1 to 65535, and IPv6 addresses stand in brackets");
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(BAD_PORT)?,
        None if port.is_empty() => default,
        None => return Err(BAD_PORT),
    };
    if host.is_empty() {
        return Err(Wrong::Because("a host is missing"));
    }
    Ok(Address::Tcp(host.to_owned(), port))
}

fn url(location: &Location, is_tls: bool) -> String {
    let scheme = if is_tls { "rediss" } else { "redis" };
    let list = |all: &[Address]| all.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
    match location {
        Location::Server(Address::Unix(path)) => format!("redis+unix://{}", path.display()),
        Location::Server(address) => format!("{scheme}://{address}"),
        Location::Sentinel { sentinels, primary } => format!("{scheme}+sentinel://{}/{primary}", list(sentinels)),
        Location::Cluster(nodes) => format!("{scheme}+cluster://{}", list(nodes)),
    }
}

impl RedisUrls {
    fn urls(&self) -> impl Iterator<Item = String> {
        self.locations.iter().map(|location| url(location, self.is_tls))
    }
}

/// Separated by commas, as in a variable.
impl std::fmt::Display for RedisUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.urls().collect::<Vec<_>>().join(","))
    }
}

/// The URLs of a list. In a text from outside a file a comma may also stand between the hosts of one URL.
fn items(typed: &Typed) -> Vec<Typed> {
    let Typed::Bare(text) = typed else { return typed.items() };
    let mut urls = Vec::<String>::new();
    for part in text.split(',').map(str::trim_ascii) {
        match urls.last_mut() {
            Some(url) if !part.contains("://") => *url = format!("{url},{part}"),
            _ => urls.push(part.to_owned()),
        }
    }
    urls.into_iter().map(Typed::Bare).collect()
}

fn read(typed: &Typed) -> Result<(Location, bool), InvalidValue> {
    let text = typed.text().ok_or_else(|| typed.invalid())?;
    parse(text).map_err(|wrong| match wrong {
        Wrong::Secret => InvalidValue {
            found: "a URL with a name, a password or a query, which is not shown".to_owned(),
            hint: Some("use engine.redis.username and engine.redis.password_file".to_owned()),
        },
        Wrong::Because(why) => typed.invalid_because(why),
        Wrong::Unknown => typed.invalid(),
    })
}

impl Setting for RedisUrls {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, InvalidValue> {
        let (mut locations, mut tls) = (Vec::new(), Vec::new());
        for item in items(typed) {
            let (location, is_tls) = read(&item)?;
            if locations.contains(&location) {
                return Err(item.invalid_because("it is in the list twice"));
            }
            locations.push(location);
            tls.push(is_tls);
        }
        let Some(is_tls) = tls.first().copied() else { return Err(typed.invalid()) };
        if tls.contains(&!is_tls) {
            return Err(typed.invalid_because("either all of them are TLS (rediss), or none is"));
        }
        if locations.len() > 1 && locations.iter().any(|location| matches!(location, Location::Cluster(_))) {
            return Err(typed.invalid_because("a Redis Cluster has shards of its own: it stands alone"));
        }
        Ok(RedisUrls { locations, is_tls })
    }

    fn show(&self, (): &()) -> String {
        let mut shown: Vec<_> = self.urls().map(|url| toml::Value::String(url).to_string()).collect();
        match shown.len() {
            1 => shown.remove(0),
            _ => format!("[{}]", shown.join(", ")),
        }
    }

    fn allowed((): &()) -> String {
        "redis://host, redis://host:port, redis+unix:///path, redis+sentinel://host,host/primary, \
         redis+cluster://host,host, with rediss in place of redis for TLS; or a list of them"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the URLs as they are shown. `Err`: what was found, and the hint.
    #[track_caller]
    fn check(typed: Typed, expect: Result<&str, &str>) {
        let read = RedisUrls::read(&(), &typed).map(|urls| urls.to_string());
        let read = read.map_err(|wrong| format!("{} {}", wrong.found, wrong.hint.unwrap_or_default()));
        match expect {
            Ok(urls) => assert_eq!(read.as_deref(), Ok(urls), "{typed}"),
            Err(words) => assert!(read.as_ref().is_err_and(|error| error.contains(words)), "{typed}: {read:?}"),
        }
    }

    #[track_caller]
    fn one(text: &str, expect: Result<&str, &str>) {
        check(Typed::Quoted(text.to_owned()), expect);
        check(Typed::Bare(text.to_owned()), expect);
    }

    #[test]
    fn a_url_names_a_primary_or_what_leads_to_it() {
        one("redis://127.0.0.1", Ok("redis://127.0.0.1:6379"));
        one("REDISS://cache.example:7000/0", Ok("rediss://cache.example:7000"));
        one("redis://[::1]:7000", Ok("redis://[::1]:7000"));
        one("redis://[::1]/", Ok("redis://[::1]:6379"));
        one("redis+unix:///run/redis.sock", Ok("redis+unix:///run/redis.sock"));
        one("redis+sentinel://a,b:1,[::1]/main", Ok("redis+sentinel://a:26379,b:1,[::1]:26379/main"));
        one("rediss+sentinel://a/main-1.x/0", Ok("rediss+sentinel://a:26379/main-1.x"));
        one("redis+cluster://a,b:1", Ok("redis+cluster://a:6379,b:1"));
        one("rediss+cluster://a/", Ok("rediss+cluster://a:6379"));
    }

    #[test]
    fn a_url_that_cannot_be_used_says_why() {
        one("redis://cache.example/1", Err("only database 0"));
        one("redis+sentinel://a/main/1", Err("only database 0"));
        one("redis+cluster://a/1", Err("only database 0"));
        one("redis://ann:swordfish@cache.example", Err("engine.redis.password_file"));
        one("redis://a,b", Err("it may have one host"));
        for nameless in ["redis+sentinel://a,b", "redis+sentinel://a/", "redis+sentinel://a/:1"] {
            one(nameless, Err("the name under which they watch the primary"));
        }
        for nowhere in ["redis://", "redis://:1", "redis+cluster://a,", "redis+sentinel://,a/main", "redis://[]"] {
            one(nowhere, Err("a host is missing"));
        }
        for port in ["redis://a:0", "redis://a:x", "redis://::1", "redis://[::1]1", "redis://a:65536"] {
            one(port, Err("a port is a number from 1 to 65535"));
        }
        one("redis+cluster://a,a:6379", Err("a host is in it twice"));
        one("redis://[::1", Err("a bracket is not closed"));
        for path in ["redis+unix://", "redis+unix:///", "redis+unix://host/path"] {
            one(path, Err("a socket has a path and no host"));
        }
        for unknown in ["", "cache.example", "http://a", "rediss+unix:///path"] {
            one(unknown, Err(unknown));
        }
    }

    #[test]
    fn a_list_is_of_one_kind() {
        let list = |urls: &[&str]| Typed::List(urls.iter().map(|url| Typed::Quoted((*url).to_owned())).collect());
        check(list(&["redis://a", "redis://b"]), Ok("redis://a:6379,redis://b:6379"));
        check(list(&["redis://a"]), Ok("redis://a:6379"));
        let sentinels = "redis+sentinel://a:26379,b:26379/x,redis+sentinel://a:26379,b:26379/y";
        one_variable(sentinels, Ok(sentinels));
        one_variable("redis://a, redis://b:1", Ok("redis://a:6379,redis://b:1"));
        check(list(&[]), Err("a list of 0"));
        check(list(&["redis://a", "redis://a:6379"]), Err("it is in the list twice"));
        check(list(&["redis://a", "rediss://b"]), Err("either all of them are TLS"));
        check(list(&["redis://a", "redis+cluster://b"]), Err("it stands alone"));
        check(list(&["redis://a", "redis://ann:swordfish@b"]), Err("which is not shown"));
    }

    #[track_caller]
    fn one_variable(text: &str, expect: Result<&str, &str>) {
        check(Typed::Bare(text.to_owned()), expect);
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["redis://a:6379", "redis://a:1,redis://b:2", "rediss+sentinel://a:1,b:2/main"] {
            let read = |typed: &Typed| RedisUrls::read(&(), typed).ok();
            let urls = read(&Typed::Bare(text.to_owned())).expect("it is valid");
            let typed = match urls.show(&()).parse::<toml::Value>().expect("TOML") {
                toml::Value::Array(urls) => {
                    Typed::List(urls.iter().filter_map(|url| Some(Typed::Quoted(url.as_str()?.to_owned()))).collect())
                }
                url => Typed::Quoted(url.as_str().expect("a text").to_owned()),
            };
            assert_eq!(read(&typed), Some(urls), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for text in ["redis://ann:swordfish@a", "redis://a,redis://ann:swordfish@b", "redis+sentinel://:swordfish@a/x"]
        {
            let wrong = RedisUrls::read(&(), &Typed::Bare(text.to_owned())).expect_err("refused");
            assert!(!format!("{wrong:?}").contains("swordfish"), "{text}");
        }
    }
}
