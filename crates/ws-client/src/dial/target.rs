//! The URL of a server.

use std::fmt;

use rustls::pki_types::ServerName;
use thiserror::Error;
use url::{Host, Url};

/// Where to connect to: `ws://` or `wss://`, host, port, path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    url: Url,
}

/// Why a URL cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no URL.
    #[error("this is no URL: {0}")]
    Invalid(String),
    /// Another scheme.
    #[error("the URL begins with {0}://; a WebSocket's begins with {1}://")]
    Scheme(String, &'static str),
    /// A user or a password.
    #[error("the URL contains a user or a password; give the client a token provider instead")]
    UserInfo,
    /// A token in the query.
    #[error("the URL contains a token, which would end up in logs; give the client a token provider instead")]
    Token,
    /// A fragment.
    #[error("the URL has a fragment (#…), which a WebSocket's must not have (RFC 6455, section 3)")]
    Fragment,
}

impl Target {
    /// Parses and checks a URL.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let url = Url::parse(url).map_err(|error| UrlError::Invalid(error.to_string()))?;
        let scheme = |instead| Err(UrlError::Scheme(url.scheme().to_owned(), instead));
        match url.scheme() {
            "ws" | "wss" => {}
            "https" => return scheme("wss"),
            "http" => return scheme("ws"),
            _ => return scheme("ws:// or wss"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if url.query_pairs().any(|(name, _)| name == "token") {
            return Err(UrlError::Token);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        Ok(Target { url })
    }

    /// The URL as it was understood.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host without brackets.
    pub(super) fn host(&self) -> Host<&str> {
        // Schemes that the URL standard calls special have a host.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// The name that the certificate must have.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, String> {
        match self.host() {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|error| error.to_string()),
            Host::Ipv4(ip) => Ok(std::net::IpAddr::from(ip).into()),
            Host::Ipv6(ip) => Ok(std::net::IpAddr::from(ip).into()),
        }
    }
}

/// Host and port, as in messages.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host(), self.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_understood() {
        let check = |url: &str, shown: &str, tls: bool, whole: &str| {
            let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((target.to_string().as_str(), target.is_tls(), target.as_str()), (shown, tls, whole));
        };
        check("ws://localhost:8080/ws", "localhost:8080", false, "ws://localhost:8080/ws");
        check("wss://Example.COM", "example.com:443", true, "wss://example.com/");
        check("ws://127.0.0.1:80/a/ws?x=1", "127.0.0.1:80", false, "ws://127.0.0.1/a/ws?x=1");
        check("wss://[::1]:8443/ws", "[::1]:8443", true, "wss://[::1]:8443/ws");
        check("wss://bücher.example/ws", "xn--bcher-kva.example:443", true, "wss://xn--bcher-kva.example/ws");
    }

    #[test]
    fn urls_that_are_not() {
        let check = |url: &str, error: &str| {
            let found = Target::parse(url).expect_err(url).to_string();
            assert!(found.contains(error), "{url}: {found}");
        };
        check("localhost:8080/ws", "begins with localhost://");
        check("/ws", "no URL");
        check("", "no URL");
        check("ws://", "no URL");
        check("ws://host:99999/", "no URL");
        check("https://host/ws", "a WebSocket's begins with wss://");
        check("http://host/ws", "a WebSocket's begins with ws://");
        check("ftp://host/ws", "ws:// or wss://");
        check("ws://ann:secret@host/ws", "token provider");
        check("ws://host/ws?a=1&token=abc", "token provider");
        check("ws://host/ws?t%6Fken=abc", "token provider");
        check("ws://host/ws#x", "fragment");
    }
}
