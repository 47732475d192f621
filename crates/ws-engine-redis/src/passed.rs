//! In which channels this server has passed something on of late.

use std::collections::HashSet;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Passed {
    /// How long it remembers them at least; at most twice as long.
    within: Duration,
    /// How many names each of the two sets has at most; those that are due are as many as both.
    max: usize,
    recent: Mutex<Recent>,
    /// Those that could not be told when it was time for that.
    due: Mutex<HashSet<Box<str>>>,
}

#[derive(Debug)]
struct Recent {
    since: Instant,
    now: HashSet<Box<str>>,
    before: HashSet<Box<str>>,
}

impl Passed {
    pub(crate) fn new(within: Duration, max: usize) -> Self {
        let recent = Recent { since: Instant::now(), now: HashSet::new(), before: HashSet::new() };
        Passed { within, max, recent: Mutex::new(recent), due: Mutex::default() }
    }

    pub(crate) fn add(&self, channel: &str) {
        let mut recent = self.recent.lock();
        recent.turn(self.within);
        if recent.now.len() < self.max && !recent.now.contains(channel) {
            recent.now.insert(channel.into());
        }
    }

    /// This one could not be told: it is due until it is.
    pub(crate) fn add_due(&self, channel: Box<str>) {
        let mut due = self.due.lock();
        if due.len() < 2 * self.max {
            due.insert(channel);
        }
    }

    /// Those that are due, which they are not any more.
    pub(crate) fn take_due(&self) -> HashSet<Box<str>> {
        std::mem::take(&mut self.due.lock())
    }

    /// All of them, which are forgotten.
    pub(crate) fn take(&self) -> HashSet<Box<str>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_passed_on_long_ago_is_forgotten() {
        const WITHIN: Duration = Duration::from_secs(15);
        let check = async |gaps: &[u64], expect: &[&str]| {
            let passed = Passed::new(WITHIN, 8);
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
        let passed = Passed::new(Duration::from_secs(15), 8);
        (0..16).for_each(|n| passed.add(&n.to_string()));
        assert_eq!(passed.take().len(), 8);
    }
}
