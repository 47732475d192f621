//! Whole numbers as JSON and JSON Schema mean them: `1`, `1.0` and `1e0` are the same number. For `deserialize_with`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A type of whole numbers, with the name that serde has for it.
pub(crate) trait Number: TryFrom<u64> {
    const NAME: &'static str;
}

macro_rules! numbers {
    ($($number:ident)*) => { $(impl Number for $number { const NAME: &'static str = stringify!($number); })* };
}

numbers!(u16 u32 u64);

/// With a fraction or an exponent, numbers from here on are refused: the parser may be off by a few units in the last
/// place, which below is less than 1, and so never another whole number.
const FLOAT_END: f64 = 1_125_899_906_842_624.0;

pub(crate) fn number<'de, T: Number, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Whole::deserialize(from).map(|whole| whole.0)
}

/// A number or null.
pub(crate) fn optional<'de, T: Number, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(from)?.map(|whole| whole.0))
}

struct Whole<T>(T);

impl<'de, T: Number> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_u64(OfType(PhantomData)).map(Whole)
    }
}

struct OfType<T>(PhantomData<T>);

impl<T: Number> Visitor<'_> for OfType<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let outside = E::invalid_value(Unexpected::Signed(number), &self);
        u64::try_from(number).map_err(|_| outside).and_then(|number| self.visit_u64(number))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        match number {
            _ if number.fract() != 0.0 => Err(E::invalid_type(Unexpected::Float(number), &self)),
            0.0..FLOAT_END => self.visit_u64(number as u64),
            _ => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        #[derive(Debug, serde::Deserialize)]
        struct Numbers {
            #[serde(default, deserialize_with = "optional")]
            small: Option<u16>,
            #[serde(deserialize_with = "number")]
            large: u64,
        }
        let check = |small: &str, large: &str, expect: Option<(Option<u16>, u64)>| {
            let text = format!(r#"{{"small":{small},"large":{large}}}"#);
            let read = serde_json::from_str::<Numbers>(&text).ok().map(|numbers| (numbers.small, numbers.large));
            assert_eq!(read, expect, "{text}");
        };
        check("null", "7", Some((None, 7)));
        check("4000.0", "1e0", Some((Some(4000), 1)));
        check("4e3", "-0", Some((Some(4000), 0)));
        check("65535", "18446744073709551615", Some((Some(u16::MAX), u64::MAX)));
        check("65536", "0", None);
        check("65536.0", "0", None);
        check("1", "1125899906842623.0", Some((Some(1), 1_125_899_906_842_623)));
        for wrong in ["0.5", "-1", "-1.0", "1125899906842624.0", "1e300", "18446744073709551616", "\"1\"", "null"] {
            check("1", wrong, None);
        }
    }
}
