//! Publishing for a run: in its channel and in its stream, again and again until the engine has it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use ws_core::{Entry, Hub};
use ws_proto::claude::CLAUDE_SERVICE;
use ws_proto::event::Sender;
use ws_proto::{ErrorBody, ErrorCode};

use crate::limits::{REPEAT_AFTER, REPEAT_AFTER_MAX};

/// What a run publishes comes from here.
pub(crate) fn sender(user: Option<&str>) -> Sender {
    Sender { connection_id: None, service: Some(CLAUDE_SERVICE.to_owned()), user: user.map(str::to_owned) }
}

/// The id of a run's `started`.
pub(crate) fn start_id(run_id: &str) -> String {
    Hub::private_id(&format!("run:{run_id}:start"))
}

/// The id of its `finished`. A later run may have the same id, but never the same epoch of its stream.
pub(crate) fn end_id(run_id: &str, stream_epoch: &str) -> String {
    Hub::private_id(&format!("run:{run_id}:end:{stream_epoch}"))
}

/// One publication, with all it takes to repeat it.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) channel: Arc<str>,
    pub(crate) data: Arc<RawValue>,
    pub(crate) from: Arc<Sender>,
    pub(crate) id: String,
    pub(crate) is_last: bool,
}

/// Waits that grow from one failure to the next.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Backoff(REPEAT_AFTER)
    }
}

impl Backoff {
    /// Waits, and longer the next time.
    pub(crate) async fn wait(&mut self) {
        let wait = self.0;
        self.0 = (2 * wait).min(REPEAT_AFTER_MAX);
        tokio::time::sleep(wait).await;
    }
}

/// Publishes, for as long as it takes. An id that has other data by now was published before: that stands. Where nobody
/// can tell whether it was published before, nothing that is retained has its id: then it is published now.
///
/// # Errors
/// What waiting does not mend: the namespace is no longer configured, or there is a fault in the server.
pub(crate) async fn publish(hub: Hub, publication: Publication) -> Result<(), ErrorBody> {
    let Publication { channel, data, from, id, is_last } = publication;
    let entry = Entry { channel: &channel, data: &data, from: &from, id: Some(&id), is_last };
    let mut backoff = Backoff::default();
    loop {
        match hub.append(&entry).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code == ErrorCode::Conflict => return Ok(()),
            Err(error) if is_repeated(error.code) => {
                tracing::debug!(channel = &*channel, %error, "a publication of a run waits for the engine");
                backoff.wait().await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a publication that fails with this is tried again.
fn is_repeated(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::EngineUnavailable | ErrorCode::Overloaded | ErrorCode::UnknownOutcome)
}
