//! Checks that one connection receives everything once and in order, as PROTOCOL sections 4 and 5 promise. What is
//! missing without a `gap` event is lost.

use std::ops::Range;

use crate::report::{Report, Value};

/// Violations of the order, over all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Missing, and not announced.
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    /// Arrived after a later one.
    pub(super) reordered: u64,
    pub(super) gaps: u64,
    /// Missing, and announced by gaps.
    pub(super) missed: u64,
}

impl Faults {
    pub(super) fn add(&mut self, other: &Faults) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.gaps += other.gaps;
        self.missed += other.missed;
    }

    /// Adds all counts as figures. What is lost, duplicated or reordered is also a problem.
    pub(super) fn report(&self, report: &mut Report) {
        let counts = [
            ("lost", "lost", self.lost),
            ("duplicated", "duplicated", self.duplicated),
            ("reordered", "reordered", self.reordered),
            ("gaps", "gaps announced", self.gaps),
            ("gap_messages", "messages in gaps", self.missed),
        ];
        for (key, label, count) in counts {
            report.figure(key, label, Value::Count(count));
        }
        for (_, label, count) in counts[..3].iter().filter(|(_, _, count)| *count > 0) {
            report.problem(format!("{count} deliveries {label}"));
        }
    }
}

/// Follows the numbers that one connection receives, from 0.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// One above the highest number seen.
    next: u64,
    /// Announced by gaps, but not yet found to be missing.
    announced: u64,
    /// Numbers below `next` that did not arrive.
    missing: Vec<Range<u64>>,
}

impl Order {
    /// For a connection that has ended: nothing is missing from now on.
    pub(super) fn gone() -> Order {
        Order { next: u64::MAX, ..Order::default() }
    }

    /// Publish `number` has arrived. Returns whether this is the first time.
    #[inline]
    pub(super) fn arrived(&mut self, number: u64, faults: &mut Faults) -> bool {
        if number == self.next {
            self.next = number + 1;
            return true;
        }
        self.irregular(number, faults)
    }

    fn irregular(&mut self, number: u64, faults: &mut Faults) -> bool {
        if number > self.next {
            self.skip_to(number, faults);
            self.next = number + 1;
            return true;
        }
        let Some(at) = self.missing.iter().position(|range| range.contains(&number)) else {
            faults.duplicated += 1;
            return false;
        };
        let range = self.missing.swap_remove(at);
        let halves = [range.start..number, number + 1..range.end];
        self.missing.extend(halves.into_iter().filter(|half| !half.is_empty()));
        faults.reordered += 1;
        faults.lost = faults.lost.saturating_sub(1);
        true
    }

    /// The server announced `missed` missing ones.
    pub(super) fn gap(&mut self, missed: u64, faults: &mut Faults) {
        faults.gaps += 1;
        faults.missed += missed;
        self.announced += missed;
    }

    /// All numbers below this are done: seen, skipped, or announced as missing.
    pub(super) fn done_below(&self) -> u64 {
        self.next.saturating_add(self.announced)
    }

    /// Nothing more will arrive, and `published` were published.
    pub(super) fn finish(&mut self, published: u64, faults: &mut Faults) {
        if self.next < published {
            self.skip_to(published, faults);
        }
    }

    fn skip_to(&mut self, number: u64, faults: &mut Faults) {
        let skipped = number - self.next;
        faults.lost += skipped.saturating_sub(self.announced);
        // A gap may also count broadcasts of others, so the rest of it does not count for later ones.
        self.announced = 0;
        self.missing.push(self.next..number);
        self.next = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        Number(u64),
        Gap(u64),
    }
    use Step::{Gap, Number as N};

    #[track_caller]
    fn check(steps: &[Step], published: u64, expect: Faults) {
        let (mut order, mut faults) = (Order::default(), Faults::default());
        for step in steps {
            match step {
                N(number) => drop(order.arrived(*number, &mut faults)),
                Gap(missed) => order.gap(*missed, &mut faults),
            }
        }
        order.finish(published, &mut faults);
        assert_eq!(faults, expect);
    }

    #[test]
    fn in_order_and_complete_is_without_fault() {
        check(&[N(0), N(1), N(2)], 3, Faults::default());
        check(&[], 0, Faults::default());
        let (mut order, mut faults) = (Order::gone(), Faults::default());
        order.finish(9, &mut faults);
        assert_eq!((faults, order.done_below()), (Faults::default(), u64::MAX));
    }

    #[test]
    fn what_is_missing_is_lost() {
        check(&[N(0), N(2)], 3, Faults { lost: 1, ..Faults::default() });
        check(&[N(0)], 3, Faults { lost: 2, ..Faults::default() });
        check(&[N(2)], 3, Faults { lost: 2, ..Faults::default() });
    }

    #[test]
    fn what_a_gap_announces_is_not_lost() {
        let faults = |lost, gaps, missed| Faults { lost, gaps, missed, ..Faults::default() };
        check(&[N(0), Gap(2), N(3)], 4, faults(0, 1, 2));
        check(&[N(0), Gap(1), N(3)], 4, faults(1, 1, 1));
        check(&[N(0), Gap(1), Gap(1), N(3)], 4, faults(0, 2, 2));
        check(&[N(0), Gap(9), N(3), N(5)], 6, faults(1, 1, 9));
        check(&[N(0), Gap(2)], 3, faults(0, 1, 2));
    }

    #[test]
    fn twice_is_a_duplicate_and_late_is_reordered() {
        check(&[N(0), N(0), N(1), N(0)], 2, Faults { duplicated: 2, ..Faults::default() });
        check(&[N(0), N(2), N(1)], 3, Faults { reordered: 1, ..Faults::default() });
        check(&[N(3), N(1), N(1)], 4, Faults { reordered: 1, duplicated: 1, lost: 2, ..Faults::default() });
    }
}
