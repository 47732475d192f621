//! A request that was taken and cannot be answered yet: as far as it has got, so that nothing of it is decoded again.
//!
//! ```text
//!              answers that come before ──► Turn ──► runs
//!  frame ──►   no room ──► Publish, Broadcast ──► given to the engine, to the log
//!              an answer of the engine's ──► Subscribe, History ──► answered
//!              newer keys ──► Keys ──► runs once more
//! ```

use ws_proto::{ErrorBody, OwnedRequest, OwnedRequestId};

use super::{Session, Stop, broadcast, get_history, publish, subscribe};
use crate::engine::Pending;

/// See the module.
#[derive(Debug)]
pub(super) enum Held {
    /// Answers come first.
    Turn(OwnedRequest),
    /// The same, for a frame that is refused.
    Refusal(Option<OwnedRequestId>, ErrorBody),
    /// It has a token whose key is not at hand: newer ones are looked for.
    Keys(OwnedRequest, Pending<()>),
    Publish(publish::Held),
    Broadcast(broadcast::Held),
    Subscribe(subscribe::Held),
    History(get_history::Held),
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

    /// Goes on.
    ///
    /// # Errors
    /// It is refused, or to be held further.
    pub(super) fn go_on(self, session: &mut Session, out: &mut Vec<u8>) -> Result<(), Ended> {
        match self {
            Held::Turn(request) => run(session, &request, out),
            Held::Refusal(id, error) => Err(Ended { id, stop: Stop::Error(error) }),
            Held::Keys(request, keys) => {
                if keys.poll(|| session.waker()).is_none() {
                    return Err(Ended::held(Held::Keys(request, keys)));
                }
                session.has_looked_for_keys = true;
                let done = run(session, &request, out);
                session.has_looked_for_keys = false;
                done
            }
            Held::Publish(held) => held.go_on(session, out),
            Held::Broadcast(held) => held.go_on(session, out),
            Held::Subscribe(held) => held.go_on(session, out),
            Held::History(held) => held.go_on(session, out),
        }
    }
}

fn run(session: &mut Session, request: &OwnedRequest, out: &mut Vec<u8>) -> Result<(), Ended> {
    let request = request.as_request();
    session.run(&request, out).map_err(|stop| Ended { id: Some(request.id.into()), stop })
}

/// A request that has not given a response.
pub(super) struct Ended {
    pub(super) id: Option<OwnedRequestId>,
    pub(super) stop: Stop,
}

impl Ended {
    pub(super) fn new(id: OwnedRequestId, stop: impl Into<Stop>) -> Self {
        Ended { id: Some(id), stop: stop.into() }
    }

    /// It is held further.
    pub(super) fn held(held: Held) -> Self {
        Ended { id: None, stop: held.into() }
    }
}
