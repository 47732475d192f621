//! The actions and events of channels, as both sides write and read them (PROTOCOL sections 4 and 5).

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;
use ws_proto::action::{
    Ack, Action, Authenticate, Gap, GetHistory, GetPresence, HistoryData, PresenceClient, PresenceData, Publish,
    PublishData, Subscribe, SubscribeData, Unsubscribe, UnsubscribeData,
};
use ws_proto::event::{ChannelGap, Join, Leave, Notify, Presence};
use ws_proto::publication::HistoryEntry;
use ws_proto::{ClientMessage, Event, Position, ServerMessage, encode_notification, encode_request};

const ID: &str = "00000000-0000-0000-0000-000000000007";

/// The client writes it, the server reads the same.
fn asked<P>(payload: P, json: &str)
where
    P: Action + Serialize + Deserialize<'static> + PartialEq + Debug,
{
    let text = encode_request("1", &payload).expect("encodes");
    let name = P::NAME;
    assert_eq!(text, format!(r#"{{"id":"1","type":"request","action":"{name}","payload":{json}}}"#));
    let Ok(ClientMessage::Request(request)) = ClientMessage::decode(text.leak()) else { panic!("{json}") };
    assert_eq!(request.payload::<P>().expect("fits"), payload);
}

/// The server writes it, the client reads the same, by the type that the action names.
fn answered<A: Action>(data: A::Response<Value>, json: &str)
where
    A::Response<Value>: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(serde_json::to_string(&data).expect("encodes"), json);
    assert_eq!(serde_json::from_str::<A::Response<Value>>(json).expect("decodes"), data);
}

fn position() -> Position<'static> {
    Position { epoch: "e".into(), offset: 4 }
}

