//! The hot path for responses to publishes: a response is compared with an earlier one of the same connection, from which
//! only its number and its offset may differ.

use ws_proto::action::Ack;

use crate::channel::{decimal, end_of};
use crate::message::{DIGITS, number};

/// What the server answered to an accepted publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) ack: Ack,
    /// `None` in a namespace without history.
    pub(super) offset: Option<u64>,
}

/// A response seen before: the bytes before the number, after it, and after the offset.
#[derive(Debug, Default)]
pub(super) struct AnswerShape(Option<Known>);

#[derive(Debug)]
struct Known {
    head: Vec<u8>,
    middle: Vec<u8>,
    after_offset: Option<Vec<u8>>,
    ack: Ack,
}

impl AnswerShape {
    /// Remembers `text`, a response that says `accepted`. If the offset comes before the id, nothing is learned, and every
    /// response is decoded.
    pub(super) fn learn(&mut self, text: &[u8], accepted: Accepted) {
        self.0 = Known::of(text, accepted);
    }

    /// Number and contents of `text`, if everything else is the same.
    #[inline]
    pub(super) fn read(&self, text: &[u8]) -> Option<(u64, Accepted)> {
        let known = self.0.as_ref()?;
        let (digits, rest) = text.strip_prefix(known.head.as_slice())?.split_at_checked(DIGITS)?;
        let rest = rest.strip_prefix(known.middle.as_slice())?;
        let (offset, rest) = match known.after_offset {
            Some(_) => decimal(rest).map(|(offset, rest)| (Some(offset), rest))?,
            None => (None, rest),
        };
        let same = rest == known.after_offset.as_deref().unwrap_or_default();
        Some((number(digits)?, Accepted { ack: known.ack, offset })).filter(|_| same)
    }
}

impl Known {
    fn of(text: &[u8], Accepted { ack, offset }: Accepted) -> Option<Known> {
        let id = end_of(text, b"\"id\":\"")?;
        let (head, after) = (text[..id].to_vec(), text.get(id + DIGITS..)?);
        if offset.is_none() {
            return Some(Known { head, middle: after.to_vec(), after_offset: None, ack });
        }
        let at = end_of(after, b"\"offset\":")?;
        let (_, rest) = decimal(&after[at..])?;
        Some(Known { head, middle: after[..at].to_vec(), after_offset: Some(rest.to_vec()), ack })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: &str, offset: &str, duplicate: bool) -> Vec<u8> {
        format!(
            r#"{{"id":"{number}","type":"response","data":{{"channel":"c","epoch":"e",{offset}"ack":"durable","duplicate":{duplicate}}}}}"#
        )
        .into_bytes()
    }

    #[track_caller]
    fn check(offsets: [&str; 2], expect: [Option<u64>; 2]) {
        let accepted = expect.map(|offset| Accepted { ack: Ack::Durable, offset });
        let (first, second) = (text("00000001", offsets[0], false), text("000000ab", offsets[1], false));
        let mut shape = AnswerShape::default();
        assert_eq!(shape.read(&first), None);
        shape.learn(&first, accepted[0]);
        assert_eq!(shape.read(&first), Some((1, accepted[0])));
        assert_eq!(shape.read(&second), Some((0xab, accepted[1])));
        let again = text("00000002", offsets[1], true);
        for other in [&second[..second.len() - 1], &second[..12], &again, b"", &text("0000000g", offsets[0], false)] {
            assert_eq!(shape.read(other), None);
        }
    }

    #[test]
    fn an_answer_like_an_earlier_one_is_read_by_comparison() {
        check(["\"offset\":9,", "\"offset\":100,"], [Some(9), Some(100)]);
        check(["", ""], [None, None]);
    }

    #[test]
    fn an_offset_before_the_id_is_not_learned() {
        let mut shape = AnswerShape::default();
        let text = br#"{"data":{"offset":1,"ack":"memory","duplicate":false},"id":"00000001","type":"response"}"#;
        shape.learn(text, Accepted { ack: Ack::Memory, offset: Some(1) });
        assert_eq!(shape.read(text), None);
    }
}
