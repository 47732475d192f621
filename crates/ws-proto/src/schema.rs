//! The protocol for machines: JSON Schema of every frame, AsyncAPI of `/ws`, OpenAPI of the HTTP endpoints.
//!
//! Schemas are derived from the Rust types of this crate; names and codes come from the constants of the codec. So
//! the documents cannot contradict the code. They describe what this version sends; receivers ignore unknown fields
//! and events (PROTOCOL section 1), so objects are open.
//!
//! Not here: files (`cargo xtask schema` writes them to `static/schema`), and limits that JSON Schema cannot
//! express: it counts the characters of an id, the protocol counts bytes.

mod asyncapi;
mod catalogue;
mod close_codes;
mod info;
mod openapi;
mod parameters;
mod responses;
mod server_api;
mod tidy;

use serde_json::{Value, json};

pub use asyncapi::asyncapi;
pub use openapi::openapi;

use catalogue::Catalogue;
use close_codes::close_codes;

/// JSON Schema (draft 2020-12) of every frame. Any frame matches the whole document; frames of one direction match
/// `#/$defs/ClientMessage` or `#/$defs/ServerMessage`, and each kind of frame has its own definition. The annotation
/// `x-close-codes` lists the close codes, `x-run-event` says what Claude's runs publish.
pub fn protocol() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ws-server:protocol:1",
        "title": "ws-server wire protocol, version 1",
        "description": "One WebSocket text frame, in either direction. Receivers ignore fields that they do not know.",
        "anyOf": [{ "$ref": "#/$defs/ClientMessage" }, { "$ref": "#/$defs/ServerMessage" }],
        "$defs": Catalogue::new("/$defs").schemas,
        "x-protocol-version": crate::PROTOCOL_VERSION,
        "x-subprotocol": crate::SUBPROTOCOL,
        "x-close-codes": close_codes(),
        "x-run-event": { "$ref": "#/$defs/RunEvent" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{action, close::CloseCode, error::ErrorCode, event};

    /// Everything that `look` finds in `value` and below.
    fn collect<'a, T>(value: &'a Value, look: &impl Fn(&'a Value) -> Option<T>, found: &mut Vec<T>) {
        found.extend(look(value));
        match value {
            Value::Object(fields) => fields.values().for_each(|below| collect(below, look, found)),
            Value::Array(items) => items.iter().for_each(|below| collect(below, look, found)),
            _ => {}
        }
    }

    fn all<'a, T>(value: &'a Value, look: impl Fn(&'a Value) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        collect(value, &look, &mut found);
        found
    }

    /// The values that `field` is fixed to, anywhere.
    fn consts<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
        all(document, |value| value.get("properties")?.get(field)?.get("const")?.as_str())
    }

    #[test]
    fn every_action_is_there() {
        for document in [protocol(), asyncapi()] {
            let mut actions = consts(&document, "action");
            let mut names = action::NAMES.to_vec();
            actions.sort_unstable();
            names.sort_unstable();
            assert_eq!(actions, names);
        }
    }

    #[test]
    fn every_event_is_there() {
        for document in [protocol(), asyncapi()] {
            let mut events = consts(&document, "event");
            let mut names = event::NAMES.to_vec();
            events.sort_unstable();
            events.dedup();
            names.sort_unstable();
            assert_eq!(events, names);
        }
    }

    #[test]
    fn every_code_is_there() {
        let document = protocol();
        let code = &document["$defs"]["ErrorCode"];
        let names: Vec<_> = ErrorCode::ALL.iter().map(|code| Value::from(code.as_str())).collect();
        assert_eq!(code["enum"], Value::from(names));
        for (annotation, code) in code["x-codes"].as_array().expect("a list").iter().zip(ErrorCode::ALL) {
            assert_eq!(annotation["code"], code.as_str());
            assert!(annotation["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()), "{code}");
            assert_eq!(annotation["retryable"], code.is_retryable());
        }
        let numbers: Vec<_> = all(&document["x-close-codes"], |value| value.get("code")?.as_u64());
        let expect: Vec<_> = CloseCode::ALL.iter().map(|code| u64::from(code.as_u16())).collect();
        assert_eq!(numbers, expect);
    }

    #[test]
    fn references_lead_somewhere() {
        for document in [protocol(), asyncapi(), openapi()] {
            let references = all(&document, |value| value.get("$ref")?.as_str());
            assert!(!references.is_empty());
            for reference in references {
                let pointer = reference.strip_prefix('#').expect("within the document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        }
    }

    #[test]
    fn every_definition_is_used_and_explained() {
        let document = protocol();
        let used = all(&document, |value| value.get("$ref")?.as_str());
        for (name, schema) in document["$defs"].as_object().expect("definitions") {
            assert!(used.contains(&format!("#/$defs/{name}").as_str()), "{name} is not used");
            assert!(schema["description"].is_string(), "{name} is not explained");
        }
        let descriptions = all(&document, |value| value.get("description")?.as_str());
        assert!(descriptions.iter().all(|text| !text.contains("[`") && !text.contains("crate::")), "links of rustdoc");
    }

    #[test]
    fn versions_are_the_crates() {
        for document in [asyncapi(), openapi()] {
            assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        }
    }
}
