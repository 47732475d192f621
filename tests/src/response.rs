//! A parsed HTTP/1.1 response.

use serde_json::Value;

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers with names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body; empty for a response to HEAD.
    pub body: Vec<u8>,
}

impl Response {
    /// Parses the head of a response.
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

    /// The `code` of the error body, whose shape is checked.
    pub fn error_code(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        body["error"]["code"].as_str().unwrap_or_else(|| panic!("an error body: {body}")).to_owned()
    }
}
