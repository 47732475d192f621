//! `/broadcast`.

use serde_json::value::RawValue;
use ws_core::Hub;
use ws_proto::action::Broadcast;
use ws_proto::decode_body;

use super::call::{Call, Outcome, answer};

/// POST: as the action `broadcast`, from nobody in particular.
pub(super) async fn send(hub: &Hub, call: &Call<'_>) -> Outcome {
    let body: Broadcast<&RawValue> = decode_body(call.body)?;
    answer(&hub.broadcast(body.message, None).await?)
}
