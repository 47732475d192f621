//! A channel that this server follows: who waits for what in it, and whether its position is being asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::Epoch;

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
    /// Since when something may have been missed that the next position tells; `None`: nothing was.
    pub(crate) missing_since: Option<Instant>,
    /// The number of the position that was asked for last.
    pub(crate) asked: u64,
    /// It has not been answered. No other one is on its way.
    pub(crate) is_asking: bool,
    /// Another one is needed after that.
    pub(crate) ask_again: bool,
    pub(crate) waits: Vec<Wait>,
    /// Own publications without retention that have not come back, by their numbers, and when that is in vain.
    pub(crate) echoes: HashMap<u64, (Instant, Then)>,
    /// It is in the list of channels in which somebody waits.
    pub(crate) is_listed: bool,
    /// It was followed over a connection that is lost.
    pub(crate) may_have_lost: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Idle,
    /// It waits for its turn to be asked for.
    Queued,
    /// Redis was asked to tell what is published.
    Asked,
    /// Redis tells it.
    Following,
}

/// What somebody waits for in a channel.
pub(crate) struct Wait {
    pub(crate) until: Until,
    pub(crate) since: Instant,
    /// When it is in vain.
    pub(crate) by: Instant,
    /// Or until this position is known: what is waited for was in Redis before it was asked for.
    pub(crate) settled_by: Option<u64>,
    pub(crate) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The channel is followed.
    Followed,
    /// This offset of this epoch was delivered.
    Delivered(Epoch, u64),
}

impl Channel {
    pub(crate) fn new(name: &str, partition: usize) -> Arc<Self> {
        Arc::new(Channel { name: name.into(), partition, state: Mutex::default() })
    }
}

impl State {
    /// Whether this has come about; `None`: the feed is in another epoch, an earlier or a later one.
    pub(crate) fn has_come(&self, until: Until) -> Option<bool> {
        match (&self.known, until) {
            (None, _) => Some(false),
            (Some(_), Until::Followed) => Some(self.phase == Phase::Following),
            (Some(known), Until::Delivered(epoch, offset)) if known.epoch() == epoch => {
                Some(known.delivered() >= offset)
            }
            (Some(_), Until::Delivered(..)) => None,
        }
    }

    /// For how long something may have been missed.
    pub(crate) fn has_missed_for(&self) -> Duration {
        self.missing_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A position is asked for. Its number.
    pub(crate) fn ask(&mut self) -> u64 {
        self.is_asking = true;
        self.asked += 1;
        self.asked
    }

    /// As [`State::ask`], unless one is on its way, after which another one is asked for where it has to be `anew`; or it
    /// will be asked for with the subscription.
    pub(crate) fn ask_if_needed(&mut self, anew: bool) -> Option<u64> {
        self.ask_again |= self.is_asking && anew;
        (!self.is_asking && self.phase == Phase::Following).then(|| self.ask())
    }

    /// A position has been answered, or will not be. False: a later one is on its way, over another connection.
    pub(crate) fn is_answered(&mut self, number: u64) -> bool {
        let is_last = number == self.asked;
        self.is_asking &= !is_last;
        is_last
    }

    /// Takes out what has come about; `answered`: the number of the position that has just become known. Whether another
    /// position is needed to tell about the rest.
    pub(crate) fn settle(&mut self, answered: u64, ready: &mut Vec<Then>) -> bool {
        let mut is_needed = false;
        for mut wait in std::mem::take(&mut self.waits) {
            let is_settled = wait.settled_by.is_some_and(|number| number <= answered);
            match self.has_come(wait.until) {
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

    /// Takes out what waits in vain.
    pub(crate) fn take_late(&mut self) -> Vec<Then> {
        let now = Instant::now();
        let mut late: Vec<_> = self.waits.extract_if(.., |wait| wait.by < now).map(|wait| wait.then).collect();
        late.extend(self.echoes.extract_if(|_, (by, _)| *by < now).map(|(_, (_, then))| then));
        late
    }

    /// Takes out who waits until the channel is followed.
    pub(crate) fn take_followers(&mut self) -> Vec<Then> {
        self.waits.extract_if(.., |wait| wait.until == Until::Followed).map(|wait| wait.then).collect()
    }

    pub(crate) fn take_echoes(&mut self) -> Vec<Then> {
        self.echoes.drain().map(|(_, (_, then))| then).collect()
    }

    /// Takes out everything.
    pub(crate) fn take_all(&mut self) -> Vec<Then> {
        let mut all = self.take_echoes();
        all.extend(self.waits.drain(..).map(|wait| wait.then));
        all
    }

    pub(crate) fn is_waited_in(&self) -> bool {
        !self.waits.is_empty() || !self.echoes.is_empty()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase).field("known", &self.known).finish_non_exhaustive()
    }
}
