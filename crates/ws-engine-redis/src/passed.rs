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
    /// How many names each set has at most.
    max: usize,
    recent: Mutex<Recent>,
    /// Those that could not be told when it was time for that.
    due: Mutex<Names>,
}

/// Channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    These(HashSet<Box<str>>),
    /// Which ones is not known: they were too many, or it was too long ago.
    All,
}

#[derive(Debug)]
struct Recent {
    /// When it was last added to.
    last: Option<Instant>,
    since: Instant,
    now: Names,
    before: Names,
}

impl Passed {
    pub(crate) fn new(within: Duration, max: usize) -> Self {
        let recent = Recent { last: None, since: Instant::now(), now: Names::default(), before: Names::default() };
        Passed { within, max, recent: Mutex::new(recent), due: Mutex::default() }
    }

    pub(crate) fn add(&self, channel: &str) {
        let mut recent = self.recent.lock();
        recent.turn(self.within);
        recent.last = Some(Instant::now());
        recent.now.insert(channel, self.max);
    }

    /// These could not be told: they are due until they are.
    pub(crate) fn add_due(&self, names: Names) {
        self.due.lock().extend(names, self.max);
    }

    /// Those that are due, which they are not any more.
    pub(crate) fn take_due(&self) -> Names {
        std::mem::take(&mut self.due.lock())
    }

    /// Those of this last time, and maybe more. They are not forgotten: who has to hear of them may come to another Redis.
    pub(crate) fn of(&self, last: Duration) -> Names {
        let mut recent = self.recent.lock();
        if last > self.within {
            // It is told by another clock.
            let is_over = recent.last.is_none_or(|at| at.elapsed() > last + self.within);
            return if is_over { Names::default() } else { Names::All };
        }
        recent.turn(self.within);
        let mut all = recent.before.clone();
        all.extend(recent.now.clone(), 2 * self.max);
        all
    }
}

impl Names {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Names::These(names) if names.is_empty())
    }

    fn insert(&mut self, name: &str, max: usize) {
        let Names::These(names) = self else { return };
        if names.contains(name) {
            return;
        }
        if names.len() < max {
            names.insert(name.into());
        } else {
            *self = Names::All;
        }
    }

    fn extend(&mut self, others: Names, max: usize) {
        match others {
            Names::These(others) => others.iter().for_each(|name| self.insert(name, max)),
            Names::All => *self = Names::All,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Names::These(HashSet::new())
    }
}

impl Recent {
    fn turn(&mut self, within: Duration) {
        let periods = self.since.elapsed().as_nanos() / within.as_nanos().max(1);
        if periods == 0 {
            return;
        }
        let last = std::mem::take(&mut self.now);
        self.before = if periods == 1 { last } else { Names::default() };
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(15);

    fn these(names: &[&str]) -> Names {
        Names::These(names.iter().map(|name| (*name).into()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_passed_on_long_ago_is_forgotten() {
        let check = async |gaps: &[u64], expect: &[&str]| {
            let passed = Passed::new(WITHIN, 8);
            for (nth, gap) in gaps.iter().enumerate() {
                passed.add(&format!("c{nth}"));
                tokio::time::advance(Duration::from_secs(*gap)).await;
            }
            assert_eq!(passed.of(WITHIN), these(expect), "{gaps:?}");
            assert_eq!(passed.of(WITHIN), these(expect), "again");
        };
        check(&[], &[]).await;
        check(&[1, 1], &["c0", "c1"]).await;
        check(&[14, 2], &["c0", "c1"]).await;
        check(&[16, 14], &["c0", "c1"]).await;
        check(&[16, 16], &["c1"]).await;
        check(&[31], &[]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_remembered_may_be_any() {
        let (passed, long) = (Passed::new(WITHIN, 8), 10 * WITHIN);
        assert!(passed.of(long).is_empty(), "it has never passed on anything");
        passed.add("0");
        tokio::time::advance(long + WITHIN).await;
        assert_eq!(passed.of(long), Names::All);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(passed.of(long).is_empty(), "before others could have been elsewhere");
        (0..8).for_each(|n| passed.add(&n.to_string()));
        passed.add("0");
        assert_eq!(passed.of(WITHIN), these(&["0", "1", "2", "3", "4", "5", "6", "7"]));
        passed.add("8");
        assert_eq!(passed.of(WITHIN), Names::All);
        passed.add_due(these(&["a"]));
        assert_eq!(passed.take_due(), these(&["a"]));
        passed.add_due(Names::All);
        passed.add_due(these(&["a"]));
        assert_eq!(passed.take_due(), Names::All);
        assert!(passed.take_due().is_empty());
    }
}
