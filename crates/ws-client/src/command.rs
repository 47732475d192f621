//! What handles ask the owner task for.

use tokio::sync::{mpsc, oneshot, watch};

use crate::entry::Tags;
use crate::machine::{Ack, ChannelState, Event, Problem};
use crate::notification::Listener;
use crate::position::Position;
use crate::publish::PublishError;

/// An event on its way to a subscription.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) event: Event,
    pub(crate) position: Option<Position>,
}

/// How a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStatus {
    /// Where it is.
    pub state: ChannelState,
    /// Why it is refused.
    pub error: Option<Problem>,
}

/// A publication, as a handle makes it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) msg_id: String,
    pub(crate) channel: String,
    pub(crate) data: String,
    pub(crate) tags: Option<Tags>,
    pub(crate) max_age: Option<u64>,
}

impl Outgoing {
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.tags.iter().flatten().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Where and how a subscription begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    pub(crate) since: Option<Position>,
    pub(crate) rewind: Option<u32>,
    pub(crate) stored: bool,
}

pub(crate) enum Command {
    Publish {
        outgoing: Outgoing,
        end: oneshot::Sender<Result<Ack, PublishError>>,
    },
    Subscribe {
        reader: u64,
        channel: String,
        start: Start,
        token: Option<std::sync::Arc<dyn crate::token::TokenProvider>>,
        events: mpsc::UnboundedSender<Delivered>,
    },
    Unsubscribe {
        reader: u64,
    },
    Taken {
        reader: u64,
    },
    Request {
        /// As [`Client::next_id`](crate::client::Client::next_id) gave it.
        request: u64,
        action: String,
        payload: String,
        answer: oneshot::Sender<Result<String, Problem>>,
    },
    /// Its caller does not wait any more.
    Forget {
        request: u64,
    },
    Login {
        end: oneshot::Sender<Result<(), Problem>>,
    },
    Wake,
    Watch {
        channel: String,
        answer: oneshot::Sender<watch::Receiver<ChannelStatus>>,
    },
    Notifications {
        listener: Listener,
    },
    Lost {
        entries: mpsc::Sender<(crate::entry::Entry, PublishError)>,
    },
    Close {
        flush: u64,
        end: oneshot::Sender<u64>,
    },
}
