//! A URL whose content nobody in between can change: https, or http on this machine.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::setting::{InvalidValue, Setting, Typed};

/// Longest URL, in bytes.
const BYTES_MAX: usize = 2048;

/// `https://host[:port]/path`, or `http://` to loopback. The part after the path may contain a secret, such as an API
/// key, so `Display` and `Debug` leave it out.
#[derive(Clone, PartialEq, Eq)]
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

    /// The whole URL, for fetching it and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecureUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secret(&self.0))
    }
}

impl fmt::Debug for SecureUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_secret(&self.0))
    }
}

/// `https://host/path?…`
fn without_secret(url: &str) -> Cow<'_, str> {
    match url.find(['?', '#']) {
        Some(at) => format!("{}…", &url[..=at]).into(),
        None => url.into(),
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

    fn read((): &(), typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        SecureUrl::parse(text).ok_or_else(|| match text.starts_with("http://") {
            // It may be a password.
            _ if text.contains('@') => {
                InvalidValue { found: "a URL with a name or password, which is not shown".to_owned(), hint: None }
            }
            is_http => {
                let hint = "over http, anybody in between could insert keys of their own";
                let shown = Typed::Bare(without_secret(text).into_owned());
                InvalidValue { found: shown.to_string(), hint: is_http.then(|| hint.to_owned()) }
            }
        })
    }

    fn show(&self, (): &()) -> String {
        toml::Value::String(self.to_string()).to_string()
    }

    fn is_redacted(&self) -> bool {
        self.to_string() != self.0
    }

    fn allowed((): &()) -> String {
        "an https URL, or an http URL on loopback, without a name and password".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let read = |text: &str| SecureUrl::read(&(), &Typed::Quoted(text.to_owned()));
        for url in
            ["https://id.example/keys?key=swordfish", "https://id.example?swordfish", "https://id.example/#swordfish"]
        {
            let url = read(url).expect("a URL");
            assert!(url.reveal().ends_with("swordfish") && url.is_redacted());
            for shown in [url.to_string(), format!("{url:?}"), url.show(&())] {
                assert!(shown.contains("https://id.example") && !shown.contains("swordfish"), "{shown}");
            }
        }
        for wrong in [
            "http://id.example/keys?key=swordfish",
            "id.example?swordfish",
            "https://ann:swordfish@id.example",
            " ftp://x?swordfish",
        ] {
            let wrong = read(wrong).expect_err("no URL");
            assert!(!wrong.found.contains("swordfish"), "{wrong:?}");
        }
        assert!(!read("https://id.example/keys").expect("a URL").is_redacted());
    }

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
