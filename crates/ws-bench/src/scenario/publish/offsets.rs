//! A summary of the offsets in a channel: enough to tell that each was given out once.

/// The offsets of acknowledged publishes: of one publisher, or of a whole channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offsets {
    count: u64,
    lowest: u64,
    highest: u64,
    sum: u128,
}

impl Default for Offsets {
    fn default() -> Offsets {
        Offsets { count: 0, lowest: u64::MAX, highest: 0, sum: 0 }
    }
}

impl Offsets {
    /// Adds one. Returns whether it is higher than all before.
    #[inline]
    pub(super) fn add(&mut self, offset: u64) -> bool {
        let above = offset > self.highest;
        self.merge(&Offsets { count: 1, lowest: offset, highest: offset, sum: u128::from(offset) });
        above
    }

    #[inline]
    pub(super) fn merge(&mut self, other: &Offsets) {
        self.count += other.count;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.sum += other.sum;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is wrong with a channel in which nobody else publishes. Its offsets must be one range without holes, as long as
    /// the number of publishes. The sum reveals a hole that a duplicate hides.
    pub(super) fn fault(&self) -> Option<String> {
        let Offsets { count, lowest, highest, sum } = *self;
        if count == 0 {
            return None;
        }
        let ends = u128::from(lowest) + u128::from(highest);
        match u128::from(highest - lowest) + 1 {
            length if length != u128::from(count) => {
                Some(format!("{count} publishes were acknowledged, with offsets {lowest} to {highest}"))
            }
            length if 2 * sum != ends * length => {
                Some(format!("of the offsets {lowest} to {highest}, one was given twice and another not"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offsets: &[u64], fault: Option<&str>) {
        let (mut whole, mut halves) = (Offsets::default(), [Offsets::default(); 2]);
        for (at, offset) in offsets.iter().enumerate() {
            whole.add(*offset);
            halves[at % 2].add(*offset);
        }
        let [mut both, other] = halves;
        both.merge(&other);
        assert_eq!(both, whole);
        assert_eq!(whole.fault().as_deref(), fault);
    }

    #[test]
    fn a_channel_counts_every_publish_once() {
        check(&[], None);
        check(&[1], None);
        check(&[2, 1, 3], None);
        check(&[8, 9, 7], None);
        check(&[u64::MAX, u64::MAX - 1], None);
        check(&[1, 2, 4], Some("3 publishes were acknowledged, with offsets 1 to 4"));
        check(&[1, 2, 2], Some("3 publishes were acknowledged, with offsets 1 to 2"));
        check(&[1, 2, 2, 4], Some("of the offsets 1 to 4, one was given twice and another not"));
    }

    #[test]
    fn the_offsets_of_one_publisher_grow() {
        let mut offsets = Offsets::default();
        assert_eq!([3, 4, 9, 9, 5, 10].map(|offset| offsets.add(offset)), [true, true, true, false, false, true]);
    }
}
