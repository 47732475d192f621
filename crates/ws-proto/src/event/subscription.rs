//! Events about subscriptions that the server starts and ends (PROTOCOL section 5).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::notify::Notify;
use crate::action::SubscribeData;
use crate::error::ErrorCode;

/// `unsubscribed`: the server has ended a subscription, or could not start one that a token asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unsubscribed<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Why: `token_expired`, `permission_denied`, or the error that `subscribe` would have returned.
    pub code: ErrorCode,
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
        let data = SubscribeData { channel: "a".into(), offset: Some(3), ..SubscribeData::default() };
        check(
            &data,
            r#"{"event":"subscribed","channel":"a","offset":3}"#,
            |read| matches!(read, Event::Subscribed(read) if *read == data),
        );
        let code = ErrorCode::TokenExpired;
        let ended = Unsubscribed { channel: "a".into(), code, reason: "over".into(), retryable: true };
        check(
            &ended,
            r#"{"event":"unsubscribed","channel":"a","code":"token_expired","reason":"over","retryable":true}"#,
            |read| matches!(read, Event::Unsubscribed(read) if *read == ended),
        );
        check(
            &TokenExpiring { expires_at: 7 },
            r#"{"event":"token_expiring","expires_at":7}"#,
            |read| matches!(read, Event::TokenExpiring(read) if read.expires_at == 7),
        );
    }
}
