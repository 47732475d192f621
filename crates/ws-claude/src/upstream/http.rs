//! One request over HTTP/1.1: from a body to the head of the response. HTTP/1.1, because there a dropped body closes the
//! connection, and the provider stops to write for nobody.
//!
//! What the environment says is honoured: the system's certificate roots, `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY`.
//! Redirects are not followed, they would take the key elsewhere. Nothing here is sent twice, with one exception: a
//! connection that had been used before may have been closed by the other end in the meantime.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Response, StatusCode, Url};

use super::limits::{CONNECT_TIMEOUT, HEADERS_MAX, POOL_IDLE_MAX, POOL_IDLE_TIMEOUT, TCP_KEEPALIVE};
use super::reuse::{ConnectionLayer, noting_connections};
use super::settings::{Auth, Settings};

/// The version of the Messages API that is spoken here.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// What sends a request. Tests have one of their own.
pub(super) trait Http: fmt::Debug + Send + Sync {
    /// Sends a request, and waits for the head of its response. Dropping the future ends it.
    fn post(&self, body: Bytes) -> Posting;
}

/// A request under way.
pub(super) type Posting = Pin<Box<dyn Future<Output = Result<Reply, PostError>> + Send>>;

/// The body of a response. Dropping it closes its connection.
pub(super) type ReplyBody = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off, for the log.
#[derive(Debug)]
pub(super) struct BodyError(pub(super) String);

/// The head of a response, and its body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: ReplyBody,
}

/// The request's id at the provider.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("request-id")?.to_str().ok().map(str::to_owned)
}

/// Why there is no head. With the cause, for the log.
#[derive(Debug)]
pub(super) enum PostError {
    /// No connection, or it ended before the head.
    Connect(String),
    /// The request cannot be made.
    Request(String),
}

/// Questions cannot be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Both would be the header `authorization`.
    #[error("a name and password in `base_url` exclude `auth = \"bearer\"`: both are sent as `authorization`")]
    TwoAuthorizations,
    /// For example, the system has no certificate roots.
    #[error("no HTTPS client: {0}")]
    Client(String),
}

/// The provider.
#[derive(Clone)]
pub(super) struct Provider {
    client: Client,
    url: Url,
    headers: HeaderMap,
}

impl Provider {
    /// Makes ready what every request needs. Nothing is sent yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, SetupError> {
        // If another part of the process has done so already, it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("ws-server/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .http1_max_headers(HEADERS_MAX)
            .connect_timeout(CONNECT_TIMEOUT)
            .connector_layer(ConnectionLayer)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_MAX)
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE);
        // A proxy could read along: HTTPS goes through it as a tunnel, plain HTTP would not.
        let client = if settings.base_url.is_plain() { client.no_proxy() } else { client };
        let client = client.build().map_err(|error| SetupError::Client(causes(&error.without_url())))?;
        Ok(Provider { client, url: settings.base_url.messages(), headers: headers(settings)? })
    }

    async fn post(self, body: Bytes) -> Result<Reply, PostError> {
        let (sent, has_connected) = noting_connections(self.send(body.clone())).await;
        match sent {
            Ok(response) => Ok(reply(response)),
            // Nothing was wrong with the provider, so this is no retry that is counted or told.
            Err(error) if !has_connected && error.is_request() && !error.is_connect() => {
                tracing::debug!("a connection that had been used before was closed: once more on another");
                self.send(body).await.map(reply).map_err(PostError::new)
            }
            Err(error) => Err(PostError::new(error)),
        }
    }

    async fn send(&self, body: Bytes) -> reqwest::Result<Response> {
        self.client.post(self.url.clone()).headers(self.headers.clone()).body(body).send().await
    }
}

fn reply(response: Response) -> Reply {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = Body::from(response).map_err(|error| BodyError(causes(&error.without_url())));
    Reply { status, headers, body: UnsyncBoxBody::new(body) }
}

impl PostError {
    fn new(error: reqwest::Error) -> Self {
        let (is_ours, cause) = (error.is_builder(), causes(&error.without_url()));
        if is_ours { PostError::Request(cause) } else { PostError::Connect(cause) }
    }
}

impl Http for Provider {
    fn post(&self, body: Bytes) -> Posting {
        Box::pin(self.clone().post(body))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

fn headers(settings: &Settings) -> Result<HeaderMap, SetupError> {
    let secret = |value: &str| {
        let mut value = HeaderValue::from_str(value).map_err(|_| SetupError::Client("the key".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(ANTHROPIC_VERSION));
    let key = settings.key.reveal();
    match (settings.auth, settings.base_url.basic()) {
        (Auth::Bearer, Some(_)) => return Err(SetupError::TwoAuthorizations),
        (Auth::Bearer, None) => {
            headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}"))?);
        }
        (Auth::XApiKey, basic) => {
            headers.insert(HeaderName::from_static("x-api-key"), secret(key)?);
            if let Some(basic) = basic {
                headers.insert(AUTHORIZATION, secret(basic)?);
            }
        }
    }
    Ok(headers)
}

/// The error, then each cause after a colon: by itself, an error of reqwest says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut causes = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    causes
}
