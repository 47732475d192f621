//! `/channels/{channel}/publications`.

use std::borrow::Cow;

use serde_json::value::RawValue;
use ws_core::Hub;
use ws_proto::action::{GetHistory, Publish};
use ws_proto::api::{Publication, Removed};
use ws_proto::{ErrorBody, ErrorCode, Position, decode_body};

use super::call::{Call, Outcome, answer};
use super::query::{Query, invalid};

/// POST: as the action `publish`, from nobody in particular.
pub(super) async fn publish(hub: &Hub, channel: &str, call: &Call<'_>) -> Outcome {
    let body: Publication<'_, &RawValue> = decode_body(call.body)?;
    let msg_id = msg_id(body.msg_id, call.idempotency_key)?;
    let publish = Publish { channel: channel.into(), data: body.data, msg_id, age_ms: body.age_ms, tags: body.tags };
    answer(&hub.publish(&publish, None).await?)
}

/// `Idempotency-Key` says the same as `msg_id`.
fn msg_id<'a>(msg_id: Option<Cow<'a, str>>, key: Option<&'a [u8]>) -> Result<Option<Cow<'a, str>>, ErrorBody> {
    let Some(key) = key else { return Ok(msg_id) };
    let key = str::from_utf8(key).map_err(|_| invalid("Idempotency-Key", "is not UTF-8"))?.trim();
    // Its draft has a string of RFC 9651, in quotes.
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    match msg_id {
        Some(msg_id) if msg_id != key => Err(ErrorBody::new(
            ErrorCode::InvalidPayload,
            "`msg_id` and the header Idempotency-Key differ: send one of them, or the same in both",
        )),
        _ => Ok(Some(key.into())),
    }
}

/// DELETE: removes the history.
pub(super) async fn remove(hub: &Hub, channel: &str) -> Outcome {
    let epoch = hub.remove_history(channel).await?.to_string();
    answer(&Removed { channel: channel.into(), epoch: epoch.into() })
}

/// GET: as the action `get_history`.
pub(super) async fn history(hub: &Hub, channel: &str, query: Query<'_>) -> Outcome {
    let query = GetHistory {
        channel: channel.into(),
        limit: query.number("limit")?,
        since: since(query)?,
        before: query.number("before")?,
        reverse: query.switch("reverse")?,
    };
    let page = hub.history(&query).await.map_err(|mut error| {
        // The query has one word for it.
        error.message = error.message.replace("`payload.since.epoch`", "`since_epoch`").into();
        error
    });
    answer(&page?)
}

fn since(query: Query<'_>) -> Result<Option<Position<'_>>, ErrorBody> {
    match (query.text("since_epoch")?, query.number("since_offset")?) {
        (Some(epoch), Some(offset)) => Ok(Some(Position { epoch, offset })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("since_offset", "is missing: it belongs to `since_epoch`")),
        (None, Some(_)) => Err(invalid("since_epoch", "is missing: it belongs to `since_offset`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Option<&str>, key: Option<&str>, expect: Result<Option<&str>, ErrorCode>) {
        let found = msg_id(given.map(Cow::from), key.map(str::as_bytes));
        let found = found.as_ref().map(|id| id.as_deref()).map_err(|error| error.code);
        assert_eq!(found, expect, "{given:?} {key:?}");
    }

    #[test]
    fn an_idempotency_key_is_a_msg_id() {
        check(None, None, Ok(None));
        check(Some("a"), None, Ok(Some("a")));
        check(None, Some("a"), Ok(Some("a")));
        check(None, Some(" \"a\" "), Ok(Some("a")));
        check(None, Some("\"a"), Ok(Some("\"a")));
        check(Some("a"), Some("\"a\""), Ok(Some("a")));
        check(Some("a"), Some("b"), Err(ErrorCode::InvalidPayload));
    }
}
