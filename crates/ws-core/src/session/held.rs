//! A request that was taken and cannot be answered yet: as far as it has got, so that nothing of it is decoded again.
//!
//! ```text
//!              answers that come before ──► Turn ──► runs
//!  frame ──►   no room ──► Publish, Broadcast ──► given to the engine, to the log
//!              an answer of the engine's ──► Subscribe, History ──► answered
//!              newer keys ──► Keys ──► runs once more
//! ```

use std::sync::Arc;

use serde_json::value::RawValue;
use ws_proto::publication::Tags;
use ws_proto::{ErrorBody, OwnedRequest, OwnedRequestId};

use super::attached::Attached;
use crate::engine::{History, Pending};
use crate::options::ChannelOptions;
use crate::subscription::StartAt;
use crate::waiter::Waiter;

/// See the module.
#[derive(Debug)]
pub(super) enum Held {
    /// Answers come first.
    Turn(OwnedRequest),
    /// The same, for a frame that is refused.
    Refusal(Option<OwnedRequestId>, ErrorBody),
    /// It has a token whose key is not at hand: newer ones are looked for.
    Keys(OwnedRequest, Pending<()>),
    Publish(HeldPublish),
    Broadcast(HeldBroadcast),
    Subscribe(HeldSubscribe),
    History(HeldHistory),
}

impl Held {
    /// Whether it may not go on before the engine has answered what was asked before.
    pub(super) fn is_in_turn(&self) -> bool {
        matches!(self, Held::Turn(..) | Held::Refusal(..))
    }

    /// It cannot go on for want of room in the outbox: if it was its turn to publish, that is others' now.
    pub(super) fn pass(&mut self) {
        match self {
            Held::Publish(held) => held.waiter.pass(),
            Held::Broadcast(held) => held.waiter.pass(),
            Held::Turn(_) | Held::Refusal(..) | Held::Keys(..) | Held::Subscribe(_) | Held::History(_) => {}
        }
    }
}

/// A publication that waits for room, or for the answers to others.
#[derive(Debug)]
pub(super) struct HeldPublish {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    pub(super) data: Box<RawValue>,
    pub(super) msg_id: Option<Box<str>>,
    pub(super) tags: Option<Tags<'static>>,
    pub(super) options: Arc<ChannelOptions>,
    pub(super) waiter: Waiter,
}

/// A broadcast that waits for room.
#[derive(Debug)]
pub(super) struct HeldBroadcast {
    pub(super) id: OwnedRequestId,
    pub(super) message: Box<RawValue>,
    pub(super) waiter: Waiter,
}

/// A subscription whose place the engine has been asked for.
#[derive(Debug)]
pub(super) struct HeldSubscribe {
    pub(super) id: OwnedRequestId,
    pub(super) start: StartAt<'static>,
    pub(super) attached: Attached,
}

/// A page that the engine has been asked for.
#[derive(Debug)]
pub(super) struct HeldHistory {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    /// The epoch that the client believes in.
    pub(super) epoch: Option<Box<str>>,
    pub(super) pending: Pending<History>,
}
