//! Where the provider is.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// The URL below which the Messages API is: `/v1/messages` is added to it. `/` and `/v1` at its end are dropped; it may
/// have a path. A name and a password in it are a secret: `Display` and `Debug` leave them out.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without the name and the password.
    url: Url,
    credentials: Option<Credentials>,
}

/// The name and the password.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    name: String,
    password: String,
    /// The value of `authorization` that they stand for.
    basic: String,
}

/// The URL is none of an endpoint. Without the URL, which may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It is no `http` or `https` URL.
    #[error("is no http or https URL with a host")]
    NoUrl,
    /// It has a query or a fragment.
    #[error("has a query or a fragment, to which no path can be added")]
    Query,
}

impl BaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`BaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let mut url = Url::parse(text.trim()).map_err(|_| BaseUrlError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BaseUrlError::NoUrl);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/').to_owned();
        url.set_path(&path);
        let credentials = Credentials::of(&url);
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| BaseUrlError::NoUrl)?;
        Ok(BaseUrl { url, credentials })
    }

    /// Where questions are sent.
    pub(super) fn messages(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/v1/messages", self.url.path().trim_end_matches('/')));
        url
    }

    /// The value of `authorization` (RFC 7617) for the name and the password in it.
    pub(super) fn basic(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.basic.as_str())
    }

    /// Whether there is a name or a password in it.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// What must not be seen. The name where there is no password: then it is a token.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let secrets = self.credentials.iter().flat_map(|credentials| {
            let Credentials { name, password, basic } = credentials;
            [if password.is_empty() { name } else { password }, basic.trim_start_matches("Basic ")]
        });
        secrets.filter(|secret| !secret.is_empty())
    }

    /// Whether everybody on the way can read along.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }
}

impl Credentials {
    fn of(url: &Url) -> Option<Self> {
        let (name, password) = (url.username(), url.password().unwrap_or_default());
        if name.is_empty() && password.is_empty() {
            return None;
        }
        let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let (name, password) = (decoded(name), decoded(password));
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
        Some(Credentials { name, password, basic })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_go_below_it() {
        let check = |text: &str, expect: Result<&str, BaseUrlError>| {
            let messages = BaseUrl::parse(text).map(|url| url.messages().to_string());
            assert_eq!(messages.as_deref(), expect.as_ref().copied(), "{text}");
        };
        check("https://api.example", Ok("https://api.example/v1/messages"));
        check("https://api.example/", Ok("https://api.example/v1/messages"));
        check("https://api.example/v1", Ok("https://api.example/v1/messages"));
        check(" https://api.example/v1/\n", Ok("https://api.example/v1/messages"));
        check("https://api.example//v1//", Ok("https://api.example/v1/messages"));
        check("https://api.example/v1/v1", Ok("https://api.example/v1/v1/messages"));
        check("https://gateway.example:8443/teams/a/v1", Ok("https://gateway.example:8443/teams/a/v1/messages"));
        check("https://gateway.example/xv1", Ok("https://gateway.example/xv1/v1/messages"));
        check("http://[::1]:8080/anthropic", Ok("http://[::1]:8080/anthropic/v1/messages"));
        check("api.example", Err(BaseUrlError::NoUrl));
        check("ftp://api.example", Err(BaseUrlError::NoUrl));
        check("https://", Err(BaseUrlError::NoUrl));
        check("https://api.example/?a=b", Err(BaseUrlError::Query));
        check("https://api.example/#a", Err(BaseUrlError::Query));
    }

    #[test]
    fn a_password_in_it_is_a_secret() {
        let url = BaseUrl::parse("https://ann:sword%3Afish@gateway.example/v1").expect("a URL");
        assert_eq!(url.basic(), Some("Basic YW5uOnN3b3JkOmZpc2g="));
        assert_eq!(url.messages().as_str(), "https://gateway.example/v1/messages");
        assert_eq!(format!("{url} {url:?}"), "https://gateway.example BaseUrl(https://gateway.example)");
        assert_eq!(BaseUrl::parse("https://gateway.example").expect("a URL").basic(), None);
    }
}
