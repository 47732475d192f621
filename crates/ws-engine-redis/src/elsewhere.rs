//! What this server has passed on elsewhere. A publication that is not retained goes to those who follow its channel on the
//! same Redis. While a primary is replaced, or a slot moves, servers may be on two of them for a moment, and both take what
//! is published: nobody on the one hears what is passed on by the other. When this server comes to the other one, it says in
//! which channels that may have happened, and who follows them takes it for a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::PASSED_MAX;
use crate::link::{Batch, Link};
use crate::message::missed;
use crate::shared::Shared;

/// The channels in which this server has passed something on of late.
#[derive(Debug)]
pub(crate) struct Passed {
    /// How long it remembers them at least; at most twice as long.
    within: Duration,
    recent: Mutex<Recent>,
}

#[derive(Debug)]
struct Recent {
    since: Instant,
    now: HashSet<Box<str>>,
    before: HashSet<Box<str>>,
}

impl Passed {
    pub(crate) fn new(within: Duration) -> Self {
        let recent = Recent { since: Instant::now(), now: HashSet::new(), before: HashSet::new() };
        Passed { within, recent: Mutex::new(recent) }
    }

    pub(crate) fn add(&self, channel: &str) {
        let mut recent = self.recent.lock();
        recent.turn(self.within);
        if recent.now.len() < PASSED_MAX && !recent.now.contains(channel) {
            recent.now.insert(channel.into());
        }
    }

    fn take(&self) -> HashSet<Box<str>> {
        let mut recent = self.recent.lock();
        recent.turn(self.within);
        let mut all = std::mem::take(&mut recent.now);
        all.extend(std::mem::take(&mut recent.before));
        all
    }
}

impl Recent {
    fn turn(&mut self, within: Duration) {
        let periods = self.since.elapsed().as_nanos() / within.as_nanos().max(1);
        if periods == 0 {
            return;
        }
        let last = std::mem::take(&mut self.now);
        self.before = if periods == 1 { last } else { HashSet::new() };
        self.since = Instant::now();
    }
}

impl Shared {
    /// This server has come to another Redis than it was on: those who follow there may have missed what it has passed on.
    pub(crate) fn tell_missed(self: &Arc<Self>, writer: &Link) {
        let channels = self.passed.take();
        let tell = |batch: &mut Batch<'_>| {
            for channel in channels {
                let topic = self.keys.topic(self.keys.partition(&channel), &channel).into_bytes();
                let shared = self.clone();
                batch.command([b"SPUBLISH".to_vec(), topic, missed(&self.node)], move |result| {
                    if result.is_err() {
                        // It goes with the next connection.
                        shared.passed.add(&channel);
                    }
                });
            }
        };
        // A connection that has ended is replaced by one to the same Redis, or to one where nobody is yet.
        let _ = writer.send(tell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_passed_on_long_ago_is_forgotten() {
        const WITHIN: Duration = Duration::from_secs(15);
        let check = async |gaps: &[u64], expect: &[&str]| {
            let passed = Passed::new(WITHIN);
            for (nth, gap) in gaps.iter().enumerate() {
                passed.add(&format!("c{nth}"));
                tokio::time::advance(Duration::from_secs(*gap)).await;
            }
            let expect: HashSet<Box<str>> = expect.iter().map(|name| (*name).into()).collect();
            assert_eq!(passed.take(), expect, "{gaps:?}");
            assert_eq!(passed.take(), HashSet::new());
        };
        check(&[], &[]).await;
        check(&[1, 1], &["c0", "c1"]).await;
        check(&[14, 2], &["c0", "c1"]).await;
        check(&[16, 14], &["c0", "c1"]).await;
        check(&[16, 16], &["c1"]).await;
        check(&[31], &[]).await;
    }

    #[test]
    fn they_are_bounded() {
        let passed = Passed::new(Duration::from_secs(15));
        (0..2 * PASSED_MAX).for_each(|n| passed.add(&n.to_string()));
        assert_eq!(passed.take().len(), PASSED_MAX);
    }
}
