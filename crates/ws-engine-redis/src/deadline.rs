//! How long somebody waits for an answer, whatever has to be done for it. It may be sent to Redis, and sent again, for
//! [`APPEND_WAIT`] after it was asked for; a command is given up after the command timeout; and what follows its reply takes
//! what is left of both.

use tokio::time::Instant;

use crate::limits::APPEND_WAIT;
use crate::shared::Shared;

impl Shared {
    /// Whether what came then may still be sent.
    pub(crate) fn may_be_sent(&self, came: Instant) -> bool {
        came.elapsed() < APPEND_WAIT && !self.is_closed()
    }

    /// When what came then is answered at the latest.
    pub(crate) fn deadline(&self, came: Instant) -> Instant {
        came + APPEND_WAIT + self.options.command_timeout
    }
}
