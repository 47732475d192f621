//! How far an open run is.

use ws_core::Reply;
use ws_proto::action::AskClaudeData;
use ws_proto::claude::RunStatus;

/// See the module.
pub(crate) enum State {
    /// `started` is not published yet; those wait for it.
    Starting(Vec<Reply<AskClaudeData<'static>>>),
    /// Whether `started` is published is not known.
    InDoubt,
    /// `started` is published, by this server or one before it, and nobody runs it.
    Left,
    /// It goes on.
    Running(AskClaudeData<'static>),
    /// It has ended so, and that is being published.
    Ending(AskClaudeData<'static>, RunStatus),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Starting(_) => "Starting",
            State::InDoubt => "InDoubt",
            State::Left => "Left",
            State::Running(_) => "Running",
            State::Ending(..) => "Ending",
        })
    }
}
