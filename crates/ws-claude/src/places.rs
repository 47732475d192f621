//! The places of a run in the whole cluster: its id, which one run has at a time, and one among the runs of its asker and
//! of its channel each. Those of a server that dies are free.

use ws_core::{AskerKey, Hub, Place};
use ws_proto::{ErrorBody, ErrorCode};

use crate::open::OpenRun;
use crate::options::RunOptions;
use crate::refusals::full;

/// The id; `None`: another server has a run of it open.
///
/// # Errors
/// Nobody knows.
pub(crate) async fn id(hub: &Hub, open: &OpenRun) -> Result<Option<Place>, ErrorBody> {
    hub.take_place(&format!("claude:run:{}", open.stream()), 1).await
}

/// The places among the runs of its asker and of its channel.
///
/// # Errors
/// `overloaded`: there is none; or nobody knows.
pub(crate) async fn among(hub: &Hub, open: &OpenRun, options: &RunOptions) -> Result<[Place; 2], ErrorBody> {
    let asker = match open.key() {
        AskerKey::User(user) => format!("claude:user:{user}"),
        AskerKey::Connection(id) => format!("claude:connection:{id}"),
    };
    let channel = format!("claude:channel:{}", open.channel());
    let (of_asker, of_channel) = (options.runs_per_user_max, options.runs_per_channel_max);
    let (asker, channel) =
        tokio::try_join!(hub.take_place(&asker, of_asker as u64), hub.take_place(&channel, of_channel as u64))?;
    let refused = |message| ErrorBody::new(ErrorCode::Overloaded, message);
    let asker = asker.ok_or_else(|| refused(full("you have", of_asker, "runs_per_user_max")))?;
    let channel = channel.ok_or_else(|| refused(full("the channel has", of_channel, "runs_per_channel_max")))?;
    Ok([asker, channel])
}
