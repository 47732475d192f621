//! What holds for any input, of a frame that anybody may send.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::value::RawValue;
use ws_proto::action::{Echo, EchoData, Publish};
use ws_proto::event::BroadcastEvent;
use ws_proto::{
    ChannelName, ClientMessage, ErrorBody, ErrorCode, Event, Request, ServerMessage, encode_error, encode_notification,
    encode_request, encode_response, limits,
};

/// JSON as people write it: white space, escapes, numbers no machine type holds.
fn json() -> impl Strategy<Value = String> {
    let number = select(vec!["0", "-0", "1.50", "1e400", "-12E-7", "18446744073709551616", "0.1000"]);
    let escaped = select(vec![r#""\u00e9""#, r#""\ud83d\ude00""#, r#""\/\"\\\b""#, r#""\ud800""#, r#""[{""#]);
    let leaf = prop_oneof![
        select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        number.prop_map(str::to_owned),
        escaped.prop_map(str::to_owned),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|s| quoted(&s)),
    ];
    let space = || select(vec!["", " ", "\n\t", "\r\n  "]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let item = (space(), inner.clone(), space()).prop_map(|(before, item, after)| format!("{before}{item}{after}"));
        let field = (space(), any::<String>(), inner, space())
            .prop_map(|(before, key, value, after)| format!("{before}{}:{after}{value}", quoted(&key)));
        prop_oneof![
            prop::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

/// Ids of 1 to 128 bytes.
fn id() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 1..=32).prop_map(String::from_iter)
}

/// A frame of either side.
fn frame() -> impl Strategy<Value = String> {
    (id(), json(), 0..6_u8).prop_map(|(id, json, kind)| match kind {
        0 => format!(r#"{{"id":{},"type":"request","action":"echo","payload":{json}}}"#, quoted(&id)),
        1 => format!(r#"{{"id":{},"type":"response","data":{json}}}"#, quoted(&id)),
        2 => format!(r#"{{"type":"notification","data":{{"event":"broadcast","message":{json}}}}}"#),
        3 => format!(r#"{{"type":"notification","data":{{"event":{},"more":{json}}}}}"#, quoted(&id)),
        4 => format!(
            r#"{{"type":"error","error":{{"code":"internal","message":"","retryable":true,"details":{json}}}}}"#
        ),
        _ => format!(r#"{{"type":"ping","more":{json}}}"#),
    })
}

/// What can happen to a frame on its way; `Index` scales to the length it meets.
#[derive(Debug, Clone)]
enum Mutation {
    Delete(Index),
    Insert(Index, char),
    Replace(Index, char),
    Truncate(Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let character =
        || prop_oneof![3 => select(Vec::from_iter("{}[]\":,\\ntu0e-. \u{feff}".chars())), 1 => any::<char>()];
    prop_oneof![
        any::<Index>().prop_map(Mutation::Delete),
        (any::<Index>(), character()).prop_map(|(at, to)| Mutation::Insert(at, to)),
        (any::<Index>(), character()).prop_map(|(at, to)| Mutation::Replace(at, to)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(text: &str, mutations: &[Mutation]) -> String {
    let mut text = Vec::from_iter(text.chars());
    for mutation in mutations {
        let len = text.len().max(1);
        match mutation {
            _ if text.is_empty() => break,
            Mutation::Delete(at) => drop(text.remove(at.index(len))),
            Mutation::Insert(at, to) => text.insert(at.index(len), *to),
            Mutation::Replace(at, to) => text[at.index(len)] = *to,
            Mutation::Truncate(at) => text.truncate(at.index(len)),
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                text.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
    String::from_iter(text)
}

/// Decodes as both sides would, down to the payload, and looks at what was refused.
fn survive(text: &str) -> Result<(), TestCaseError> {
    let json = serde_json::from_str::<&RawValue>(text).is_ok();
    match ClientMessage::decode(text) {
        Ok(ClientMessage::Request(request)) => {
            prop_assert!(json);
            if let Err(error) = request.payload::<Echo<u8>>() {
                prop_assert_eq!(error.code, ErrorCode::InvalidPayload);
                prop_assert!(error.message.len() <= limits::REASON_BYTES_MAX + 20);
            }
            let _ = request.payload::<Echo<&RawValue>>();
            if let Err(error) = request.payload::<Publish<'_, &RawValue>>() {
                prop_assert_eq!(error.code, ErrorCode::InvalidPayload);
            }
        }
        Ok(ClientMessage::Ping | ClientMessage::Pong) => prop_assert!(json),
        Err(refusal) => match refusal.error.code {
            ErrorCode::InvalidRequest => prop_assert!(json, "{}", refusal.error),
            ErrorCode::Malformed => prop_assert!(refusal.id.is_none()),
            other => prop_assert!(false, "{} is not a code of the envelope", other),
        },
    }
    if ServerMessage::decode(text).is_ok() {
        prop_assert!(json);
    }
    Ok(())
}

fn request(text: &str) -> Result<Request<'_>, TestCaseError> {
    match ClientMessage::decode(text) {
        Ok(ClientMessage::Request(request)) => Ok(request),
        other => Err(TestCaseError::fail(format!("{other:?}"))),
    }
}

fn string(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("UTF-8")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survive(&text)?;
    }

    #[test]
    fn any_brackets_are_survived(text in "[\\[\\]{}\",:1a\\\\ ]{0,400}") {
        survive(&text)?;
    }

    #[test]
    fn any_json_is_survived(text in json()) {
        survive(&text)?;
    }

    #[test]
    fn mutated_frames_are_survived(text in frame(), mutations in prop::collection::vec(mutation(), 0..6)) {
        survive(&mutate(&text, &mutations))?;
    }

    #[test]
    fn a_payload_passes_through_byte_for_byte(id in id(), message in json()) {
        let message: &RawValue = serde_json::from_str(&message)?;
        let text = encode_request(&id, &Echo { message })?;
        let request = request(&text)?;
        let echo: Echo<&RawValue> = request.payload().map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(echo.message.get(), message.get());

        let mut out = Vec::new();
        encode_response(request.id, &EchoData { echo: echo.message }, &mut out);
        let out = string(out);
        match ServerMessage::decode(&out) {
            Ok(ServerMessage::Response { id: echoed, data }) => {
                prop_assert_eq!(&*echoed, &*id);
                prop_assert_eq!(serde_json::from_str::<EchoData<&RawValue>>(data.get())?.echo.get(), message.get());
            }
            other => prop_assert!(false, "{:?}", other),
        }

        let mut out = Vec::new();
        encode_notification(&BroadcastEvent { message, from: None }, &mut out);
        let out = string(out);
        match ServerMessage::decode(&out) {
            Ok(ServerMessage::Notification(Event::Broadcast(event))) => {
                prop_assert_eq!(event.message.get(), message.get());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn names_of_channels_are_in_order_or_refused(name in "\\PC{0,20}|[a-c:#,* \u{0}]{0,12}|[a-c:#,]{0,9}|.{80,300}", user in "[a-c:#]{0,3}") {
        match ChannelName::parse(&name) {
            Ok(channel) => {
                prop_assert_eq!(channel.as_str(), &*name);
                prop_assert!((1..=limits::CHANNEL_BYTES_MAX).contains(&name.len()));
                prop_assert!(!name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*'));
                let namespace = name.split_once(':').map(|(namespace, _)| namespace);
                prop_assert_eq!(channel.namespace(), namespace);
                prop_assert!(namespace != Some(""));
                let list = name.split_once('#').map(|(_, list)| list);
                let users = channel.users().map(Vec::from_iter);
                prop_assert_eq!(users.as_ref().map(|users| users.join(",")), list.map(str::to_owned));
                let users = users.unwrap_or_default();
                prop_assert!(!users.contains(&""));
                prop_assert_eq!(channel.is_for(Some(&user)), list.is_none() || users.contains(&&*user));
                prop_assert_eq!(channel.is_for(None), list.is_none());
            }
            Err(error) => {
                prop_assert_eq!(error.code, ErrorCode::InvalidChannel);
                prop_assert!(error.message.len() < 12 * limits::QUOTE_BYTES_MAX, "{}", error);
            }
        }
    }

    #[test]
    fn errors_go_round(id in id(), code in select(ErrorCode::ALL), message in any::<String>(), after in any::<Option<u64>>()) {
        let text = encode_request(&id, &Echo { message: () })?;
        let request = request(&text)?;
        let mut error = ErrorBody::new(code, message);
        error.retry_after_ms = after;
        let mut out = Vec::new();
        encode_error(Some(request.id), &error, &mut out);
        let out = string(out);
        match ServerMessage::decode(&out) {
            Ok(ServerMessage::Error { id: echoed, error: read }) => {
                prop_assert_eq!(echoed.as_deref(), Some(&*id));
                prop_assert_eq!((read.code, read.message, read.retryable), (code, error.message, error.retryable));
                prop_assert_eq!(read.retry_after_ms, after);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
