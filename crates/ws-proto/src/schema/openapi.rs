//! OpenAPI 3.1 of the HTTP endpoints. But for the HTTP API, their bodies have no types in this crate, so they are
//! written out here.

use serde_json::{Value, json};

use super::info::info;
use super::server_api::{ServerApi, security};

/// OpenAPI 3.1 document of the HTTP endpoints.
pub fn openapi() -> Value {
    let description = "The HTTP/1.1 endpoints of ws-server. The WebSocket protocol is in \
                       `/schema/asyncapi.json` and `/schema/protocol.json`.";
    let ServerApi { paths, schemas: of_api, .. } = ServerApi::new();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info("ws-server", description),
        "servers": [{ "url": "/" }],
        "paths": {
            "/": { "get": get("test_page", "A page to try the server with.", "text/html", json!({ "type": "string" })) },
            "/inspect": { "get": get("inspector", "A page for operators.", "text/html", json!({ "type": "string" })) },
            "/health": { "get": get("health", "The process is alive.", JSON, schema("Health")) },
            "/ready": { "get": ready() },
            "/metrics": { "get": metrics() },
            "/ws": { "get": websocket() },
            "/schema/asyncapi.json": { "get": document("asyncapi", "AsyncAPI 3.0 document of `/ws`.") },
            "/schema/openapi.json": { "get": document("openapi", "This document.") },
            "/schema/protocol.json": { "get": document("protocol", "JSON Schema (draft 2020-12) of every frame.") },
        },
        "components": { "schemas": schemas(), "securitySchemes": security() },
    });
    for (name, path) in paths {
        document["paths"][name] = path;
    }
    for (name, schema) in of_api {
        document["components"]["schemas"][name] = schema;
    }
    document
}

const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text";

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn response(description: &str, content_type: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { content_type: { "schema": schema } } })
}

fn refused(description: &str, code: &str) -> Value {
    let mut refused = response(description, JSON, schema("Error"));
    let message = description.trim_end_matches('.').to_lowercase();
    refused["content"][JSON]["example"] = json!({ "error": { "code": code, "message": message } });
    refused
}

/// A 503 always has `Retry-After`.
fn overloaded(description: &str) -> Value {
    let mut overloaded = refused(description, "overloaded");
    overloaded["headers"] = json!({ "Retry-After": header("Seconds.", json!({ "type": "integer" })) });
    overloaded
}

fn header(description: &str, schema: Value) -> Value {
    json!({ "description": description, "schema": schema })
}

fn otherwise() -> Value {
    response("Any other refusal.", JSON, schema("Error"))
}

fn get(id: &str, summary: &str, content_type: &str, schema: Value) -> Value {
    let ok = response(summary, content_type, schema);
    json!({ "operationId": id, "summary": summary, "responses": { "200": ok, "default": otherwise() } })
}

fn document(id: &str, summary: &str) -> Value {
    get(&format!("schema_{id}"), summary, JSON, json!({ "type": "object" }))
}

/// OpenMetrics for those who ask for it by name.
fn metrics() -> Value {
    let string = json!({ "type": "string" });
    let mut metrics = get("metrics", "Metrics for Prometheus.", "text/plain", string.clone());
    metrics["responses"]["200"]["content"][OPEN_METRICS] = json!({ "schema": string });
    metrics
}

fn ready() -> Value {
    let mut ready = get("ready", "The server accepts new connections.", JSON, schema("Ready"));
    ready["responses"]["503"] = overloaded("The server is draining.");
    ready
}

fn websocket() -> Value {
    let string = json!({ "type": "string" });
    let parameters = json!([
        {
            "name": "heartbeat", "in": "query", "schema": { "type": "string", "enum": ["app"] },
            "description": "`app`: `ping` frames in JSON instead of WebSocket Ping frames.",
        },
        {
            "name": "Sec-WebSocket-Protocol", "in": "header", "schema": string,
            "description": "Offered subprotocols; `ws.json.v1` is selected if it is among them.",
            "example": crate::SUBPROTOCOL,
        },
    ]);
    let mut version = refused("Not a valid WebSocket handshake.", "invalid_request");
    version["headers"] = json!({ "Sec-WebSocket-Version": header("The supported version, after a request for another one.", json!({ "const": "13" })) });
    let mut upgrade = refused("Not a WebSocket handshake.", "upgrade_required");
    upgrade["headers"] = json!({ "Upgrade": header("What to upgrade to.", json!({ "const": "websocket" })) });
    let full = overloaded("The server is draining, or full.");
    let selected = header("The subprotocol, if it was offered.", json!({ "const": crate::SUBPROTOCOL }));
    json!({
        "operationId": "websocket",
        "summary": "WebSocket handshake (RFC 6455).",
        "parameters": parameters,
        "responses": {
            "101": {
                "description": "The connection is a WebSocket now.",
                "headers": { "Sec-WebSocket-Protocol": selected },
            },
            "400": version,
            "426": upgrade,
            "503": full,
            "default": otherwise(),
        },
    })
}

fn schemas() -> Value {
    json!({
        "Health": {
            "type": "object",
            "required": ["status", "version", "uptime_s", "connections"],
            "properties": {
                "status": { "type": "string", "const": "ok" },
                "version": { "description": "Version of the server.", "type": "string" },
                "uptime_s": { "description": "Seconds since the start.", "type": "integer", "minimum": 0 },
                "connections": { "description": "Clients connected now.", "type": "integer", "minimum": 0 },
            },
        },
        "Ready": {
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "type": "string", "const": "ready" } },
        },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": {
                            "description": "For programs: a code of the protocol, or one of HTTP alone, such as \
                                            `method_not_allowed`.",
                            "type": "string",
                        },
                        "message": { "description": "For people.", "type": "string" },
                    },
                },
            },
        },
    })
}
