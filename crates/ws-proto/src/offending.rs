//! Finds the field of a payload that does not decode. serde's errors say what is wrong with a value, but not
//! which field it belongs to.
//!
//! Runs only after decoding has failed, so valid payloads pay nothing for it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use crate::borrowed::Text;

/// The field of the object `text` whose value does not decode as part of a `T`. `None` when no single field is at
/// fault, for example when one is missing.
pub(crate) fn offending_field<'a, T: Deserialize<'a>>(text: &'a str) -> Option<Cow<'a, str>> {
    let mut offending = None;
    let visitor = ObjectVisitor { offending: &mut offending, object: PhantomData::<T> };
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(visitor);
    offending
}

struct ObjectVisitor<'c, 'a, T> {
    offending: &'c mut Option<Cow<'a, str>>,
    object: PhantomData<T>,
}

impl<'a, T: Deserialize<'a>> Visitor<'a> for ObjectVisitor<'_, 'a, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(TrackedFields { fields, key: None, offending: self.offending }))
    }
}

/// The fields of an object. Remembers the one whose value failed.
struct TrackedFields<'c, 'a, A> {
    fields: A,
    key: Option<Cow<'a, str>>,
    offending: &'c mut Option<Cow<'a, str>>,
}

impl<'a, A: MapAccess<'a>> MapAccess<'a> for TrackedFields<'_, 'a, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(Text(key)) = self.fields.next_key()? else { return Ok(None) };
        self.key = Some(key.clone());
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let value = self.fields.next_value_seed(seed);
        if value.is_err() {
            *self.offending = self.key.take();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{GetHistory, Publish};

    #[test]
    fn finds_the_field_that_does_not_decode() {
        fn check<'a, T: Deserialize<'a>>(text: &'a str, expect: Option<&str>) {
            assert_eq!(offending_field::<T>(text).as_deref(), expect, "{text}");
        }
        check::<GetHistory<'_>>(r#"{"channel":5}"#, Some("channel"));
        check::<GetHistory<'_>>(r#"{"x":[1],"ch\u0061nnel":null}"#, Some("channel"));
        check::<GetHistory<'_>>(r#"{"channel":"\ud800"}"#, Some("channel"));
        check::<GetHistory<'_>>(r#"{"channel":"a","since":{"epoch":"e"}}"#, Some("since"));
        check::<GetHistory<'_>>(r#"{"channel":"a","since":["e",1]}"#, Some("since"));
        check::<GetHistory<'_>>(r#"{"channel":"a","before":-1,"limit":-1}"#, Some("before"));
        check::<GetHistory<'_>>(r#"{"channel":"a","limit":1.5}"#, Some("limit"));
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":{"a":1}}"#, Some("tags"));
        check::<Publish<'_, ()>>(r#"{"channel":"a","data":null,"tags":["a"]}"#, Some("tags"));
        check::<GetHistory<'_>>(r#"{"limit":5}"#, None);
        check::<GetHistory<'_>>(r#"{"channel":"a","channel":"a"}"#, None);
        check::<GetHistory<'_>>(r#"["a"]"#, None);
        check::<GetHistory<'_>>(r#"{"channel":"a"}"#, None);
    }
}
