//! The schemas of all frames by name, and which response belongs to which request.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::tidy::{absent_not_null, without_links};
use crate::action::{Action, ActionVisitor, SubscribeData, visit_actions};
use crate::claude::RunEvent;
use crate::error::{ErrorBody, ErrorCode};
use crate::event::{
    BroadcastEvent, BroadcastGap, ChannelGap, Connected, Draining, Join, Leave, Notify, Presence, PublicationEvent,
    TokenExpiring, Unsubscribed,
};
use crate::limits::ID_BYTES_MAX;

/// Every schema, referring to the others below `path`.
pub(super) struct Catalogue {
    path: &'static str,
    pub(super) schemas: Map<String, Value>,
    pub(super) exchanges: Vec<Exchange>,
    /// Names of the notifications' schemas.
    pub(super) notifications: Vec<String>,
    /// Payloads are described as this crate reads them, everything else as it writes them: a field with a default
    /// is optional in the former and always present in the latter.
    payloads: SchemaGenerator,
    results: SchemaGenerator,
}

/// A request and its response.
pub(super) struct Exchange {
    pub(super) action: &'static str,
    pub(super) request: String,
    pub(super) response: String,
}

impl Catalogue {
    pub(super) fn new(path: &'static str) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = path.into());
        let mut catalogue = Catalogue {
            path,
            schemas: Map::new(),
            exchanges: Vec::new(),
            notifications: Vec::new(),
            payloads: settings.clone().for_deserialize().into_generator(),
            results: settings.for_serialize().into_generator(),
        };
        catalogue.envelope();
        visit_actions(&mut catalogue);
        catalogue.notification::<Connected>("Connected");
        catalogue.notification::<BroadcastEvent<Value>>("Broadcast");
        catalogue.notification::<BroadcastGap>("BroadcastGap");
        catalogue.notification::<Draining>("Draining");
        catalogue.notification::<TokenExpiring>("TokenExpiring");
        catalogue.notification::<SubscribeData<'static>>("Subscribed");
        catalogue.notification::<Unsubscribed<'static>>("Unsubscribed");
        catalogue.notification::<PublicationEvent<'static, Value>>("Publication");
        catalogue.notification::<Join<'static, Value>>("Join");
        catalogue.notification::<Leave<'static, Value>>("Leave");
        catalogue.notification::<Presence<'static>>("Presence");
        catalogue.notification::<ChannelGap<'static>>("ChannelGap");
        // The data of some publications: any value to the protocol, and so referred to by none of them.
        catalogue.results.subschema_for::<RunEvent<'static>>();
        catalogue.finish();
        catalogue
    }

    pub(super) fn reference(&self, name: &str) -> Value {
        json!({ "$ref": format!("#{}/{name}", self.path) })
    }

    fn add(&mut self, name: &str, schema: Value) {
        let before = self.schemas.insert(name.to_owned(), schema);
        assert!(before.is_none(), "two schemas are called {name}");
    }

    /// What all actions and events share.
    fn envelope(&mut self) {
        self.add(
            "RequestId",
            json!({
                "description": "Chosen by the client and echoed unchanged. 1 to 128 bytes of UTF-8; the schema counts characters.",
                "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX,
            }),
        );
        self.add("Ping", frame("Asks for a `pong`; either side may send it.", "ping", json!({}), &[]));
        self.add("Pong", frame("Answers a `ping`.", "pong", json!({}), &[]));

        let error = self.results.subschema_for::<ErrorBody>().to_value();
        let id = self.reference("RequestId");
        let description = "A request failed, or a frame was rejected; `id` is absent if it could not be read.";
        self.add("Error", frame(description, "error", json!({ "id": id, "error": error }), &["error"]));
    }

