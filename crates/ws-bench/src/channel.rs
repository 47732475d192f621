//! The channels of a run: their names, and the hot path for publications in them.
//!
//! Names and data contain the mark of the run and eight digits, so that other traffic on the same server is ignored. A
//! [`PublicationShape`] knows what an earlier publication looked like, and takes channel, offset and number out of the
//! next one by comparison. What it does not recognise is left to [`decode`](crate::message::decode).

use serde_json::value::RawValue;

use crate::message::{DIGITS, digits, number};

/// `NAMESPACE:MARK-NUMBER`, or `MARK-NUMBER` without a namespace.
#[derive(Debug)]
pub(crate) struct Names {
    prefix: String,
    mark: String,
}

impl Names {
    pub(crate) fn new(namespace: Option<&str>, mark: &str) -> Names {
        let namespace = namespace.map(|name| format!("{name}:")).unwrap_or_default();
        Names { prefix: format!("{namespace}{mark}-"), mark: mark.to_owned() }
    }

    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    pub(crate) fn name(&self, channel: u64) -> String {
        self.with(&String::from_utf8_lossy(&digits(channel)))
    }

    /// A name with `placeholder` instead of a number.
    pub(crate) fn with(&self, placeholder: &str) -> String {
        format!("{}{placeholder}", self.prefix)
    }

    /// The number of a channel of this run.
    pub(crate) fn channel(&self, name: &str) -> Option<u64> {
        number(name.strip_prefix(&self.prefix)?.as_bytes())
    }

    /// A publication of this run; `None` if it is of another.
    pub(crate) fn publication(&self, channel: &str, offset: Option<u64>, data: &RawValue) -> Option<Publication> {
        let data: &str = serde_json::from_str(data.get()).ok()?;
        let digits = data.strip_prefix(&self.mark)?.as_bytes().get(..DIGITS)?;
        Some(Publication { channel: self.channel(channel)?, offset, number: number(digits)? })
    }
}

/// A publication of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) channel: u64,
    /// `None` in a namespace without history.
    pub(crate) offset: Option<u64>,
    /// Counted over all channels.
    pub(crate) number: u64,
}

/// A publication seen before: the bytes before the channel, the offset and the number.
#[derive(Debug, Default)]
pub(crate) struct PublicationShape {
    head: Vec<u8>,
    before_offset: Option<Vec<u8>>,
    before_number: Vec<u8>,
}

impl PublicationShape {
    /// Remembers `text`, a publication of this run. If its fields are not in the order channel, offset, data, nothing is
    /// learned, and every publication is decoded.
    pub(crate) fn learn(&mut self, text: &[u8], names: &Names) {
        *self = PublicationShape::of(text, names).unwrap_or_default();
    }

    fn of(text: &[u8], names: &Names) -> Option<PublicationShape> {
        const OFFSET: &[u8] = b"\"offset\":";
        let head = end_of(text, names.prefix.as_bytes())?;
        let after = text.get(head + DIGITS..)?;
        let number_at = end_of(after, format!("\"{}", names.mark).as_bytes())?;
        let (between, head) = (&after[..number_at], text[..head].to_vec());
        let Some(at) = end_of(between, OFFSET) else {
            return Some(PublicationShape { head, before_offset: None, before_number: between.to_vec() });
        };
        let (_, rest) = decimal(&between[at..])?;
        Some(PublicationShape { head, before_offset: Some(between[..at].to_vec()), before_number: rest.to_vec() })
    }

    /// The publication in `text`, if everything else up to its number is the same.
    #[inline]
    pub(crate) fn read(&self, text: &[u8]) -> Option<Publication> {
        let rest = text.strip_prefix(self.head.as_slice())?;
        let (channel, mut rest) = rest.split_at_checked(DIGITS)?;
        let mut offset = None;
        if let Some(before) = &self.before_offset {
            let (value, after) = decimal(rest.strip_prefix(before.as_slice())?)?;
            (offset, rest) = (Some(value), after);
        }
        let digits = rest.strip_prefix(self.before_number.as_slice())?.get(..DIGITS)?;
        Some(Publication { channel: number(channel)?, offset, number: number(digits)? })
    }
}

/// Where the first occurrence of `part` ends.
pub(crate) fn end_of(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part).map(|at| at + part.len())
}

/// A number at the start of `text`, and what follows it.
pub(crate) fn decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = std::str::from_utf8(&text[..end]).ok()?;
    Some((digits.parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "cafe0000";

    fn text(names: &Names, channel: u64, offset: &str, number: u64) -> Vec<u8> {
        let (name, number) = (names.name(channel), format!("{MARK}{}", hex(number)));
        format!(
            r#"{{"type":"notification","data":{{"event":"publication","channel":"{name}",{offset}"data":"{number}xx","from":{{"connection_id":"{number}"}}}}}}"#
        )
        .into_bytes()
    }

    fn hex(number: u64) -> String {
        String::from_utf8_lossy(&digits(number)).into_owned()
    }

    #[track_caller]
    fn check(namespace: Option<&str>, offsets: [&str; 2], expect: [Option<u64>; 2]) {
        let names = Names::new(namespace, MARK);
        let mut shape = PublicationShape::default();
        let (first, second) = (text(&names, 1, offsets[0], 5), text(&names, 0xab, offsets[1], 0x1234));
        assert_eq!(shape.read(&first), None);
        shape.learn(&first, &names);
        assert_eq!(shape.read(&first), Some(Publication { channel: 1, offset: expect[0], number: 5 }));
        assert_eq!(shape.read(&second), Some(Publication { channel: 0xab, offset: expect[1], number: 0x1234 }));
        let (short, mut other) = (&second[..60], second.clone());
        other[3] = b'T';
        assert_eq!((shape.read(short), shape.read(&other), shape.read(b"")), (None, None, None));
    }

    #[test]
    fn a_publication_like_an_earlier_one_is_read_by_comparison() {
        check(None, ["\"offset\":9,", "\"offset\":100,"], [Some(9), Some(100)]);
        check(Some("chat"), ["\"offset\":1,", "\"offset\":2,"], [Some(1), Some(2)]);
        check(None, ["", ""], [None, None]);
    }

    #[test]
    fn another_order_of_fields_is_not_learned() {
        let names = Names::new(None, MARK);
        let mut shape = PublicationShape::default();
        let text = format!(r#"{{"data":"{MARK}00000001","offset":1,"channel":"{MARK}-00000002"}}"#);
        shape.learn(text.as_bytes(), &names);
        assert_eq!(shape.read(text.as_bytes()), None);
    }

    #[test]
    fn only_what_belongs_to_this_run_is_a_publication() {
        let names = Names::new(Some("n"), MARK);
        let read =
            |channel: &str, data: &str| names.publication(channel, Some(1), serde_json::from_str(data).expect("JSON"));
        let own = names.name(3);
        assert_eq!(own, "n:cafe0000-00000003");
        let expect = Publication { channel: 3, offset: Some(1), number: 0xa };
        assert_eq!(read(&own, r#""cafe00000000000axx""#), Some(expect));
        assert_eq!(read(&own, r#""beef00000000000a""#), None);
        assert_eq!(read(&own, r#"{"a":1}"#), None);
        assert_eq!(read(&own, r#""cafe0000""#), None);
        assert_eq!(read("cafe0000-00000003", r#""cafe00000000000a""#), None);
    }
}
