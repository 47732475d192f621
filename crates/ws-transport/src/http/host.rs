//! The `Host` of a request (RFC 9112, section 3.2; RFC 3986, section 3.2): exactly one, and valid. From HTTP/1.1 on, a
//! request without it gets 400.

use hyper::header::{HOST, HeaderMap};
use hyper::{Request, Version};
use ws_proto::ErrorCode;

use super::reply::Reply;

/// Refuses a request with no `Host`, with two, or with an invalid one.
pub(super) fn check_host<B>(request: &Request<B>) -> Result<(), Reply> {
    wrong(request.version(), request.headers())
        .map_or(Ok(()), |what| Err(Reply::refusal(ErrorCode::InvalidRequest, what)))
}

fn wrong(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => Some("the request has no Host"),
        (Some(_), Some(_)) => Some("the request has more than one Host"),
        (Some(host), None) => (!is_host(host.as_bytes())).then_some("Host must be a name or an address, and a port"),
    }
}

/// `host[:port]`; the port may be empty.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let end = if text.starts_with('[') { text.find(']').map(|at| at + 1) } else { text.find(':') };
    let (host, port) = text.split_at(end.unwrap_or(text.len()));
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok());
    (is_name(host) || is_literal(host)) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// A name of a URL, or an IPv4 address.
fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}

/// `[::1]`
fn is_literal(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn hosts() {
        for right in ["a", "a.example:3000", "a.example:", "127.0.0.1:80", "[::1]", "[::1]:3000", "a_b", "A-1.b", "%41"]
        {
            assert!(is_host(right.as_bytes()), "{right}");
        }
        for wrong in [
            "", ":80", "a b", "a/b", "http://a", "u@a", "a:b", "a:70000", "a:1:2", "[::1", "::1", "[x]", "[::1]x",
            "a\\b", "é",
        ] {
            assert!(!is_host(wrong.as_bytes()), "{wrong}");
        }
        assert!(!is_host(b"\xff"));
    }

    #[test]
    fn one_and_only_one() {
        let check = |version, hosts: &[&'static str], expect: bool| {
            let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host)));
            let mut all = HeaderMap::new();
            headers.for_each(|(name, value)| {
                all.append(name, value);
            });
            assert_eq!(wrong(version, &all).is_none(), expect, "{hosts:?}");
        };
        check(Version::HTTP_11, &["a"], true);
        check(Version::HTTP_11, &[], false);
        check(Version::HTTP_11, &["a", "a"], false);
        check(Version::HTTP_11, &["a b"], false);
        check(Version::HTTP_10, &[], true);
        check(Version::HTTP_10, &["a", "b"], false);
    }
}