    /// The frame of one event.
    fn notification<E: Notify + JsonSchema>(&mut self, name: &str) {
        let mut data = E::json_schema(&mut self.results).to_value();
        let description = data["description"].as_str().unwrap_or_default().to_owned();
        data["properties"]["event"] = json!({ "type": "string", "const": E::EVENT });
        absent_not_null(&mut data);
        let required = data["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        data["required"] = [&["event".into()], required].concat().into();
        let name = format!("{name}Notification");
        self.add(&name, frame(&description, "notification", json!({ "data": data }), &["data"]));
        self.notifications.push(name);
    }

    /// The two unions, and the types that others refer to.
    fn finish(&mut self) {
        let requests = self.exchanges.iter().map(|exchange| exchange.request.as_str());
        let client = self.any_of("Any frame from a client.", requests);
        let responses = self.exchanges.iter().map(|exchange| exchange.response.as_str());
        let unasked = self.notifications.iter().map(String::as_str).chain(["Error"]);
        let server = self.any_of("Any frame from a server.", responses.chain(unasked));
        self.add("ClientMessage", client);
        self.add("ServerMessage", server);
        for (name, schema) in self.payloads.take_definitions(true) {
            self.add(&name, schema);
        }
        for (name, mut schema) in self.results.take_definitions(true) {
            absent_not_null(&mut schema);
            // What is read and written is one type, where both say the same.
            if self.schemas.get(&name) != Some(&schema) {
                self.add(&name, schema);
            }
        }
        let codes = error_codes(&self.schemas["ErrorCode"]);
        self.schemas.insert("ErrorCode".to_owned(), codes);
        self.schemas.values_mut().for_each(without_links);
    }

    fn any_of<'a>(&self, description: &str, names: impl Iterator<Item = &'a str>) -> Value {
        let kinds: Vec<_> = names.chain(["Ping", "Pong"]).map(|name| self.reference(name)).collect();
        json!({ "description": description, "anyOf": kinds })
    }
}

impl ActionVisitor for Catalogue {
    /// The request and the response of one action.
    fn visit<A: Action + JsonSchema>(&mut self)
    where
        A::Response<Value>: JsonSchema,
    {
        let action = A::NAME;
        let (request, response) = (format!("{}Request", pascal(action)), format!("{}Response", pascal(action)));
        let payload = A::json_schema(&mut self.payloads).to_value();
        let mut data = A::Response::<Value>::json_schema(&mut self.results).to_value();
        absent_not_null(&mut data);
        let id = self.reference("RequestId");

        let description = payload["description"].as_str().unwrap_or_default().to_owned();
        // If all fields are optional, so is the payload.
        let (payload, required): (_, &[&str]) = match payload.get("required") {
            Some(_) => (payload, &["id", "action", "payload"]),
            None => (json!({ "anyOf": [payload, { "type": "null" }] }), &["id", "action"]),
        };
        let fields = json!({ "id": id, "action": { "type": "string", "const": action }, "payload": payload });
        self.add(&request, frame(&description, "request", fields, required));

        let description = format!("The `{action}` request with this id succeeded.");
        let fields = json!({ "id": id, "data": data });
        self.add(&response, frame(&description, "response", fields, &["id", "data"]));
        self.exchanges.push(Exchange { action, request, response });
    }
}

/// The object of one `type`.
fn frame(description: &str, kind: &str, mut fields: Value, required: &[&str]) -> Value {
    fields["type"] = json!({ "type": "string", "const": kind });
    let required: Vec<_> = ["type"].iter().chain(required).collect();
    json!({ "description": description, "type": "object", "properties": fields, "required": required })
}

/// schemars makes an alternative of each code. A plain `enum` suits generators better; the rest goes beside it.
fn error_codes(derived: &Value) -> Value {
    let names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let alternatives = derived["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let meaning = |code: &ErrorCode| {
        let of_code = alternatives.iter().find(|alternative| alternative["const"] == code.as_str());
        of_code.map(|alternative| alternative["description"].clone())
    };
    let annotation = |code: &ErrorCode| {
        json!({
            "code": code.as_str(),
            "meaning": meaning(code),
            "retryable": code.is_retryable(),
            "http_status": code.http_status(),
        })
    };
    json!({
        "description": "Why a request was refused. Later versions may add codes.",
        "type": "string",
        "enum": names,
        "x-codes": ErrorCode::ALL.iter().map(annotation).collect::<Vec<_>>(),
    })
}

/// `get_connections` → `GetConnections`.
fn pascal(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').filter(|part| !part.is_empty()).map(word).collect()
}
