//! Which pages may connect (RFC 6454, RFC 6455 section 10.2). A browser names the origin of a page in `Origin`, and
//! lets the page connect to any server, with the cookies and from the network of its user. Other clients send no
//! `Origin`, or any value they like: the check protects users of browsers and is not authentication.

use std::fmt;
use std::net::IpAddr;

/// An entry of the list of origins that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `*`: every page.
    Any,
    /// `null`: pages without an origin, such as files.
    Null,
    /// `https://app.example.org`, `http://localhost:5173`.
    Exact(Origin),
    /// `https://*.example.org`: every name below `example.org`, but not `example.org` itself.
    Subdomains(Origin),
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// In lower case.
    scheme: String,
    /// In lower case; an IPv6 address with its brackets.
    host: String,
    /// `None`: the default of the scheme.
    port: Option<u16>,
}

impl AllowedOrigin {
    /// Parses an entry. `None`: it is not valid.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => Some(AllowedOrigin::Any),
            "null" => Some(AllowedOrigin::Null),
            _ => {
                let origin = Origin::parse(text)?;
                match origin.host.strip_prefix("*.").map(str::to_owned) {
                    Some(host) if !host.contains('*') => Some(AllowedOrigin::Subdomains(Origin { host, ..origin })),
                    None if !origin.host.contains('*') => Some(AllowedOrigin::Exact(origin)),
                    _ => None,
                }
            }
        }
    }

    fn covers(&self, origin: Option<&Origin>) -> bool {
        match (self, origin) {
            (AllowedOrigin::Any, _) | (AllowedOrigin::Null, None) => true,
            (AllowedOrigin::Exact(allowed), Some(origin)) => allowed == origin,
            (AllowedOrigin::Subdomains(allowed), Some(origin)) => {
                let below = origin.host.strip_suffix(&allowed.host).and_then(|rest| rest.strip_suffix('.'));
                allowed.scheme == origin.scheme
                    && allowed.port == origin.port
                    && below.is_some_and(|name| !name.is_empty())
            }
            _ => false,
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, below) = match self {
            AllowedOrigin::Any => return f.write_str("*"),
            AllowedOrigin::Null => return f.write_str("null"),
            AllowedOrigin::Exact(origin) => (origin, ""),
            AllowedOrigin::Subdomains(origin) => (origin, "*."),
        };
        write!(f, "{}://{below}{}", origin.scheme, origin.host)?;
        origin.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Origin {
    /// `scheme://host[:port]`, and nothing after it.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (host, port) = authority(rest)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.filter(|port| Some(*port) != default_port(&scheme));
        is_scheme.then_some(Origin { scheme, host, port })
    }

    /// Whether this `Host` is the page's own server.
    fn is_host(&self, host: &str) -> bool {
        let Some((name, port)) = authority(host) else { return false };
        let port = port.filter(|port| Some(*port) != default_port(&self.scheme));
        name == self.host && port == self.port
    }

    fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']').parse();
        self.host == "localhost" || address.is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    }
}

/// `host[:port]`, with the host in lower case.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(end);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._*[]:".contains(c);
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    (!host.is_empty() && host.chars().all(allowed)).then(|| (host.to_ascii_lowercase(), port))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Whether a page of this origin may connect to this `Host`. With an empty list, pages of that server and of this
/// machine may.
pub(super) fn may_connect(allowed: &[AllowedOrigin], origin: &[u8], host: Option<&str>) -> bool {
    let Ok(text) = str::from_utf8(origin) else { return allowed.contains(&AllowedOrigin::Any) };
    let parsed = Origin::parse(text);
    match &parsed {
        // An invalid origin cannot be in the list.
        None if text != "null" => allowed.contains(&AllowedOrigin::Any),
        Some(origin) if allowed.is_empty() => origin.is_loopback() || host.is_some_and(|host| origin.is_host(host)),
        origin => allowed.iter().any(|allowed| allowed.covers(origin.as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &[&str], origin: &str, expect: bool) {
        let list: Vec<_> = allowed.iter().map(|text| AllowedOrigin::parse(text).expect("an entry")).collect();
        let host = Some("Chat.example.org:3000");
        assert_eq!(may_connect(&list, origin.as_bytes(), host), expect, "{origin} with {allowed:?}");
    }

    #[test]
    fn without_a_list_the_same_origin_and_loopback() {
        check(&[], "http://chat.example.org:3000", true);
        check(&[], "https://CHAT.example.org:3000", true);
        for other in ["http://chat.example.org", "http://chat.example.org:3001", "http://example.org:3000"] {
            check(&[], other, false);
        }
        for loopback in ["http://localhost", "http://localhost:5173", "http://127.0.0.1:8080", "http://[::1]:1"] {
            check(&[], loopback, true);
        }
        for other in
            ["null", "", "http://localhost.example.org", "http://127.0.0.1.example.org", "file://", "x", "http://"]
        {
            check(&[], other, false);
        }
    }

    #[test]
    fn the_port_of_the_scheme_need_not_be_named() {
        let same = |origin: &str, host: &str| may_connect(&[], origin.as_bytes(), Some(host));
        assert!(same("https://a.example", "a.example") && same("https://a.example", "a.example:443"));
        assert!(same("http://a.example:80", "a.example"));
        assert!(!same("https://a.example", "a.example:80") && !same("https://a.example:8443", "a.example"));
        assert!(!may_connect(&[], b"https://a.example", None), "no Host, no same origin");
    }

    #[test]
    fn with_a_list_what_is_in_it() {
        let list = ["https://app.example.org", "https://*.example.net", "http://dev:5173"];
        for allowed in
            ["https://app.example.org", "https://app.example.org:443", "https://a.example.net", "http://dev:5173"]
        {
            check(&list, allowed, true);
        }
        check(&list, "https://a.b.example.net", true);
        for other in [
            "http://app.example.org",
            "https://app.example.org.evil.example",
            "https://evilexample.net",
            "https://example.net",
            "https://.example.net",
            "http://a.example.net",
            "http://dev",
            "http://localhost",
            "http://chat.example.org:3000",
            "null",
        ] {
            check(&list, other, false);
        }
    }

    #[test]
    fn null_and_any_are_asked_for() {
        check(&["null"], "null", true);
        check(&["null"], "https://a.example", false);
        for origin in ["null", "https://a.example", "nonsense"] {
            check(&["*"], origin, true);
        }
        assert!(may_connect(&[AllowedOrigin::Any], b"\xff", None) && !may_connect(&[], b"\xff", None));
    }

    #[test]
    fn entries() {
        for (text, shown) in [
            ("HTTPS://App.Example.ORG:443", "https://app.example.org"),
            ("http://*.example.org:8080", "http://*.example.org:8080"),
            ("*", "*"),
            ("null", "null"),
        ] {
            assert_eq!(AllowedOrigin::parse(text).map(|entry| entry.to_string()).as_deref(), Some(shown));
        }
        for wrong in
            ["", "example.org", "https://", "https://a/", "https://a b", "https://a*.b", "https://*", "https://*.*.b"]
        {
            assert_eq!(AllowedOrigin::parse(wrong), None, "{wrong}");
        }
    }
}
