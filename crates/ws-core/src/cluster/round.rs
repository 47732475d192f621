//! One question, and the nodes that have still to answer it.

use std::collections::HashSet;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use super::message::Answer;

/// What happens while a question is open.
#[derive(Debug)]
pub(super) enum Event {
    /// A node has answered.
    Answered(Uuid, Answer),
    /// A node has ended. It is told from before the living nodes are asked for: none ends in between unnoticed.
    Ended(Uuid),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Round {
    events: mpsc::Receiver<Event>,
    missing: HashSet<Uuid>,
    asked: usize,
    by: Instant,
}

impl Round {
    /// Nobody is asked yet.
    pub(super) fn new(events: mpsc::Receiver<Event>, by: Instant) -> Self {
        Round { events, missing: HashSet::new(), asked: 0, by }
    }

    /// These are asked, and have to answer.
    pub(super) fn expect(&mut self, nodes: HashSet<Uuid>) {
        self.asked = nodes.len();
        self.missing = nodes;
    }

    /// The next answer; `None` when every node that lives has answered.
    ///
    /// # Errors
    /// `engine_unavailable`: one has not, and the time is over.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, ErrorBody> {
        while !self.missing.is_empty() {
            match timeout_at(self.by, self.events.recv()).await {
                Ok(Some(Event::Answered(node, answer))) if self.missing.remove(&node) => return Ok(Some(answer)),
                // A second answer, or one of a node that was not there when it was asked.
                Ok(Some(Event::Answered(..))) => {}
                Ok(Some(Event::Ended(node))) => _ = self.missing.remove(&node),
                Ok(None) | Err(_) => {
                    let message = format!(
                        "{} of {} other servers have not answered in time; try again",
                        self.missing.len(),
                        self.asked
                    );
                    return Err(ErrorBody::new(ErrorCode::EngineUnavailable, message));
                }
            }
        }
        Ok(None)
    }
}
