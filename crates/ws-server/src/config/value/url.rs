//! A URL that nobody on the way can change: https, or http on this machine.

use std::net::IpAddr;

use super::{Setting, Typed, Wrong};

/// Longest URL, in bytes.
const BYTES_MAX: usize = 2048;

/// `https://host[:port]/path`, or `http://` to loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureUrl(String);

impl SecureUrl {
    /// The URL, if it is one that is allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_text = text.len() <= BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let is_allowed = match scheme.to_ascii_lowercase().as_str() {
            "https" => !authority.is_empty(),
            "http" => is_loopback(authority),
            _ => false,
        };
        (is_text && is_allowed && !authority.contains('@')).then(|| SecureUrl(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let is_address = |host: &str| host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    host.is_some_and(|host| host.eq_ignore_ascii_case("localhost") || is_address(host))
}

impl Setting for SecureUrl {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, Wrong> {
        let text = typed.text().ok_or_else(|| typed.wrong())?;
        SecureUrl::parse(text).ok_or_else(|| match text.starts_with("http://") {
            // It may be a password.
            _ if text.contains('@') => {
                Wrong { found: "a URL with a name or password, which is not shown".to_owned(), hint: None }
            }
            true => typed.wrong_because("over http, anybody on the way could put keys of his own in"),
            false => typed.wrong(),
        })
    }

    fn show(&self, (): &()) -> String {
        toml::Value::String(self.0.clone()).to_string()
    }

    fn allowed((): &()) -> String {
        "an https URL, or an http URL on loopback, without a name and password".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for right in [
            "https://id.example/.well-known/jwks.json",
            "HTTPS://id.example:8443/x?y=1",
            "https://id.example",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:80/",
        ] {
            assert!(SecureUrl::parse(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "id.example",
            "https://",
            "https:///x",
            "ftp://id.example",
            "file:///etc/passwd",
            "http://id.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "https://a:b@id.example",
            "https://id.example/a b",
        ] {
            assert_eq!(SecureUrl::parse(wrong), None, "{wrong}");
        }
    }
}
