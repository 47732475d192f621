//! The HTTP API as a backend uses it: one keep-alive connection with a key.

use std::net::SocketAddr;

use serde_json::Value;
use ws_server::config::{ApiKey, ApiRights, Config, Secret};

use crate::raw::{Raw, request};
use crate::response::Response;

/// The key of [`with_key`].
pub const KEY: &str = "sesame";

/// Turns the API on.
pub fn with_key(config: &mut Config) {
    config.api.key = Some(Secret::new(KEY));
}

/// A further key with a name and rights.
pub fn key(name: &str, rights: ApiRights) -> ApiKey {
    ApiKey { name: Some(name.to_owned()), key: Some(Secret::new(name)), rights, ..ApiKey::default() }
}

/// A connection with a key.
#[derive(Debug)]
pub struct Api {
    addr: SocketAddr,
    raw: Raw,
    authorization: String,
}

impl Api {
    /// With [`KEY`].
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::with(addr, KEY).await
    }

    /// With another key.
    pub async fn with(addr: SocketAddr, key: &str) -> Self {
        Api { addr, raw: Raw::connect(addr).await, authorization: format!("Bearer {key}") }
    }

    /// The response to a request on a path below `/api/v1`. Null: no body.
    pub async fn ask(&mut self, method: &str, path: &str, body: Value) -> Response {
        self.ask_with(method, path, body, &[]).await
    }

    /// The same with further headers.
    pub async fn ask_with(&mut self, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Response {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len().to_string();
        let ours = [("Authorization", &*self.authorization), ("Content-Length", &length)];
        let head = request(method, &format!("/api/v1{path}"), &[&ours, headers].concat());
        self.raw.write(format!("{head}{body}").as_bytes()).await;
        let response = self.raw.response(method != "HEAD").await;
        if response.header("connection") == Some("close") {
            self.raw = Raw::connect(self.addr).await;
        }
        response
    }

    /// The body of a 200.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn ok(&mut self, method: &str, path: &str, body: Value) -> Value {
        let response = self.ask(method, path, body).await;
        assert_eq!(response.status, 200, "{method} {path}: {}", response.text());
        response.json()
    }

    /// The status and the code of a refusal.
    ///
    /// # Panics
    /// If it is none.
    pub async fn refusal(&mut self, method: &str, path: &str, body: Value) -> (u16, String) {
        let response = self.ask(method, path, body).await;
        assert!(response.status >= 400, "{method} {path}: {}", response.text());
        (response.status, response.error_code())
    }
}
