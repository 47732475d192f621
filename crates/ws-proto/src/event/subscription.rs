//! Events about subscriptions that the server starts and ends (PROTOCOL section 5).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::notify::Notify;
use crate::action::SubscribeData;
use crate::error::ErrorCode;

/// Why a subscription has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EndCode {
    /// `unsubscribed`: the server API has ended it.
    #[serde(rename = "unsubscribed")]
    Unsubscribed,
    /// `permission_denied`, `token_expired`; or, of a subscription that a token asks for and that cannot start, the
    /// error that `subscribe` would have returned.
    #[serde(untagged)]
    Error(ErrorCode),
}

impl EndCode {
    /// Name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndCode::Unsubscribed => "unsubscribed",
            EndCode::Error(code) => code.as_str(),
        }
    }
}

impl From<ErrorCode> for EndCode {
    fn from(code: ErrorCode) -> Self {
        EndCode::Error(code)
    }
}

/// `unsubscribed`: the server has ended a subscription, or could not start one that a token asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unsubscribed<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Why.
    pub code: EndCode,
    /// For people: what happened, and what to do.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Whether subscribing again can succeed; with a new token, if the old one has expired.
    pub retryable: bool,
}

/// The server has subscribed this connection to a channel.
impl Notify for SubscribeData<'_> {
    const EVENT: &'static str = "subscribed";
}
impl Notify for Unsubscribed<'_> {
    const EVENT: &'static str = "unsubscribed";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{ServerMessage, encode_notification};
    use crate::{Event, event::TokenExpiring};

    /// What the encoded event says, which is read back as `expect`.
    #[track_caller]
    fn check<E: Notify>(event: &E, data: &str, expect: impl FnOnce(&Event<'_>) -> bool) {
        let mut out = Vec::new();
        encode_notification(event, &mut out);
        let text = String::from_utf8(out).expect("JSON");
        assert_eq!(text, format!(r#"{{"type":"notification","data":{data}}}"#));
        match ServerMessage::decode(&text) {
            Ok(ServerMessage::Notification(read)) => assert!(expect(&read), "{read:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn events_go_round() {
        let data = SubscribeData { channel: "a".into(), offset: Some(3), after: Some(1), ..SubscribeData::default() };
        check(
            &data,
            r#"{"event":"subscribed","channel":"a","offset":3,"after":1}"#,
            |read| matches!(read, Event::Subscribed(read) if *read == data),
        );
        for code in [EndCode::Unsubscribed, ErrorCode::TokenExpired.into(), ErrorCode::PermissionDenied.into()] {
            let ended = Unsubscribed { channel: "a".into(), code, reason: "over".into(), retryable: true };
            let code = code.as_str();
            check(
                &ended,
                &format!(
                    r#"{{"event":"unsubscribed","channel":"a","code":"{code}","reason":"over","retryable":true}}"#
                ),
                |read| matches!(read, Event::Unsubscribed(read) if *read == ended),
            );
        }
        check(
            &TokenExpiring { expires_at: 7 },
            r#"{"event":"token_expiring","expires_at":7}"#,
            |read| matches!(read, Event::TokenExpiring(read) if read.expires_at == 7),
        );
    }
}
