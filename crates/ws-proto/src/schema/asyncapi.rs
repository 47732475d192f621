//! AsyncAPI 3.0 of `/ws`, as seen from the server: it receives requests and sends everything else.

use serde_json::{Map, Value, json};

use super::catalogue::{Catalogue, Exchange};
use super::close_codes::close_codes;
use super::info::info;

const CHANNEL: &str = "#/channels/ws";

/// AsyncAPI 3.0 document of the WebSocket endpoint.
pub fn asyncapi() -> Value {
    let catalogue = Catalogue::new("/components/schemas");
    let messages = messages(&catalogue);
    let refer = |name: &String| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }));
    let of_channel: Map<_, _> = messages.keys().map(refer).collect();
    let description = "Realtime messaging: JSON over WebSocket, one object per text frame. The server speaks first, \
                       with a `connected` notification. Requests of one connection are answered in order.";
    json!({
        "asyncapi": "3.0.0",
        "info": info("ws-server", description),
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:3000",
                "protocol": "ws",
                "description": "The default address. Where anonymous connections are allowed, a token may be left out.",
                "security": [
                    { "$ref": "#/components/securitySchemes/bearer" },
                    { "$ref": "#/components/securitySchemes/query" },
                ],
            },
        },
        "channels": { "ws": channel(of_channel) },
        "operations": operations(&catalogue),
        "components": { "messages": messages, "schemas": catalogue.schemas, "securitySchemes": security() },
    })
}

/// The user's token, in either place of a handshake.
fn security() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
        "query": { "type": "httpApiKey", "in": "query", "name": "token" },
    })
}

fn channel(messages: Map<String, Value>) -> Value {
    let query = json!({
        "type": "object",
        "properties": {
            "heartbeat": {
                "description": "`app`: the server sends `ping` messages in place of WebSocket Ping frames, for \
                                clients that cannot see those; answer with `pong`.",
                "type": "string", "enum": ["app"],
            },
            "token": {
                "description": "The user's token, a JSON Web Token, for clients that cannot send `Authorization: \
                                Bearer`, which wins over it. The action `authenticate` is another way.",
                "type": "string",
            },
        },
    });
    let headers = json!({
        "type": "object",
        "properties": {
            "Sec-WebSocket-Protocol": {
                "description": "May be left out; the server selects it when it is offered.",
                "type": "string", "const": crate::SUBPROTOCOL,
            },
            "Authorization": { "description": "`Bearer` and the user's token.", "type": "string" },
        },
    });
    let binding = json!({ "method": "GET", "query": query, "headers": headers, "bindingVersion": "0.1.0" });
    json!({
        "address": "/ws",
        "description": "RFC 6455, text frames only: a binary frame closes the connection with 1003.",
        "messages": messages,
        "bindings": { "ws": binding },
        "x-close-codes": close_codes(),
    })
}

/// A message for every kind of frame, under the name of its schema.
fn messages(catalogue: &Catalogue) -> Map<String, Value> {
    let with_id = |name: &str, title: &str| {
        let location = "$message.payload#/id";
        let correlation = json!({ "description": "Answers carry the id of their request.", "location": location });
        (name.to_owned(), message(catalogue, name, title, json!({ "correlationId": correlation })))
    };
    let plain = |name: &str| (name.to_owned(), message(catalogue, name, name, json!({})));
    let requests = catalogue.exchanges.iter().map(|exchange| with_id(&exchange.request, exchange.action));
    let responses = catalogue.exchanges.iter().map(|exchange| with_id(&exchange.response, exchange.action));
    let notifications = catalogue.notifications.iter().map(|name| plain(name));
    requests
        .chain(responses)
        .chain(notifications)
        .chain([with_id("Error", "error"), plain("Ping"), plain("Pong")])
        .collect()
}

fn message(catalogue: &Catalogue, name: &str, title: &str, mut message: Value) -> Value {
    message["name"] = name.into();
    message["title"] = title.into();
    message["summary"] = catalogue.schemas[name]["description"].clone();
    message["payload"] = catalogue.reference(name);
    message
}

fn operations(catalogue: &Catalogue) -> Map<String, Value> {
    let mut operations: Map<_, _> = catalogue.exchanges.iter().map(request).collect();
    let notifications: Vec<_> = catalogue.notifications.iter().map(|name| of_channel(name)).collect();
    let channel = json!({ "$ref": CHANNEL });
    let mut add = |name: &str, operation: Value| operations.insert(name.to_owned(), operation);
    add("notify", json!({ "action": "send", "channel": channel, "messages": notifications }));
    let refuse = "A frame that is not a request is answered with an error, without an id if none could be read.";
    add(
        "refuse",
        json!({ "action": "send", "channel": channel, "summary": refuse, "messages": [of_channel("Error")] }),
    );
    for (name, action) in [("answer_ping", "receive"), ("send_ping", "send")] {
        let reply = json!({ "channel": channel, "messages": [of_channel("Pong")] });
        add(name, json!({ "action": action, "channel": channel, "messages": [of_channel("Ping")], "reply": reply }));
    }
    operations
}

fn request(exchange: &Exchange) -> (String, Value) {
    let replies = [of_channel(&exchange.response), of_channel("Error")];
    let operation = json!({
        "action": "receive",
        "channel": { "$ref": CHANNEL },
        "messages": [of_channel(&exchange.request)],
        "reply": { "channel": { "$ref": CHANNEL }, "messages": replies },
    });
    (exchange.action.to_owned(), operation)
}

fn of_channel(message: &str) -> Value {
    json!({ "$ref": format!("{CHANNEL}/messages/{message}") })
}
