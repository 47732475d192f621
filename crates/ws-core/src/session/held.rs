//! Frames that were taken and cannot be answered yet. A session holds at most one, and takes no other frame until then
//! ([`Flow::Hold`](super::Flow::Hold)). It keeps how far the frame has got, so that nothing is decoded or checked twice.
//!
//! ```text
//! frame ─► decode ─┬─ earlier answers pending, not `publish` ─► Queued
//!                  ▼
//!                 run ─┬─► answered
//!                      ├─ unknown key in its token ──────────► Keys
//!                      ├─ no room, or too many unanswered ───► Publish
//!                      ├─ no room ───────────────────────────► Broadcast
//!                      ├─ waits for the engine ──────────────► Subscribe, History
//!                      ├─ waits for the cluster ─────────────► Login, Presence, Connections, Broadcast
//!                      ├─ waits for who runs Claude ─────────► Run
//!                      └─ error ─┬─ earlier answers pending ─► Refusal
//!                                └─► answered with the error
//! ```
//!
//! A frame that is malformed, over the rate limit, or needs authentication takes the last branch at once.
//!
//! [`Session::go_on`](super::Session::go_on) retries the held frame whenever the connection's task is woken, but not
//! while the outbox is full:
//!
//! | held | retried when | then |
//! |---|---|---|
//! | `Queued` | earlier answers are out | runs |
//! | `Refusal` | earlier answers are out | is answered with its error |
//! | `Keys` | the keys have been renewed | runs once more; an unknown key is an error now |
//! | `Publish`, `Broadcast` | always | tries to take room, and is submitted to the engine, or to the log |
//! | `Subscribe`, `History` | the engine has answered | is answered |
//! | `Login`, `Presence`, `Connections` | the cluster has answered | is answered |
//! | `Run` | who runs Claude has answered | is answered |
//!
//! A retry may end in another state of the first picture, such as `Refusal`, or leave the frame where it is.

use std::sync::Arc;

use serde_json::value::RawValue;
use ws_proto::action::{AskClaudeData, CancelClaudeData};
use ws_proto::publication::Tags;
use ws_proto::{OwnedRequest, OwnedRequestId, Positions};

use super::attached::Attached;
use super::refused::Refused;
use crate::access::Claims;
use crate::engine::History;
use crate::engine::cluster::Members;
use crate::engine::pending::Pending;
use crate::options::ChannelOptions;
use crate::state::{Asked, Broadcasting, Claiming, Repeat};
use crate::subscription::StartAt;
use crate::waiter::Waiter;

/// A held frame; see the module.
#[derive(Debug)]
pub(super) enum Held {
    /// A request that runs after earlier requests are answered.
    Queued(OwnedRequest),
    /// An error that is sent after earlier requests are answered.
    Refusal(Option<OwnedRequestId>, Refused),
    /// A request whose token names an unknown key: the keys are being renewed.
    Keys(OwnedRequest, Pending<()>),
    Publish(HeldPublish),
    Broadcast(HeldBroadcast),
    Subscribe(HeldSubscribe),
    History(HeldHistory),
    Login(Box<HeldLogin>),
    Presence(HeldPresence),
    Connections(HeldConnections),
    Run(HeldRun),
}

impl Held {
    /// Whether it has to wait until earlier requests are answered.
    pub(super) fn waits_for_answers(&self) -> bool {
        matches!(self, Held::Queued(..) | Held::Refusal(..))
    }

    /// It cannot continue because the outbox is full: if it was its turn to publish, the next waiter gets the turn.
    pub(super) fn yield_turn(&mut self) {
        match self {
            Held::Publish(held) => held.waiter.yield_turn(),
            Held::Broadcast(held) => held.broadcasting.yield_turn(),
            Held::Queued(_)
            | Held::Refusal(..)
            | Held::Keys(..)
            | Held::Subscribe(_)
            | Held::History(_)
            | Held::Login(_)
            | Held::Presence(_)
            | Held::Connections(_)
            | Held::Run(_) => {}
        }
    }
}

/// A publication that waits for room, or because too many are unanswered.
#[derive(Debug)]
pub(super) struct HeldPublish {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    pub(super) data: Box<RawValue>,
    pub(super) msg_id: Option<Box<str>>,
    pub(super) repeat: Option<Repeat>,
    pub(super) tags: Option<Tags<'static>>,
    pub(super) options: Arc<ChannelOptions>,
    pub(super) waiter: Waiter,
}

/// A broadcast that waits for room, or for the cluster.
#[derive(Debug)]
pub(super) struct HeldBroadcast {
    pub(super) id: OwnedRequestId,
    pub(super) message: Box<RawValue>,
    pub(super) broadcasting: Broadcasting,
}

/// A subscription whose position the engine was asked for.
#[derive(Debug)]
pub(super) struct HeldSubscribe {
    pub(super) id: OwnedRequestId,
    pub(super) start: StartAt<'static>,
    pub(super) attached: Attached,
}

/// A page of history that the engine was asked for.
#[derive(Debug)]
pub(super) struct HeldHistory {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    /// The epoch that the client expects.
    pub(super) epoch: Option<Box<str>>,
    pub(super) pending: Pending<History>,
}

/// A login whose user has to be counted by the cluster.
#[derive(Debug)]
pub(super) struct HeldLogin {
    pub(super) id: OwnedRequestId,
    pub(super) claims: Claims,
    pub(super) since: Option<Positions<'static>>,
    pub(super) claiming: Claiming,
}

/// A page of presence that the cluster was asked for.
#[derive(Debug)]
pub(super) struct HeldPresence {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    pub(super) pending: Pending<Members>,
}

/// Waits for the connections of the other nodes.
#[derive(Debug)]
pub(super) struct HeldConnections {
    pub(super) id: OwnedRequestId,
    pub(super) elsewhere: Pending<u64>,
}

/// A request about a run of Claude that is not answered yet.
#[derive(Debug)]
pub(super) enum HeldRun {
    Ask(OwnedRequestId, Asked<AskClaudeData<'static>>),
    Cancel(OwnedRequestId, Asked<CancelClaudeData<'static>>),
}
