//! Deserializers, for `deserialize_with`, of fields that serde's derive would copy or accept too freely.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::position::Positions;
use crate::publication::Tags;

/// serde borrows a `Cow<str>` field, but not a `Cow<str>` inside another type.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A string or null, borrowed where it has no escapes.
pub(crate) fn string<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    Ok(Option::<Text<'a>>::deserialize(from)?.map(|text| text.0))
}

/// An object of strings or null, borrowed where they have no escapes. The last of duplicate keys wins.
pub(crate) fn strings<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Tags<'a>>, D::Error> {
    let texts = Option::<BTreeMap<Text<'a>, Text<'a>>>::deserialize(from)?;
    Ok(texts.map(|texts| texts.into_iter().map(|(key, value)| (key.0, value.0)).collect()))
}

/// An object of positions or null; its strings are borrowed where they have no escapes. The last of duplicate keys wins.
pub(crate) fn positions<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Positions<'a>>, D::Error> {
    let positions = Option::<BTreeMap<Text<'a>, Object<_>>>::deserialize(from)?;
    Ok(positions.map(|positions| positions.into_iter().map(|(key, position)| (key.0, position.0)).collect()))
}

/// An object or null. serde's derive would also accept an array.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(from)?.map(|object| object.0))
}

/// A list of objects, or null. serde's derive would also accept arrays in it.
pub(crate) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    let objects = Option::<Vec<Object<T>>>::deserialize(from)?;
    Ok(objects.map(|objects| objects.into_iter().map(|object| object.0).collect()))
}

/// What only an object decodes to.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{GetHistory, Publish, Subscribe};

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let is_borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        let text = r#"{"channel":"a","data":0,"msg_id":"é","tags":{"k":"v","l":"\n"}}"#;
        let publish: Publish<'_, u8> = serde_json::from_str(text).expect("decodes");
        let (msg_id, tags) = (publish.msg_id.expect("there"), publish.tags.expect("there"));
        assert!(is_borrowed(&publish.channel) && is_borrowed(&msg_id));
        let tags: Vec<_> = tags.iter().map(|(k, v)| (&**k, &**v, is_borrowed(k), is_borrowed(v))).collect();
        assert_eq!((&*msg_id, tags), ("é", vec![("k", "v", true, true), ("l", "\n", true, false)]));

        let text = r#"{"channel":"a","since":{"offset":1,"epoch":"e"},"token":"t"}"#;
        let subscribe: Subscribe<'_> = serde_json::from_str(text).expect("decodes");
        let (since, token) = (subscribe.since.expect("there"), subscribe.token.expect("there"));
        assert!(is_borrowed(&since.epoch) && is_borrowed(&token));
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let check = |text: &str| {
            let read: Option<GetHistory<'_>> = serde_json::from_str(text).ok();
            assert_eq!(read, Some(GetHistory { channel: "a".into(), ..GetHistory::default() }), "{text}");
        };
        check(r#"{"channel":"a"}"#);
        check(r#"{"channel":"a","since":null,"limit":null,"before":null,"reverse":null,"more":1}"#);
        let publish = r#"{"channel":"a","data":null,"msg_id":null,"tags":null}"#;
        let publish: Option<Publish<'_, ()>> = serde_json::from_str(publish).ok();
        assert_eq!(publish, Some(Publish { channel: "a".into(), data: (), msg_id: None, age_ms: None, tags: None }));
    }

    #[test]
    fn only_an_object_is_a_position() {
        let check = |since: &str, expect: &str| {
            let text = format!(r#"{{"channel":"a","since":{since}}}"#);
            let error = serde_json::from_str::<Subscribe<'_>>(&text).expect_err("refused").to_string();
            assert!(error.starts_with(expect), "{since}: {error}");
        };
        check(r#"["e",1]"#, "invalid type: sequence, expected an object");
        check("5", "invalid type: integer `5`, expected an object");
        check("{}", "missing field `epoch`");
        check(r#"{"epoch":"e"}"#, "missing field `offset`");
        check(r#"{"epoch":"e","offset":-1}"#, "invalid value: integer `-1`, expected u64");
    }
}
