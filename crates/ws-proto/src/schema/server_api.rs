//! The paths of the HTTP API, for the OpenAPI document.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::parameters::parameter;
use super::responses::{ANY, refusal};
use super::tidy::{absent_not_null, bounded, without_links};
use crate::action::{Broadcast, BroadcastData, HistoryData, PresenceData, PublishData};
use crate::api::{
    Batch, BatchData, ChannelDetails, ChannelPage, ConnectionDetails, ConnectionPage, Disconnect, NodeData, NodeStats,
    OpenRuns, Publication, Removed, UserConnections, WatchEvent,
};
use crate::publication::HistoryEntry;

/// The paths of the API, and the schemas that they refer to.
pub(super) struct ServerApi {
    pub(super) paths: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
}

/// An operation.
struct Operation {
    id: &'static str,
    summary: &'static str,
    /// Names of its parameters but for those in the path.
    parameters: &'static [&'static str],
    /// Its body, and whether that is required.
    body: Option<(Value, bool)>,
    answer: Value,
    /// Statuses besides those that every operation can have.
    refusals: &'static [u16],
    /// What can be done with the answer.
    links: Value,
}

/// Statuses of every operation of the API, besides [`ANY`].
const OF_API: [u16; 3] = [401, 403, 500];

const PUBLICATIONS: &str = "/channels/{channel}/publications";

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
        api.of_publications();
        api.of_channels();
        api.of_connections();
        api.of_subscriptions();
        api.of_the_server();
        api.finish();
        api
    }

    fn of_publications(&mut self) {
        let (publish, published) = (self.body::<Publication<'static, Value>>(), self.answer::<PublishData<'static>>());
        let history = self.answer::<HistoryData<'static, HistoryEntry<'static, Value>>>();
        let removed = self.answer::<Removed<'static>>();
        let get = Operation {
            parameters: &["limit", "since_epoch", "since_offset", "before", "reverse"],
            refusals: &[404, 409, 503],
            ..operation("history", "A page of a channel's history.", history)
        };
        let post = Operation {
            parameters: &["idempotency_key"],
            body: Some((publish, true)),
            refusals: &[404, 409, 415, 429, 503],
            links: json!({ "history": link("history", "channel", "$request.path.channel") }),
            ..operation("publish", "Publishes in a channel.", published)
        };
        let delete = Operation {
            refusals: &[404, 415, 503],
            ..operation("remove_history", "Removes the history. A new epoch begins.", removed)
        };
        self.add(PUBLICATIONS, "get", get);
        self.add(PUBLICATIONS, "post", post);
        self.add(PUBLICATIONS, "delete", delete);
    }

    fn of_channels(&mut self) {
        let (page, details) = (self.answer::<ChannelPage>(), self.answer::<ChannelDetails>());
        let presence = self.answer::<PresenceData<'static, Value>>();
        let list = Operation {
            parameters: &["prefix", "limit", "after"],
            refusals: &[503],
            links: json!({
                "next": link("list_channels", "after", NEXT),
                "channel": link("channel", "channel", "$response.body#/channels/0/channel"),
                "runs": link("runs", "channel", "$response.body#/channels/0/channel"),
                "presence": link("presence", "channel", "$response.body#/channels/0/channel"),
            }),
            ..operation("list_channels", "A page of the channels with subscribers.", page)
        };
        let one = Operation { refusals: &[404, 503], ..operation("channel", "One channel.", details) };
        let mut next = link("presence", "after", NEXT);
        next["parameters"]["channel"] = "$request.path.channel".into();
        let who = Operation {
            parameters: &["limit", "after"],
            refusals: &[404, 503],
            links: json!({ "next": next }),
            ..operation("presence", "A page of who is there.", presence)
        };
        self.add("/channels", "get", list);
        self.add("/channels/{channel}", "get", one);
        self.add("/channels/{channel}/presence", "get", who);
        let runs = self.answer::<OpenRuns>();
        let open = Operation { refusals: &[404, 503], ..operation("runs", "Claude's open runs in a channel.", runs) };
        self.add("/channels/{channel}/runs", "get", open);
    }

    fn of_connections(&mut self) {
        let (page, details) = (self.answer::<ConnectionPage>(), self.answer::<ConnectionDetails>());
        let (close, users) = (self.body::<Disconnect<'static>>(), self.answer::<UserConnections>());
        let of_first = |operation| link(operation, "id", "$response.body#/connections/0/connection_id");
        let list = Operation {
            parameters: &["of_user", "limit", "after"],
            refusals: &[503],
            links: json!({
                "next": link("list_connections", "after", NEXT),
                "connection": of_first("connection"),
                "close": of_first("close_connection"),
                "subscribe": of_first("subscribe_connection"),
                "unsubscribe": of_first("unsubscribe_connection"),
            }),
            ..operation("list_connections", "A page of the connections.", page)
        };
        let one = Operation { refusals: &[404, 503], ..operation("connection", "One connection.", details) };
        let close_one = Operation {
            body: Some((close.clone(), false)),
            refusals: &[404, 415, 503],
            ..operation("close_connection", "Closes a connection.", nothing())
        };
        let close_all = Operation {
            body: Some((close, false)),
            refusals: &[415, 503],
            ..operation("close_user", "Closes all connections of a user.", users)
        };
        self.add("/connections", "get", list);
        self.add("/connections/{id}", "get", one);
        self.add("/connections/{id}", "delete", close_one);
        self.of_frames();
        self.add("/users/{user}/connections", "delete", close_all);
    }

    fn of_subscriptions(&mut self) {
        let users = self.answer::<UserConnections>();
        let of_one = "/connections/{id}/subscriptions/{channel}";
        let of_user = "/users/{user}/subscriptions/{channel}";
        let refusals = &[404, 409, 415, 429, 503];
        let several = &[404, 415, 429, 503];
        let start = operation("subscribe_connection", "Subscribes a connection.", nothing());
        self.add(of_one, "put", Operation { refusals, ..start });
        let end = operation("unsubscribe_connection", "Unsubscribes a connection.", nothing());
        self.add(of_one, "delete", Operation { refusals, ..end });
        let start = operation("subscribe_user", "Subscribes all connections of a user.", users.clone());
        self.add(of_user, "put", Operation { refusals: several, ..start });
        let end = operation("unsubscribe_user", "Unsubscribes all connections of a user.", users);
        self.add(of_user, "delete", Operation { refusals: several, ..end });
    }

    fn of_the_server(&mut self) {
        let (broadcast, sent) = (self.body::<Broadcast<Value>>(), self.answer::<BroadcastData>());
        let (batch, responses) = (self.body::<Batch<'static, Value>>(), self.answer::<BatchData<Value>>());
        let node = self.answer::<NodeData<'static>>();
        let to_all = Operation {
            body: Some((broadcast, true)),
            refusals: &[415, 503],
            ..operation("broadcast", "Sends a value to all connections.", sent)
        };
        let several = Operation {
            body: Some((batch, true)),
            refusals: &[415, 503],
            ..operation("batch", "Several requests in one. No transaction.", responses)
        };
        self.add("/broadcast", "post", to_all);
        self.add("/batch", "post", several);
        self.add("/node", "get", operation("node", "This server.", node));
        let stats = self.answer::<NodeStats>();
        self.add("/node/stats", "get", operation("node_stats", "What changes all the time, for rates.", stats));
    }

    /// The one answer that is no JSON: each event of the stream is.
    fn of_frames(&mut self) {
        let (path, event) = ("/connections/{id}/frames", self.answer::<WatchEvent<'static>>());
        let watch = operation("watch_frames", "The frames of one connection, live.", nothing());
        self.add(path, "get", Operation { refusals: &[404, 503], ..watch });
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

    fn add(&mut self, path: &str, method: &str, operation: Operation) {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Vec<_> = names.chain(operation.parameters.iter().copied()).map(parameter).collect();
        let path = self.paths.entry(format!("/api/v1{path}")).or_insert_with(|| json!({}));
        path[method] = operation.describe(parameters);
    }

    fn finish(&mut self) {
        for (name, mut schema) in self.bodies.take_definitions(true) {
            bounded(&mut schema);
            self.schemas.insert(name, schema);
        }
        for (name, mut schema) in self.answers.take_definitions(true) {
            absent_not_null(&mut schema);
            self.schemas.insert(name, schema);
        }
        self.schemas.values_mut().for_each(without_links);
    }
}

impl Operation {
    fn describe(self, parameters: Vec<Value>) -> Value {
        let mut done = json!({ "description": "Done.", "content": { "application/json": { "schema": self.answer } } });
        if !self.links.is_null() {
            done["links"] = self.links;
        }
        let mut responses = json!({ "200": done });
        for status in ANY.iter().chain(&OF_API).chain(self.refusals) {
            responses[status.to_string()] = refusal(*status);
        }
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "security": [{ "bearer": [] }, { "header": [] }],
            "responses": responses,
        });
        if !parameters.is_empty() {
            described["parameters"] = parameters.into();
        }
        if let Some((schema, required)) = self.body {
            described["requestBody"] =
                json!({ "required": required, "content": { "application/json": { "schema": schema } } });
        }
        described
    }
}

fn operation(id: &'static str, summary: &'static str, answer: Value) -> Operation {
    Operation { id, summary, parameters: &[], body: None, answer, refusals: &[], links: Value::Null }
}

/// Where the next page begins.
const NEXT: &str = "$response.body#/next";

/// What follows from an answer: another operation, with a parameter from what was sent or answered.
fn link(operation: &str, parameter: &str, from: &str) -> Value {
    json!({ "operationId": operation, "parameters": { parameter: from } })
}

/// The answer `{}`.
fn nothing() -> Value {
    json!({ "type": "object" })
}

/// How a request presents its key, and a handshake its token.
pub(super) fn security() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "A key of the HTTP API." },
        "token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A user's token, for the WebSocket alone.",
        },
        "header": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same." },
    })
}
