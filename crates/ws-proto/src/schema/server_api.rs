//! The paths of the HTTP API, for the OpenAPI document.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::tidy::{absent_not_null, without_links};
use crate::action::{Broadcast, BroadcastData, HistoryData, PresenceData, PublishData};
use crate::api::{
    Batch, BatchData, ChannelDetails, ChannelPage, ConnectionDetails, ConnectionPage, Disconnect, NodeData, NodeStats,
    Publication, Removed, UserConnections, WatchEvent,
};
use crate::limits::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX};
use crate::publication::HistoryEntry;

/// The paths of the API, and the schemas that they refer to.
pub(super) struct ServerApi {
    pub(super) paths: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
}

/// An operation: its name, what it does, its query, its body if it has one, its answer.
struct Operation {
    id: &'static str,
    summary: &'static str,
    query: Vec<Value>,
    body: Option<(Value, bool)>,
    answer: Value,
}

impl ServerApi {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12();
        let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
        let mut api = ServerApi {
            paths: Map::new(),
            schemas: Map::new(),
            bodies: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
        };
        api.of_channels();
        api.of_connections();
        api.of_the_server();
        api.finish();
        api
    }

    fn of_channels(&mut self) {
        let publish = self.body::<Publication<'static, Value>>();
        let published = self.answer::<PublishData<'static>>();
        let history = self.answer::<HistoryData<'static, HistoryEntry<'static, Value>>>();
        let removed = self.answer::<Removed<'static>>();
        let path = "/channels/{channel}/publications";
        let query = vec![
            limit(),
            text("since_epoch", "Only publications after this position, with `since_offset`."),
            whole("since_offset", "See `since_epoch`."),
            whole("before", "Only publications with a smaller offset."),
            switch("reverse", "The newest first."),
        ];
        self.get(path, "history", "A page of a channel's history.", query, history);
        let mut publish = operation("publish", "Publishes in a channel.", Some((publish, true)), published);
        publish.query.push(idempotency_key());
        self.add(path, "post", publish);
        self.add(
            path,
            "delete",
            operation("remove_history", "Removes the history. A new epoch begins.", None, removed),
        );
        let (page, details) = (self.answer::<ChannelPage>(), self.answer::<ChannelDetails>());
        let query = vec![text("prefix", "Only names that begin with this."), limit(), after()];
        self.get("/channels", "list_channels", "A page of the channels with subscribers.", query, page);
        self.get("/channels/{channel}", "channel", "One channel.", Vec::new(), details);
        let presence = self.answer::<PresenceData<'static, Value>>();
        let query = vec![limit(), after()];
        self.get("/channels/{channel}/presence", "presence", "A page of who is there.", query, presence);
    }

    fn of_connections(&mut self) {
        let (page, details) = (self.answer::<ConnectionPage>(), self.answer::<ConnectionDetails>());
        let (close, users) = (self.body::<Disconnect<'static>>(), self.answer::<UserConnections>());
        let query = vec![text("user", "Only connections of this user."), limit(), after()];
        self.get("/connections", "list_connections", "A page of the connections.", query, page);
        self.get("/connections/{id}", "connection", "One connection.", Vec::new(), details);
        let closed = operation("close_connection", "Closes a connection.", Some((close.clone(), false)), nothing());
        self.add("/connections/{id}", "delete", closed);
        self.of_frames();
        let path = "/connections/{id}/subscriptions/{channel}";
        self.add(path, "put", operation("subscribe_connection", "Subscribes a connection.", None, nothing()));
        self.add(path, "delete", operation("unsubscribe_connection", "Unsubscribes a connection.", None, nothing()));
        let path = "/users/{user}/subscriptions/{channel}";
        let all = "Subscribes all connections of a user.";
        self.add(path, "put", operation("subscribe_user", all, None, users.clone()));
        let all = "Unsubscribes all connections of a user.";
        self.add(path, "delete", operation("unsubscribe_user", all, None, users.clone()));
        let all = "Closes all connections of a user.";
        self.add("/users/{user}/connections", "delete", operation("close_user", all, Some((close, false)), users));
    }

    fn of_the_server(&mut self) {
        let (broadcast, sent) = (self.body::<Broadcast<Value>>(), self.answer::<BroadcastData>());
        let (batch, responses) = (self.body::<Batch<'static, Value>>(), self.answer::<BatchData<Value>>());
        let node = self.answer::<NodeData<'static>>();
        let all = "Sends a value to all connections.";
        self.add("/broadcast", "post", operation("broadcast", all, Some((broadcast, true)), sent));
        let several = "Several requests in one. No transaction.";
        self.add("/batch", "post", operation("batch", several, Some((batch, true)), responses));
        self.get("/node", "node", "This server.", Vec::new(), node);
        let stats = self.answer::<NodeStats>();
        self.get("/node/stats", "node_stats", "What changes all the time, for rates.", Vec::new(), stats);
    }

    /// The one answer that is no JSON: each event of the stream is.
    fn of_frames(&mut self) {
        let event = self.answer::<WatchEvent<'static>>();
        let path = "/connections/{id}/frames";
        let summary = "The frames of one connection, live.";
        self.get(path, "watch_frames", summary, Vec::new(), nothing());
        let description = "Server-sent events without a name. The `data` of each is a `WatchEvent`.";
        let text = json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": event });
        self.paths[&format!("/api/v1{path}")]["get"]["responses"]["200"] =
            json!({ "description": description, "content": { "text/event-stream": { "schema": text } } });
    }

    fn body<T: JsonSchema>(&mut self) -> Value {
        self.bodies.subschema_for::<T>().to_value()
    }

    fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    fn get(&mut self, path: &str, id: &'static str, summary: &'static str, query: Vec<Value>, answer: Value) {
        self.add(path, "get", Operation { id, summary, query, body: None, answer });
    }

    fn add(&mut self, path: &str, method: &str, operation: Operation) {
        let Operation { id, summary, query, body, answer } = operation;
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path =
            names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        let parameters: Vec<_> = of_path.chain(query).collect();
        let mut described = json!({
            "operationId": id,
            "summary": summary,
            "security": [{ "key": [] }, { "header": [] }],
            "responses": {
                "200": { "description": "Done.", "content": { "application/json": { "schema": answer } } },
                "default": {
                    "description": "Refused.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
        });
        if !parameters.is_empty() {
            described["parameters"] = parameters.into();
        }
        if let Some((schema, required)) = body {
            described["requestBody"] =
                json!({ "required": required, "content": { "application/json": { "schema": schema } } });
        }
        let path = self.paths.entry(format!("/api/v1{path}")).or_insert_with(|| json!({}));
        path[method] = described;
    }

    fn finish(&mut self) {
        for (name, schema) in self.bodies.take_definitions(true) {
            self.schemas.insert(name, schema);
        }
        for (name, mut schema) in self.answers.take_definitions(true) {
            absent_not_null(&mut schema);
            self.schemas.insert(name, schema);
        }
        self.schemas.values_mut().for_each(without_links);
    }
}

fn operation(id: &'static str, summary: &'static str, body: Option<(Value, bool)>, answer: Value) -> Operation {
    Operation { id, summary, query: Vec::new(), body, answer }
}

/// The answer `{}`.
fn nothing() -> Value {
    json!({ "type": "object" })
}

fn parameter(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn text(name: &str, description: &str) -> Value {
    parameter(name, description, json!({ "type": "string" }))
}

fn whole(name: &str, description: &str) -> Value {
    parameter(name, description, json!({ "type": "integer", "minimum": 0 }))
}

fn switch(name: &str, description: &str) -> Value {
    parameter(name, description, json!({ "type": "boolean" }))
}

fn limit() -> Value {
    let range =
        json!({ "type": "integer", "minimum": 1, "maximum": HISTORY_LIMIT_MAX, "default": HISTORY_LIMIT_DEFAULT });
    parameter("limit", "Entries of the page.", range)
}

fn after() -> Value {
    text("after", "`next` of the page before.")
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" },
        "description": "Another spelling of `msg_id`, with or without quotes.",
    })
}

/// How a request presents its key.
pub(super) fn security() -> Value {
    json!({
        "key": { "type": "http", "scheme": "bearer", "description": "A key of the HTTP API." },
        "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
    })
}
