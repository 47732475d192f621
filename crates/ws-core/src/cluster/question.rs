//! The questions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::ASKED_PAGE_PLACES;

/// Changes whenever a question, its answer, or the order of pages means something else than before. Nodes of another
/// version refuse the question.
pub(super) const VERSION: u32 = 1;

/// What one node asks of the others. The type of the answer stands with each; an operation on what a node does not have
/// is answered with `not_found`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question<'a> {
    /// Your next connections, of all or of one user: a [`Page`](super::Page) of `ConnectionInfo`, by id.
    Connections { user: Option<Cow<'a, str>>, after: Option<Uuid>, max: usize },
    /// One connection, with its subscriptions after this channel, by name: its `ConnectionInfo`, and a
    /// [`Page`](super::Page) of `SubscriptionInfo`.
    Connection { id: Uuid, after: Option<Cow<'a, str>> },
    /// Close one: null.
    Close { id: Uuid, code: u16, reason: Cow<'a, str> },
    /// Close those of a user: how many there were.
    CloseUser { user: Cow<'a, str>, code: u16, reason: Cow<'a, str> },
    /// Subscribe one to a channel: null.
    Subscribe { id: Uuid, channel: Cow<'a, str> },
    /// End a subscription of one: null.
    Unsubscribe { id: Uuid, channel: Cow<'a, str> },
    /// Subscribe those of a user: how many are subscribed.
    SubscribeUser { user: Cow<'a, str>, channel: Cow<'a, str> },
    /// End the subscriptions of a user: how many connections are not subscribed.
    UnsubscribeUser { user: Cow<'a, str>, channel: Cow<'a, str> },
    /// Your next channels whose names begin so: a [`Page`](super::Page) of `ChannelInfo`, in the registry's order.
    Channels { prefix: Cow<'a, str>, after: Option<Cow<'a, str>>, max: usize },
    /// How many subscribers you have in a channel.
    Subscribers { channel: Cow<'a, str> },
    /// Your open runs of Claude in a channel: `OpenRuns`.
    Runs { channel: Cow<'a, str> },
    /// End a run of Claude, if it is yours: `CancelClaudeData`.
    CancelRun { channel: Cow<'a, str>, run_id: Cow<'a, str> },
    /// A run of Claude that is open and has its id in the cluster, for a request with this digest: `AskClaudeData`.
    Run { channel: Cow<'a, str>, run_id: Cow<'a, str>, digest: Cow<'a, str> },
}

impl Question<'_> {
    /// How many places it takes: answers with pages are large.
    pub(super) fn places(&self) -> u32 {
        match self {
            Question::Connections { .. } | Question::Connection { .. } | Question::Channels { .. } => ASKED_PAGE_PLACES,
            Question::Close { .. }
            | Question::CloseUser { .. }
            | Question::Subscribe { .. }
            | Question::Unsubscribe { .. }
            | Question::SubscribeUser { .. }
            | Question::UnsubscribeUser { .. }
            | Question::Subscribers { .. }
            | Question::Runs { .. }
            | Question::CancelRun { .. }
            | Question::Run { .. } => 1,
        }
    }
}
