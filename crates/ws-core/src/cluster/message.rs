//! Questions and answers as nodes send them to each other: one JSON object each.
//!
//! The envelope never changes; what a node of another version asks is answered with [`Refused::Unknown`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ws_proto::{ErrorBody, ErrorCode};

use super::question::{Question, VERSION};

/// One message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message<'a> {
    /// From the one who asks.
    Ask {
        version: u32,
        /// Chosen by the one who asks.
        id: u64,
        /// How long it waits for the answer, from when it asked.
        within_ms: u64,
        #[serde(borrow)]
        question: Cow<'a, RawValue>,
    },
    /// From the one who was asked.
    Answer { id: u64, answer: Answer },
}

/// What a node says to a question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// This.
    Done(Box<RawValue>),
    /// It was carried out, or looked up, and this is the error.
    Failed(ErrorBody),
    /// Nothing was done.
    Refused(Refused),
}

/// Why a node does nothing about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refused {
    /// It has too many.
    Busy,
    /// It is of another version, and does not know the question.
    Unknown,
}

impl Message<'_> {
    pub(super) fn encode(&self) -> Result<Vec<u8>, ErrorBody> {
        serde_json::to_vec(self).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))
    }

    /// The message that asks this.
    pub(super) fn asking(id: u64, within_ms: u64, question: &Question<'_>) -> Result<Vec<u8>, ErrorBody> {
        let question = serde_json::value::to_raw_value(question);
        let question = question.map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        Message::Ask { version: VERSION, id, within_ms, question: Cow::Owned(question) }.encode()
    }
}

/// A question, if this version knows it.
pub(super) fn known(version: u32, question: &RawValue) -> Option<Question<'static>> {
    let is_ours = version == VERSION;
    serde_json::from_str(question.get()).ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_asks_is_read_as_far_as_it_has_to_be() {
        let check = |message: &str, expect: Option<Question<'_>>| {
            let message: Message<'_> = serde_json::from_str(message).expect("the envelope");
            let Message::Ask { version, id: 7, question, .. } = message else { panic!("{message:?}") };
            assert_eq!(known(version, &question), expect);
        };
        let ours = Question::Subscribers { channel: "a\"b".into() };
        let encoded = Message::asking(7, 2000, &ours).expect("it encodes");
        check(std::str::from_utf8(&encoded).expect("text"), Some(ours));
        check(r#"{"ask":{"version":1,"id":7,"within_ms":1,"question":{"fly":{"to":"the moon"}}}}"#, None);
        check(r#"{"ask":{"version":2,"id":7,"within_ms":1,"question":{"subscribers":{"channel":"a"}}}}"#, None);
        check(r#"{"ask":{"version":2,"id":7,"within_ms":1,"question":[1],"more":null}}"#, None);
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let error = || ErrorBody::new(ErrorCode::Overloaded, "later");
        let done = || Answer::Done(RawValue::from_string("{\"a\": 1}".to_owned()).expect("JSON"));
        for answer in [done(), Answer::Failed(error()), Answer::Refused(Refused::Busy)] {
            let expect = format!("{answer:?}");
            let encoded = Message::Answer { id: u64::MAX, answer }.encode().expect("it encodes");
            let Ok(Message::Answer { id: u64::MAX, answer }) = serde_json::from_slice(&encoded) else {
                panic!("{encoded:?}")
            };
            assert_eq!(format!("{answer:?}"), expect);
        }
    }
}
