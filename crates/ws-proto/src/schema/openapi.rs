//! OpenAPI 3.1 of the HTTP endpoints. But for the HTTP API, their bodies have no types in this crate, so they are
//! written out here.

use serde_json::{Value, json};

use super::info::info;
use super::parameters::parameters;
use super::responses::{ANY, error, refusal, refusals};
use super::server_api::{ServerApi, security};

/// OpenAPI 3.1 document of the HTTP endpoints.
pub fn openapi() -> Value {
    let description = "The HTTP/1.1 endpoints of ws-server. HEAD works where GET does; any other method is 405 with \
                       `Allow`. The WebSocket protocol is in `/schema/asyncapi.json` and `/schema/protocol.json`.";
    let ServerApi { paths, schemas: of_api, .. } = ServerApi::new();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info("ws-server", description),
        "servers": [{ "url": "/" }],
        "paths": {
            "/": { "get": page("test_page", "A page to try the server with.") },
            "/inspect": { "get": page("inspector", "A page for operators.") },
            "/health": { "get": get("health", "The process is alive.", JSON, schema("Health")) },
            "/ready": { "get": ready() },
            "/metrics": { "get": metrics() },
            "/ws": { "get": websocket() },
            "/schema/asyncapi.json": { "get": document("asyncapi", "AsyncAPI 3.0 document of `/ws`.") },
            "/schema/openapi.json": { "get": document("openapi", "This document.") },
            "/schema/protocol.json": { "get": document("protocol", "JSON Schema (draft 2020-12) of every frame.") },
        },
        "components": {
            "schemas": schemas(),
            "parameters": parameters(),
            "responses": refusals(),
            "securitySchemes": security(),
        },
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

fn header(description: &str, schema: Value) -> Value {
    json!({ "description": description, "schema": schema })
}

fn get(id: &str, summary: &str, content_type: &str, schema: Value) -> Value {
    let ok = json!({ "description": summary, "content": { content_type: { "schema": schema } } });
    let mut get = json!({ "operationId": id, "summary": summary, "responses": { "200": ok } });
    refuse(&mut get, &ANY);
    get
}

fn page(id: &str, summary: &str) -> Value {
    get(id, summary, "text/html", json!({ "type": "string" }))
}

/// Adds refusals to an operation.
fn refuse(operation: &mut Value, statuses: &[u16]) {
    for status in statuses {
        operation["responses"][status.to_string()] = refusal(*status);
    }
}

fn document(id: &str, summary: &str) -> Value {
    get(&format!("schema_{id}"), summary, JSON, json!({ "type": "object" }))
}

/// OpenMetrics for those who ask for it by name. Where metrics have an address of their own, nothing is here.
fn metrics() -> Value {
    let string = json!({ "type": "string" });
    let mut metrics = get("metrics", "Metrics for Prometheus.", "text/plain", string.clone());
    metrics["responses"]["200"]["content"][OPEN_METRICS] = json!({ "schema": string });
    refuse(&mut metrics, &[404]);
    metrics
}

fn ready() -> Value {
    let mut ready = get("ready", "The server accepts new connections.", JSON, schema("Ready"));
    refuse(&mut ready, &[503]);
    ready
}

fn websocket() -> Value {
    let of_handshake = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": schema });
    let parameters = json!([
        {
            "name": "heartbeat", "in": "query", "schema": { "type": "string", "enum": ["app"] },
            "description": "`app`: `ping` frames in JSON instead of WebSocket Ping frames.",
        },
        {
            "name": "token", "in": "query", "schema": { "type": "string" },
            "description": "The user's token, for clients that cannot send `Authorization: Bearer`, which wins over it.",
        },
        of_handshake("Connection", "`Upgrade`.", json!({ "type": "string" })),
        of_handshake("Upgrade", "`websocket`.", json!({ "type": "string" })),
        of_handshake("Sec-WebSocket-Version", "The version.", json!({ "const": "13" })),
        of_handshake("Sec-WebSocket-Key", "16 bytes in base64.", json!({ "type": "string" })),
        {
            "name": "Sec-WebSocket-Protocol", "in": "header", "schema": { "type": "string" },
            "description": "Offered subprotocols; `ws.json.v1` is selected if it is among them.",
            "example": crate::SUBPROTOCOL,
        },
    ]);
    let selected = header("The subprotocol, if it was offered.", json!({ "const": crate::SUBPROTOCOL }));
    let mut websocket = json!({
        "operationId": "websocket",
        "summary": "WebSocket handshake (RFC 6455). What follows is in `/schema/asyncapi.json`.",
        "security": [{}, { "token": [] }],
        "parameters": parameters,
        "responses": {
            "101": {
                "description": "The connection is a WebSocket now.",
                "headers": { "Sec-WebSocket-Protocol": selected },
            },
        },
    });
    refuse(&mut websocket, &[400, 403, 426, 431, 503]);
    websocket
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
        "Error": error(),
    })
}
