//! HTTP/1.1 over a socket of our own: what is sent is what the test says, and answers are taken apart here.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::raw::Raw;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in small letters, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body; empty for an answer to HEAD.
    pub body: Vec<u8>,
}

impl Response {
    /// Takes the head of an answer apart.
    pub(crate) fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a header: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Response {
            status: status.unwrap_or_else(|| panic!("a status line: {head:?}")),
            headers: lines.filter(|line| !line.is_empty()).map(header).collect(),
            body: Vec::new(),
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// `code` of the error body; its shape is checked.
    pub fn error_code(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        body["error"]["code"].as_str().unwrap_or_else(|| panic!("an error body: {body}")).to_owned()
    }
}

/// The answer to one request on a connection of its own.
pub async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    Raw::connect(addr).await.ask(method, path, headers).await
}

/// The answer to a GET.
pub async fn get(addr: SocketAddr, path: &str) -> Response {
    ask(addr, "GET", path, &[]).await
}

/// What `/metrics` says now.
pub async fn metrics(addr: SocketAddr) -> Metrics {
    let response = get(addr, "/metrics").await;
    assert_eq!(response.status, 200, "{response:?}");
    Metrics::parse(response.text())
}

/// The samples of a metrics page, by name and labels as they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
    /// Names of the metric families, with their types.
    pub families: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads OpenMetrics text, as strictly as the tests need it.
    ///
    /// # Panics
    /// When it is none.
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF");
        let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
        for line in body.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                if let Some((name, kind)) = about.strip_prefix("TYPE ").and_then(|about| about.split_once(' ')) {
                    assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("a sample: {line:?}"));
            let bare = name.split('{').next().unwrap_or_default();
            let family = families.get(bare).or_else(|| families.get(bare.strip_suffix("_total")?));
            assert_eq!(family.map(String::as_str) == Some("counter"), bare.ends_with("_total"), "{line}");
            assert!(family.is_some(), "a sample without a family: {line}");
            let value = value.parse().unwrap_or_else(|_| panic!("a number: {line:?}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
        }
        Metrics { samples, families }
    }

    /// One sample: `ws_connections`, `ws_requests_total{action="echo"}`.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("no sample {name} in {:?}", self.samples.keys()))
    }
}
