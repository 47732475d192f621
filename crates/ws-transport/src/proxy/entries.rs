//! The entries of `X-Forwarded-For` and of `Forwarded` (RFC 7239), from the right to the left.
//!
//! Each proxy appends an entry to what the one before sent, and the first of them to what anybody sent. So a line is
//! also *taken apart* from the right: a quote that a client left open must not swallow what a proxy wrote after it.

use std::borrow::Cow;
use std::iter;
use std::net::{IpAddr, Ipv6Addr};

const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// The header of a request that names the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For: client, proxy`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
    /// None: only the PROXY protocol does.
    None,
}

/// The entries of one line. `None`: what stands there is no address.
pub(super) fn from_the_right(header: ClientHeader, line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let mut rest = (header != ClientHeader::None).then_some(line);
    iter::from_fn(move || {
        let line = rest?;
        let comma = last_comma(line, header == ClientHeader::Forwarded);
        rest = comma.map(|at| &line[..at]);
        let entry = str::from_utf8(&line[comma.map_or(0, |at| at + 1)..]).ok();
        Some(entry.and_then(|entry| match header {
            ClientHeader::Forwarded => node(&parameter_for(entry)?),
            ClientHeader::XForwardedFor | ClientHeader::None => node(entry),
        }))
    })
}

/// Where the last entry begins. Commas in quotes do not count, if there may be quotes.
fn last_comma(line: &[u8], may_be_quoted: bool) -> Option<usize> {
    let mut is_quoted = false;
    line.iter().enumerate().rev().find_map(|(at, byte)| {
        is_quoted ^= may_be_quoted && *byte == b'"' && !is_escaped(line, at);
        (*byte == b',' && !is_quoted).then_some(at)
    })
}

fn is_escaped(line: &[u8], at: usize) -> bool {
    line[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The value of `for` in `for=…;proto=…`. `None`: there is none, or two, or it is not written as the RFC demands.
fn parameter_for(element: &str) -> Option<Cow<'_, str>> {
    let (mut found, mut rest) = (None, element.trim_matches(WHITE_SPACE));
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if name.trim_matches(WHITE_SPACE).eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        rest = match after.trim_start_matches(WHITE_SPACE) {
            "" => "",
            after => after.strip_prefix(';')?.trim_start_matches(WHITE_SPACE),
        };
    }
    found
}

/// A value, quoted or not, and what follows it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find(';').unwrap_or(text.len()));
        return (!value.contains('"')).then_some((Cow::Borrowed(value), after));
    };
    let end = (0..quoted.len()).find(|at| quoted.as_bytes()[*at] == b'"' && !is_escaped(quoted.as_bytes(), *at))?;
    let (value, after) = (&quoted[..end], &quoted[end + 1..]);
    // An escaped character stands for itself. An address needs none, and a backslash is in none.
    let value = if value.contains('\\') { Cow::Owned(unescaped(value)) } else { Cow::Borrowed(value) };
    Some((value, after))
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    iter::from_fn(|| chars.next().map(|c| if c == '\\' { chars.next().unwrap_or(c) } else { c })).collect()
}

/// `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, with a port or without. Names and the identifiers of RFC 7239
/// (`unknown`, `_hidden`) are no addresses.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches(WHITE_SPACE);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => {
            text.split_once(']').and_then(|(host, port)| Some((host.parse::<Ipv6Addr>().ok()?.into(), port)))?
        }
        None => text.find(':').and_then(|at| Some((IpAddr::V4(text[..at].parse().ok()?), &text[at..])))?,
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| host.to_canonical())
}

/// A number, or a hidden one: `_` and letters.
fn is_port(port: &str) -> bool {
    let is_hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match port.strip_prefix('_') {
        Some(name) => is_hidden(name),
        None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-`: no address.
    #[track_caller]
    fn check(header: ClientHeader, line: &str, expect: &[&str]) {
        let found =
            from_the_right(header, line.as_bytes()).map(|entry| entry.map_or("-".to_owned(), |ip| ip.to_string()));
        assert_eq!(found.collect::<Vec<_>>(), expect, "{line}");
    }

    #[test]
    fn x_forwarded_for() {
        let check = |line, expect: &[&str]| check(ClientHeader::XForwardedFor, line, expect);
        check("192.0.2.1", &["192.0.2.1"]);
        check("192.0.2.1, 2001:db8::1,\t10.0.0.1 ", &["10.0.0.1", "2001:db8::1", "192.0.2.1"]);
        check("192.0.2.1:4711, [2001:db8::1]:4711, [2001:db8::2]", &["2001:db8::2", "2001:db8::1", "192.0.2.1"]);
        check("::ffff:192.0.2.1, [::ffff:192.0.2.2]:1", &["192.0.2.2", "192.0.2.1"]);
        check("", &["-"]);
        check("1.2.3.4,,5.6.7.8", &["5.6.7.8", "-", "1.2.3.4"]);
        for none in [
            "unknown",
            "_hidden",
            "localhost",
            "a.example",
            "1.2.3",
            "1.2.3.4.5",
            "256.0.0.1",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:70000",
            "1.2.3.4:+1",
            "1.2.3.4 5.6.7.8",
            "[1.2.3.4]",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
            "fe80::1%1",
            "[fe80::1%1]:80",
            "\"1.2.3.4\"",
            "for=1.2.3.4",
            "é",
        ] {
            check(none, &["-"]);
        }
    }

    #[test]
    fn forwarded() {
        let check = |line, expect: &[&str]| check(ClientHeader::Forwarded, line, expect);
        check("for=192.0.2.1", &["192.0.2.1"]);
        check("For=\"[2001:db8::1]:4711\";proto=https;by=203.0.113.43", &["2001:db8::1"]);
        check("for=192.0.2.1, for=\"192.0.2.2:80\" ; host=\"a, b\"", &["192.0.2.2", "192.0.2.1"]);
        check("proto=https; FOR = 192.0.2.1", &["192.0.2.1"]);
        check("for=\"192.0.2.\\1\"", &["192.0.2.1"]);
        check("for=\"192.0.2.1:_port\", for=\"[::ffff:192.0.2.2]\"", &["192.0.2.2", "192.0.2.1"]);
        for none in [
            "",
            "for",
            "for=",
            "for=unknown",
            "for=_hidden",
            "for=\"_gazonk\"",
            "proto=https",
            "192.0.2.1",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.1\"x",
            "xfor=192.0.2.1",
            "x;for=192.0.2.1",
        ] {
            check(none, &["-"]);
        }
        check("for=192.0.2.1;", &["192.0.2.1"]);
    }

    #[test]
    fn what_a_client_wrote_does_not_hide_what_a_proxy_wrote() {
        let check = |line, expect: &str| {
            let last = from_the_right(ClientHeader::Forwarded, line).next().flatten();
            assert_eq!(last, expect.parse().ok(), "{}", String::from_utf8_lossy(line));
        };
        check(b"for=\"x, for=192.0.2.1", "192.0.2.1");
        check(b"for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\"", "2001:db8::1");
        check(b"for=6.6.6.6;x=\\, for=\"192.0.2.1:80\"", "192.0.2.1");
        check(b"for=\"\\\", for=192.0.2.1", "192.0.2.1");
        check(b"\xff\xfe, for=192.0.2.1", "192.0.2.1");
        let last = from_the_right(ClientHeader::XForwardedFor, b"\xff\", 192.0.2.1").next().flatten();
        assert_eq!(last, "192.0.2.1".parse().ok());
    }
}
