//! A channel that a login token lists, until the client has been told how its subscription began.

use ws_proto::ErrorBody;

use super::attached::Attached;
use crate::subscription::StartAt;

/// A listed channel; see the module.
#[derive(Debug)]
pub(super) enum Listed {
    /// Attached: it starts here when the engine has reported the position of the stream.
    Attached(Attached, StartAt<'static>),
    /// It cannot be subscribed to.
    Failed(Box<str>, ErrorBody),
}
