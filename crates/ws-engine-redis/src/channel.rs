//! A channel that this server follows: who waits for what in it, and whether its position is being asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::{Done, Epoch};

use crate::follow::Known;

/// A channel with subscribers on this server, or one that had some until just now.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: Box<str>,
    pub(crate) partition: usize,
    pub(crate) state: Mutex<State>,
}

/// Called with true when it has come about, with false when it has not in time.
pub(crate) type Then = Box<dyn FnOnce(bool) + Send>;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) subscribers: u32,
    /// When the last of them left.
    pub(crate) left: Option<Instant>,
    pub(crate) phase: Phase,
    pub(crate) known: Option<Known>,
    /// The number of the position that was asked for last.
    pub(crate) asked: u64,
    /// It has not been answered.
    pub(crate) is_asking: bool,
    /// Another one is needed after that.
    pub(crate) ask_again: bool,
    pub(crate) waits: Vec<Wait>,
    /// Who waits until the channel is followed.
    pub(crate) followers: Vec<Done<()>>,
    /// Own publications without retention that have not come back, by their numbers.
    pub(crate) echoes: HashMap<u64, Then>,
    /// It was followed over a connection that is lost.
    pub(crate) may_have_lost: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Idle,
    /// Redis was asked to tell what is published.
    Asked,
    /// Redis tells it.
    Following,
}

/// What somebody waits for in a channel.
pub(crate) struct Wait {
    /// Until this offset of this epoch was delivered.
    pub(crate) until: (Epoch, u64),
    pub(crate) since: Instant,
    /// Or until this position is known: what is waited for was in Redis before it was asked for.
    pub(crate) settled_by: Option<u64>,
    pub(crate) then: Then,
}

impl Channel {
    pub(crate) fn new(name: &str, partition: usize) -> Arc<Self> {
        Arc::new(Channel { name: name.into(), partition, state: Mutex::default() })
    }
}

impl State {
    /// Whether this has been delivered; `None`: the feed is in another epoch, an earlier or a later one.
    pub(crate) fn has_delivered(&self, (epoch, offset): (Epoch, u64)) -> Option<bool> {
        match &self.known {
            None => Some(false),
            Some(known) if known.epoch() == epoch => Some(known.delivered() >= offset),
            Some(_) => None,
        }
    }

    /// Takes out what has come about; `answered`: the number of the position that has just become known. Whether another
    /// position is needed to tell about the rest.
    pub(crate) fn settle(&mut self, answered: u64, ready: &mut Vec<Then>) -> bool {
        let mut is_needed = false;
        for mut wait in std::mem::take(&mut self.waits) {
            let is_settled = wait.settled_by.is_some_and(|number| number <= answered);
            match self.has_delivered(wait.until) {
                Some(true) => ready.push(wait.then),
                _ if is_settled && self.known.is_some() => ready.push(wait.then),
                None if wait.settled_by.is_none() => {
                    wait.settled_by = Some(self.asked + 1);
                    is_needed = true;
                    self.waits.push(wait);
                }
                _ => self.waits.push(wait),
            }
        }
        is_needed
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase).field("known", &self.known).finish_non_exhaustive()
    }
}
