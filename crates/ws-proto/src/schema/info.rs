//! What all documents say of themselves.

use serde_json::{Value, json};

/// The `info` object of the documents.
pub(super) fn info(title: &str, description: &str) -> Value {
    json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": description,
        "license": { "name": "MIT", "url": "https://opensource.org/license/mit" },
    })
}
