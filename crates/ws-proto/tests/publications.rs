//! A publication is encoded once: what a server puts around its body reads as the same event and entry.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;
use uuid::Uuid;
use ws_proto::event::{PublicationEvent, Sender};
use ws_proto::publication::{
    BODY_DATA_START, HistoryEntry, Tags, encode_history_entry, encode_publication_body, encode_publication_event,
};
use ws_proto::{Event, ServerMessage, encode_notification, limits};

fn data() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["null", "-0", "1.50", "1e400", "{ }", "[ 1,\n2 ]", r#"{"a":1,"a":2}"#, r#""\ud800\/""#, r#""}}""#])
            .prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a string")),
    ]
}

/// Any text, and what JSON has to escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\"\\\\/\u{0}\u{1f}\u{7f}\u{2028}\n\té漢😀a:#]{0,12}"]
}

fn sender() -> impl Strategy<Value = Sender> {
    (any::<Option<u128>>(), prop::option::of(text())).prop_map(|(id, user)| Sender {
        connection_id: id.map(Uuid::from_u128),
        user,
        ..Sender::default()
    })
}

fn string(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("UTF-8")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn events_and_entries_read_as_they_were_published(
        (channel, data, time) in (text(), data(), any::<u64>()),
        offset in any::<Option<u64>>(),
        from in prop::option::of(sender()),
        msg_id in prop::option::of(text()),
        tags in prop::option::of(prop::collection::btree_map(text(), text(), 0..4)),
    ) {
        let data: &RawValue = serde_json::from_str(&data)?;
        let tags: Option<Tags<'_>> =
            tags.as_ref().map(|tags| tags.iter().map(|(key, value)| (key.into(), value.into())).collect());
        let mut body = Vec::new();
        let length = encode_publication_body(data, time, from.as_ref(), msg_id.as_deref(), tags.as_ref(), &mut body);
        prop_assert_eq!(&body[BODY_DATA_START..][..length], data.get().as_bytes());

        let mut out = Vec::new();
        encode_publication_event(&channel, offset, &body, &mut out);
        let event = PublicationEvent {
            channel: channel.as_str().into(), offset, data, time,
            from: from.clone(), msg_id: msg_id.as_deref().map(Into::into), tags: tags.clone(),
        };
        let mut plain = Vec::new();
        encode_notification(&event, &mut plain);
        let text = string(out);
        prop_assert_eq!(&text, &string(plain));
        match ServerMessage::decode(&text) {
            Ok(ServerMessage::Notification(Event::Publication(read))) => {
                prop_assert_eq!((read.channel, read.offset, read.time), (event.channel, offset, time));
                prop_assert_eq!(read.data.get(), data.get());
                prop_assert_eq!((&read.from, &read.msg_id, &read.tags), (&from, &event.msg_id, &tags));
            }
            other => prop_assert!(false, "{:?}", other),
        }

        let mut out = Vec::new();
        encode_history_entry(time, &body, &mut out);
        let text = string(out);
        let read: HistoryEntry<'_, &RawValue> = serde_json::from_str(&text)?;
        prop_assert_eq!((read.offset, read.time, read.data.get()), (time, time, data.get()));
        prop_assert_eq!((&read.from, &read.msg_id, &read.tags), (&from, &event.msg_id, &tags));
        prop_assert_eq!(&text, &serde_json::to_string(&read)?);
    }
}

#[test]
fn absent_fields_are_left_out_and_null_data_is_not() {
    let check =
        |offset: Option<u64>, from: Option<Sender>, msg_id: Option<&str>, tags: &[(&str, &str)], expect: &str| {
            let tags: Tags<'_> = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            let tags = Some(&tags).filter(|tags| !tags.is_empty());
            let mut out = b"before".to_vec();
            let mut body = Vec::new();
            encode_publication_body(RawValue::NULL, 5, from.as_ref(), msg_id, tags, &mut body);
            encode_publication_event("a\"b", offset, &body, &mut out);
            let head = r#"before{"type":"notification","data":{"event":"publication","channel":"a\"b","#;
            assert_eq!(string(out), format!("{head}{expect}}}}}"));
        };
    check(None, None, None, &[], r#""data":null,"time":5"#);
    check(Some(1), None, None, &[], r#""offset":1,"data":null,"time":5"#);
    check(None, Some(Sender::default()), None, &[], r#""data":null,"time":5,"from":{"user":null}"#);
    check(None, None, Some(""), &[], r#""data":null,"time":5,"msg_id":"""#);
    let tags = r#""data":null,"time":5,"tags":{"a":"\\","z":"\n"}"#;
    check(None, None, None, &[("z", "\n"), ("a", "\\")], tags);
}

/// What fits in a request is still read four levels deep, in a page of the history.
#[test]
fn data_as_deep_as_a_request_allows_is_read_in_a_history() {
    let levels = limits::DEPTH_MAX - 2;
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let data: &RawValue = serde_json::from_str(&deep).expect("raw");
    let (mut body, mut entry) = (Vec::new(), Vec::new());
    encode_publication_body(data, 0, None, None, None, &mut body);
    encode_history_entry(1, &body, &mut entry);
    let entry = string(entry);
    let page = format!(r#"{{"channel":"a","epoch":"e","offset":1,"publications":[{entry}],"more":false}}"#);
    let text = format!(r#"{{"id":"1","type":"response","data":{page}}}"#);
    let Ok(ServerMessage::Response { data: page, .. }) = ServerMessage::decode(&text) else { panic!("refused") };
    let page: ws_proto::action::HistoryData<'_, HistoryEntry<'_, &RawValue>> =
        serde_json::from_str(page.get()).expect("a page");
    assert_eq!(page.publications[0].data.get(), deep);
    let value: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&format!(r#"{{"data":{deep}}}"#)).expect("a tree");
    assert_eq!(value["data"].to_string(), deep);
}
