//! What the API says of a request: it refuses what it does not know, and so does this.
//!
//! Where the API differs between models, this is the newest. It is stricter than the API in one thing: turns alternate.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::script::Script;

/// The only key that the fake knows. Looks like a real one, so that whatever masks keys has something to find.
pub const KEY: &str = "sk-ant-api03-fake-0nKq7Zt2LwXv9RbY4cHd8mEs";

/// Largest body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a request may have.
const FIELDS: [&str; 13] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "thinking",
    "output_config",
    "cache_control",
    "temperature",
    "metadata",
    "stop_sequences",
    "tools",
    "tool_choice",
];

/// The version of the API that everybody speaks, and the one that knows no `temperature` any more.
const VERSION: &str = "2023-06-01";
const LATEST_VERSION: &str = "2026-10-21";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The API's name for it.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, kind, message: message.into() }
    }

    pub(super) fn script(&self) -> Script {
        Script::error(self.status, self.kind, &self.message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.message)
    }
}

/// Judges a request. `body` is what was read as JSON, or `None`.
pub(super) fn judge(
    method: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: Option<&Value>,
) -> Result<(), Refusal> {
    if !path.split('?').next().unwrap_or_default().ends_with("/v1/messages") {
        return Err(Refusal::new(404, "not_found_error", "Not Found"));
    }
    if method != "POST" {
        return Err(Refusal::new(405, "invalid_request_error", "Method Not Allowed"));
    }
    let header = |name: &str| headers.get(name).map(String::as_str);
    let (key, bearer) = (header("x-api-key"), header("authorization").and_then(|value| value.strip_prefix("Bearer ")));
    match key.or(bearer) {
        Some(KEY) => {}
        Some(key) => {
            // As a gateway would: whoever logs or shows this shows a key.
            return Err(Refusal::new(401, "authentication_error", format!("invalid x-api-key: {key}")));
        }
        None => return Err(Refusal::new(401, "authentication_error", "x-api-key header is required")),
    }
    let wrong = |message: String| Refusal::new(400, "invalid_request_error", message);
    let version = header("anthropic-version");
    match version {
        Some(VERSION | LATEST_VERSION) => {}
        Some(other) => return Err(wrong(format!("anthropic-version: \"{other}\" is not a valid version"))),
        None => return Err(wrong("anthropic-version: header is required".to_owned())),
    }
    if !header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(wrong("content-type: must be application/json".to_owned()));
    }
    let body = body.ok_or_else(|| wrong("The request body is not valid JSON".to_owned()))?;
    if let Some(model) = body["model"].as_str().filter(|model| !model.starts_with("claude-")) {
        return Err(Refusal::new(404, "not_found_error", format!("model: {model}")));
    }
    if version == Some(LATEST_VERSION) && body.get("temperature").is_some() {
        return Err(wrong("temperature: Extra inputs are not permitted".to_owned()));
    }
    content(body).map_err(wrong)
}

fn content(body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("the body must be an object")?;
    for name in fields.keys() {
        if !FIELDS.contains(&name.as_str()) {
            return Err(match name.as_str() {
                "top_p" | "top_k" => format!("{name}: is not supported by this model"),
                _ => format!("{name}: Extra inputs are not permitted"),
            });
        }
    }
    body["model"].as_str().ok_or("model: Field required")?;
    match body["max_tokens"].as_u64() {
        Some(1..=128_000) => {}
        Some(_) => return Err("max_tokens: must be between 1 and 128000".to_owned()),
        None => return Err("max_tokens: Field required".to_owned()),
    }
    if body["stream"] != true {
        return Err("stream: this fake only streams".to_owned());
    }
    if body.get("temperature").is_some_and(|temperature| temperature.as_f64() != Some(1.0)) {
        return Err("temperature: may only be set to 1 for this model".to_owned());
    }
    messages(&body["messages"])?;
    body.get("system").map_or(Ok(()), |system| text("system", system))?;
    body.get("thinking").map_or(Ok(()), thinking)?;
    body.get("output_config").map_or(Ok(()), output_config)?;
    body.get("cache_control").map_or(Ok(()), |control| cache_control("cache_control", control))
}

fn messages(messages: &Value) -> Result<(), String> {
    let turns = messages.as_array().ok_or("messages: Field required")?;
    for (at, turn) in turns.iter().enumerate() {
        only(&format!("messages.{at}"), turn, &["role", "content"])?;
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        if turn["role"] != expected {
            return Err(format!("messages.{at}.role: roles must alternate, beginning with user"));
        }
        text(&format!("messages.{at}.content"), &turn["content"])?;
    }
    match turns.last() {
        None => Err("messages: at least one message is required".to_owned()),
        Some(last) if last["role"] != "user" => {
            Err("This model does not support assistant message prefill. The conversation must end with a user message."
                .to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// A text, or a list of blocks of text.
fn text(name: &str, value: &Value) -> Result<(), String> {
    let is_said = |text: &str| match text.trim() {
        "" => Err(format!("{name}: text content blocks must contain non-whitespace text")),
        _ => Ok(()),
    };
    match value {
        Value::String(text) => is_said(text),
        Value::Array(blocks) if !blocks.is_empty() => blocks.iter().enumerate().try_for_each(|(at, block)| {
            let name = format!("{name}.{at}");
            only(&name, block, &["type", "text", "cache_control"])?;
            if block["type"] != "text" {
                return Err(format!("{name}.type: this fake only knows text"));
            }
            is_said(block["text"].as_str().unwrap_or_default())?;
            block
                .get("cache_control")
                .map_or(Ok(()), |control| cache_control(&format!("{name}.cache_control"), control))
        }),
        _ => Err(format!("{name}: Input should be a valid string or a list of blocks")),
    }
}

fn thinking(thinking: &Value) -> Result<(), String> {
    match thinking["type"].as_str() {
        Some("adaptive") => {
            only("thinking", thinking, &["type", "display"])?;
            match thinking.get("display").map(|display| display.as_str().unwrap_or_default()) {
                None | Some("summarized" | "omitted") => Ok(()),
                Some(other) => Err(format!("thinking.display: \"{other}\" is neither summarized nor omitted")),
            }
        }
        Some("disabled") => only("thinking", thinking, &["type"]),
        Some("enabled") => {
            Err("thinking.type.enabled is not supported for this model. Use thinking.type.adaptive and output_config.effort"
                .to_owned())
        }
        _ => Err("thinking.type: Field required".to_owned()),
    }
}

fn output_config(config: &Value) -> Result<(), String> {
    only("output_config", config, &["effort"])?;
    match config["effort"].as_str() {
        Some("low" | "medium" | "high" | "xhigh" | "max") => Ok(()),
        _ => Err("output_config.effort: Input should be low, medium, high, xhigh or max".to_owned()),
    }
}

fn cache_control(name: &str, control: &Value) -> Result<(), String> {
    only(name, control, &["type", "ttl"])?;
    let is_time = control.get("ttl").is_none_or(|ttl| *ttl == "5m" || *ttl == "1h");
    if control["type"] == "ephemeral" && is_time { Ok(()) } else { Err(format!("{name}: Input should be ephemeral")) }
}

/// An object with no other fields.
fn only(name: &str, value: &Value, fields: &[&str]) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| format!("{name}: Input should be an object"))?;
    match object.keys().find(|field| !fields.contains(&field.as_str())) {
        Some(extra) => Err(format!("{name}.{extra}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}
