//! A recording sink that detects what a sink must never see.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::engine::{EngineSink, Epoch, Publication};

/// [`Append::read_us`](crate::engine::Append::read_us) of everything that is appended.
pub(super) const READ_US: u64 = 7;

/// Records what it is given.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    logs: Mutex<HashMap<String, Log>>,
    faults: Mutex<Vec<String>>,
}

/// What the sink was given for a channel.
#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    seen: Seen,
    followed: bool,
    /// A call has begun and not ended.
    called: bool,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Delivered(Publication),
    Reset(Epoch),
}

/// How much the sink had been given for a channel at some moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) events: usize,
    pub(super) resets: usize,
    /// The newest offset since the last reset.
    pub(super) top: u64,
}

impl Recorder {
    /// From now on there is interest in the channel, and nothing was published in it before: no publication may
    /// be missing.
    pub(super) fn follow(&self, channel: &str) {
        self.with(channel, |log| log.followed = true);
    }

    pub(super) fn is_followed(&self, channel: &str) -> bool {
        self.with(channel, |log| log.followed)
    }

    pub(super) fn seen(&self, channel: &str) -> Seen {
        self.with(channel, |log| log.seen)
    }

    pub(super) fn events(&self, channel: &str) -> Vec<Event> {
        self.with(channel, |log| log.events.clone())
    }

    /// The publications among the events.
    pub(super) fn delivered(&self, channel: &str) -> Vec<Publication> {
        let publication = |event| if let Event::Delivered(publication) = event { Some(publication) } else { None };
        self.events(channel).into_iter().filter_map(publication).collect()
    }

    /// Panics if the sink was called in a way that is always wrong.
    pub(super) fn check(&self) {
        let faults = self.faults.lock();
        assert!(faults.is_empty(), "the sink was called wrongly: {}", faults.join("; "));
    }

    fn with<R>(&self, channel: &str, f: impl FnOnce(&mut Log) -> R) -> R {
        f(self.logs.lock().entry(channel.to_owned()).or_default())
    }

    fn fault(&self, channel: &str, what: String) {
        let mut faults = self.faults.lock();
        if faults.len() < 5 {
            faults.push(format!("{channel}: {what}"));
        }
    }

    /// Publications without an offset have no order: their calls may overlap.
    fn record(&self, channel: &str, event: Event, ordered: bool) {
        if ordered {
            let (called, n) = self.with(channel, |log| (std::mem::replace(&mut log.called, true), log.seen.events));
            if called {
                self.fault(channel, "two calls at once".to_owned());
            }
            // Gives calls that can overlap a chance to do so; on a busy machine each chance costs milliseconds.
            if n % 16 == 0 {
                std::thread::yield_now();
            }
        }
        let wrong = self.with(channel, |log| {
            log.called &= !ordered;
            log.take(event)
        });
        wrong.into_iter().for_each(|wrong| self.fault(channel, wrong));
    }
}

impl Log {
    /// Records an event, and returns what is wrong with it.
    fn take(&mut self, event: Event) -> Option<String> {
        let before = self.seen.top;
        let mut wrong = false;
        match &event {
            Event::Reset(_) => {
                self.seen.resets += 1;
                self.seen.top = 0;
            }
            Event::Delivered(publication) => {
                if let Some(offset) = publication.offset {
                    wrong = offset <= before || (self.followed && offset != before + 1);
                    self.seen.top = offset;
                }
            }
        }
        self.seen.events += 1;
        self.events.push(event);
        wrong.then(|| format!("offset {} was delivered after {before}", self.seen.top))
    }
}

impl EngineSink for Recorder {
    fn deliver(&self, channel: &str, publication: &Publication, read_us: Option<u64>) {
        if read_us != Some(READ_US) {
            self.fault(channel, format!("`read_us` was {READ_US} and is {read_us:?}"));
        }
        self.record(channel, Event::Delivered(publication.clone()), publication.offset.is_some());
    }

    fn reset(&self, channel: &str, epoch: Epoch, after: u64) {
        if after != 0 {
            self.fault(channel, format!("a removed channel begins after {after}"));
        }
        self.record(channel, Event::Reset(epoch), true);
    }

    /// Nothing happens in the cases that would lose publications, or have them read from the history.
    fn renew(&self, channel: &str, epoch: Epoch, survived: u64) {
        self.fault(channel, format!("the epoch {epoch} began after {survived}, for no reason"));
    }

    fn skip(&self, channel: &str, to: u64) {
        self.fault(channel, format!("publications were left out up to {to}, for no reason"));
    }

    fn lost(&self, channel: &str) {
        self.fault(channel, "publications were given up, for no reason".to_owned());
    }

    fn has_room(&self) {}
}
