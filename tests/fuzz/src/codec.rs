//! Any text is either decoded or refused, and a decoded value is encoded to the same value.

use serde_json::value::RawValue;
use ws_proto::action::{
    ActionName, AskClaude, Authenticate, Broadcast, CancelClaude, Echo, GetConnections, GetHistory, GetPresence,
    Publish, Subscribe, Unsubscribe,
};
use ws_proto::{ChannelName, ClientMessage, ErrorBody, Request, ServerMessage, encode_error, encode_request};

/// The longest error, however long the input was.
const ERROR_BYTES_MAX: usize = 1024;

/// Runs one text.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match ClientMessage::decode(text) {
        Ok(ClientMessage::Request(request)) => payloads(&request),
        Ok(ClientMessage::Ping | ClientMessage::Pong) => {}
        Err(rejection) => {
            is_small(&rejection.error);
            let mut out = Vec::new();
            encode_error(rejection.id, &rejection.error, &mut out);
            let text = String::from_utf8(out).expect("JSON");
            assert!(matches!(ServerMessage::decode(&text), Ok(ServerMessage::Error { .. })), "{text}");
        }
    }
    if let Err(error) = ServerMessage::decode(text) {
        assert!(error.to_string().len() <= ERROR_BYTES_MAX);
    }
    name(text);
}

/// Reads the payload as this type; if that works, writing and reading it again gives the same.
macro_rules! again {
    ($request:ident, $payload:ty) => {
        match $request.payload::<$payload>() {
            Ok(payload) => {
                let text = encode_request("1", &payload).expect("it was read");
                let Ok(ClientMessage::Request(again)) = ClientMessage::decode(&text) else { panic!("{text}") };
                assert_eq!(again.payload::<$payload>().ok().as_ref(), Some(&payload), "{text}");
            }
            Err(error) => is_small(&error),
        }
    };
}

/// Reads the payload as one of each action, whichever the request names.
fn payloads(request: &Request<'_>) {
    for action in ActionName::ALL {
        match action {
            ActionName::Echo => refused(request.payload::<Echo<&RawValue>>().err()),
            ActionName::Broadcast => refused(request.payload::<Broadcast<&RawValue>>().err()),
            ActionName::Authenticate => refused(request.payload::<Authenticate<'_>>().err()),
            ActionName::GetConnections => again!(request, GetConnections),
            ActionName::Subscribe => again!(request, Subscribe<'_>),
            ActionName::Unsubscribe => again!(request, Unsubscribe<'_>),
            ActionName::GetHistory => again!(request, GetHistory<'_>),
            ActionName::GetPresence => again!(request, GetPresence<'_>),
            ActionName::AskClaude => again!(request, AskClaude<'_>),
            ActionName::CancelClaude => again!(request, CancelClaude<'_>),
            ActionName::Publish => publish(request),
        }
    }
}

fn refused(error: Option<ErrorBody>) {
    error.iter().for_each(is_small);
}

/// Its data is kept as written; as a parsed value, a number could come back as a neighbouring one.
fn publish(request: &Request<'_>) {
    let read = request.payload::<Publish<'_, &RawValue>>();
    let Ok(publish) = read.inspect_err(is_small) else { return };
    let text = encode_request("1", &publish).expect("it was read");
    let Ok(ClientMessage::Request(again)) = ClientMessage::decode(&text) else { panic!("{text}") };
    let again = again.payload::<Publish<'_, &RawValue>>().expect("it was written");
    assert_eq!(again.data.get(), publish.data.get());
    assert_eq!((again.channel, again.msg_id), (publish.channel, publish.msg_id));
    assert_eq!((again.age_ms, again.tags), (publish.age_ms, publish.tags));
}

fn is_small(error: &ErrorBody) {
    assert!(error.message.len() <= ERROR_BYTES_MAX, "{} bytes", error.message.len());
}

/// The rules for names, written independently of the parser.
fn name(text: &str) {
    match ChannelName::parse(text) {
        Ok(name) => {
            assert!((1..=255).contains(&text.len()) && name.as_str() == text);
            assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*'));
            assert_eq!(name.namespace(), text.split_once(':').map(|(namespace, _)| namespace));
            assert_ne!(name.namespace(), Some(""));
            let listed = text.split_once('#').map(|(_, users)| users.split(',').collect::<Vec<_>>());
            assert_eq!(name.users().map(Iterator::collect), listed);
            assert_eq!(name.is_for(None), listed.is_none());
        }
        Err(error) => is_small(&error),
    }
}