#[test]
fn subscribing() {
    asked(Subscribe { channel: "chat:a".into(), ..Subscribe::default() }, r#"{"channel":"chat:a"}"#);
    let since = Subscribe { channel: "a".into(), since: Some(position()), ..Subscribe::default() };
    asked(since, r#"{"channel":"a","since":{"epoch":"e","offset":4}}"#);
    let rewind = Subscribe { channel: "a".into(), since: None, rewind: Some(0), token: Some("t".into()) };
    asked(rewind, r#"{"channel":"a","rewind":0,"token":"t"}"#);
    asked(Unsubscribe { channel: "a".into() }, r#"{"channel":"a"}"#);

    let plain = SubscribeData { channel: "a".into(), ..SubscribeData::default() };
    answered::<Subscribe<'_>>(plain.clone(), r#"{"channel":"a"}"#);
    let empty = SubscribeData { epoch: Some("e".into()), offset: Some(0), after: Some(0), ..plain };
    answered::<Subscribe<'_>>(empty.clone(), r#"{"channel":"a","epoch":"e","offset":0,"after":0}"#);
    let gap = Some(Gap::Offsets { from: 1, to: 2 });
    let holed = SubscribeData { recovered: Some(false), gap, ..empty.clone() };
    let json = r#"{"channel":"a","epoch":"e","offset":0,"after":0,"recovered":false,"gap":{"from":1,"to":2}}"#;
    answered::<Subscribe<'_>>(holed, json);
    let gap = Some(Gap::Epoch { epoch: "old".into() });
    let other = SubscribeData { recovered: Some(false), gap, ..empty };
    let json = r#"{"channel":"a","epoch":"e","offset":0,"after":0,"recovered":false,"gap":{"epoch":"old"}}"#;
    answered::<Subscribe<'_>>(other, json);
    answered::<Unsubscribe<'_>>(UnsubscribeData { channel: "a".into() }, r#"{"channel":"a"}"#);
}

#[test]
fn authenticating() {
    asked(Authenticate { token: "t".into(), since: None }, r#"{"token":"t"}"#);
    let since = Some([("chat:a".into(), position())].into());
    let json = r#"{"token":"t","since":{"chat:a":{"epoch":"e","offset":4}}}"#;
    asked(Authenticate { token: "t".into(), since }, json);
}

#[test]
fn publishing() {
    let plain = Publish { channel: "a".into(), data: Value::Null, msg_id: None, age_ms: None, tags: None };
    asked(plain.clone(), r#"{"channel":"a","data":null}"#);
    let tags = Some([("k".into(), "v".into())].into());
    let full = Publish { data: 1.into(), msg_id: Some("m".into()), age_ms: Some(7), tags, ..plain };
    asked(full, r#"{"channel":"a","data":1,"msg_id":"m","age_ms":7,"tags":{"k":"v"}}"#);

    let plain = PublishData { channel: "a".into(), epoch: None, offset: None, ack: Ack::Memory, duplicate: false };
    answered::<Publish<'_, ()>>(plain.clone(), r#"{"channel":"a","ack":"memory","duplicate":false}"#);
    let stored = PublishData { epoch: Some("e".into()), offset: Some(9), ack: Ack::Durable, ..plain };
    let json = r#"{"channel":"a","epoch":"e","offset":9,"ack":"durable","duplicate":false}"#;
    answered::<Publish<'_, ()>>(stored.clone(), json);
    let again = PublishData { ack: Ack::Replicated, duplicate: true, ..stored };
    let json = r#"{"channel":"a","epoch":"e","offset":9,"ack":"replicated","duplicate":true}"#;
    answered::<Publish<'_, ()>>(again, json);
}

#[test]
fn data_must_be_there() {
    let text = r#"{"id":"1","type":"request","action":"publish","payload":{"channel":"a"}}"#;
    let Ok(ClientMessage::Request(request)) = ClientMessage::decode(text) else { panic!("refused") };
    let error = request.payload::<Publish<'_, &RawValue>>().expect_err("no data");
    assert_eq!(error.message, "`payload.data`: missing field `data`");
}

#[test]
fn history() {
    asked(GetHistory { channel: "a".into(), ..GetHistory::default() }, r#"{"channel":"a"}"#);
    let full = GetHistory {
        channel: "a".into(),
        limit: Some(5),
        since: Some(position()),
        before: Some(8),
        reverse: Some(true),
    };
    asked(full, r#"{"channel":"a","limit":5,"since":{"epoch":"e","offset":4},"before":8,"reverse":true}"#);

    let entry = HistoryEntry { offset: 3, data: Value::Null, time: 7, from: None, msg_id: None, tags: None };
    let publications = vec![entry];
    let page = HistoryData { channel: "a".into(), epoch: "e".into(), offset: 3, publications, more: false };
    let json = concat!(
        r#"{"channel":"a","epoch":"e","offset":3,"#,
        r#""publications":[{"offset":3,"data":null,"time":7}],"more":false}"#
    );
    answered::<GetHistory<'_>>(page, json);
}

fn client<M>(user: Option<&str>, info: Option<M>) -> PresenceClient<M> {
    PresenceClient { connection_id: Uuid::from_u128(7), user: user.map(str::to_owned), info }
}

#[test]
fn presence() {
    asked(GetPresence { channel: "a".into(), ..GetPresence::default() }, r#"{"channel":"a"}"#);
    let full = GetPresence { channel: "a".into(), limit: Some(5), after: Some("c".into()) };
    asked(full, r#"{"channel":"a","limit":5,"after":"c"}"#);

    let clients = vec![client(None, None), client(Some("ann"), Some(Value::from(1)))];
    let page = PresenceData { channel: "a".into(), connections: 2, users: 1, clients, next: Some("c".into()) };
    let clients = format!(
        r#"{{"connection_id":"{ID}","user":null,"info":null}},{{"connection_id":"{ID}","user":"ann","info":1}}"#
    );
    let json = format!(r#"{{"channel":"a","connections":2,"users":1,"clients":[{clients}],"next":"c"}}"#);
    answered::<GetPresence<'_>>(page, &json);
}

/// The server writes it; the client reads an event that shows as `debug`.
fn told<E: Notify + Debug>(event: &E, json: &str, variant: &str) {
    let mut out = Vec::new();
    encode_notification(event, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text, format!(r#"{{"type":"notification","data":{{"event":"{}",{json}}}}}"#, E::EVENT));
    match ServerMessage::decode(&text) {
        Ok(ServerMessage::Notification(read)) => assert_eq!(format!("{read:?}"), format!("{variant}({event:?})")),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn events() {
    let info: &RawValue = serde_json::from_str(r#"{ "a": 1.50 }"#).expect("raw");
    let json = format!(r#""channel":"a","client":{{"connection_id":"{ID}","user":"ann","info":{{ "a": 1.50 }}}}"#);
    told(&Join { channel: "a".into(), client: client(Some("ann"), Some(info)) }, &json, "Join");
    told(&Leave { channel: "a".into(), client: client(Some("ann"), Some(info)) }, &json, "Leave");
    let json = format!(r#""channel":"a","client":{{"connection_id":"{ID}","user":null,"info":null}}"#);
    told(&Leave { channel: "a".into(), client: client::<&RawValue>(None, None) }, &json, "Leave");
    let counts = Presence { channel: "a".into(), connections: 3, users: 2 };
    told(&counts, r#""channel":"a","connections":3,"users":2"#, "Presence");

    let gap = ChannelGap { channel: "a".into(), ..ChannelGap::default() };
    let offsets = ChannelGap { from: Some(3), to: Some(5), ..gap.clone() };
    told(&offsets, r#""channel":"a","from":3,"to":5"#, "ChannelGap");
    let epoch = ChannelGap { epoch: Some("e".into()), after: Some(0), ..gap.clone() };
    told(&epoch, r#""channel":"a","epoch":"e","after":0"#, "ChannelGap");
    told(&ChannelGap { missed: Some(2), ..gap }, r#""channel":"a","missed":2"#, "ChannelGap");
}

#[test]
fn the_two_gaps_are_told_apart() {
    let check = |data: &str, expect: &str| {
        let text = format!(r#"{{"type":"notification","data":{data}}}"#);
        let Ok(ServerMessage::Notification(event)) = ServerMessage::decode(&text) else { panic!("{text}") };
        let variant = match event {
            Event::BroadcastGap(_) => "broadcast",
            Event::ChannelGap(_) => "channel",
            Event::Unknown { .. } => "unknown",
            _ => "another",
        };
        assert_eq!(variant, expect, "{data}");
    };
    check(r#"{"event":"gap","broadcast":true,"missed":1}"#, "broadcast");
    check(r#"{"event":"gap","channel":"a","missed":1}"#, "channel");
    check(r#"{"event":"gap","broadcast":false,"channel":"a"}"#, "channel");
    check(r#"{"event":"gap","broadcast":true}"#, "broadcast");
    check(r#"{"event":"gap","missed":1}"#, "unknown");
    check(r#"{"event":"gap","channel":7}"#, "unknown");
    check(r#"{"event":"publication","channel":"a","data":1}"#, "unknown");
}
