//! Histograms: how often a value was seen, by powers of two. Durations are in microseconds, everything else is a count.
//!
//! A histogram is written from every thread, so it has [`STRIPES`] of counters, each in cache lines of its own. A thread
//! uses one of them, and nobody waits. Whoever has many values at once collects them in a [`Tally`] first.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Buckets of a histogram. Bucket `n` counts the values up to 2ⁿ that are over 2ⁿ⁻¹, the first one 0 and 1, the last one
/// everything over 2²⁶ (67 s).
pub const HISTOGRAM_BUCKETS: usize = 28;

/// Threads that do not share a stripe.
const STRIPES: usize = 8;

/// Counts values.
#[derive(Debug, Default)]
pub struct Histogram([Stripe; STRIPES]);

/// Two cache lines that are fetched together belong to one stripe.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    counts: [AtomicU64; HISTOGRAM_BUCKETS],
    sum: AtomicU64,
}

/// What a histogram has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramValues {
    /// Values in each bucket alone.
    pub counts: [u64; HISTOGRAM_BUCKETS],
    /// The sum of all values; it wraps.
    pub sum: u64,
}

/// Values that one owner collects before it adds them to a histogram.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    values: HistogramValues,
    /// A bit for each bucket that has a value.
    used: u32,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts a value `n` times.
    pub fn record_many(&self, value: u64, n: u64) {
        let stripe = self.stripe();
        stripe.counts[bucket(value)].fetch_add(n, Ordering::Relaxed);
        stripe.sum.fetch_add(value.wrapping_mul(n), Ordering::Relaxed);
    }

    /// Adds what was collected, and empties it.
    pub(crate) fn take(&self, tally: &mut Tally) {
        if tally.used == 0 {
            return;
        }
        let stripe = self.stripe();
        while tally.used != 0 {
            let bucket = tally.used.trailing_zeros() as usize;
            tally.used &= tally.used - 1;
            stripe.counts[bucket].fetch_add(std::mem::take(&mut tally.values.counts[bucket]), Ordering::Relaxed);
        }
        stripe.sum.fetch_add(std::mem::take(&mut tally.values.sum), Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub fn values(&self) -> HistogramValues {
        let mut values = HistogramValues::default();
        for stripe in &self.0 {
            values.counts.iter_mut().zip(&stripe.counts).for_each(|(sum, count)| *sum += count.load(Ordering::Relaxed));
            values.sum = values.sum.wrapping_add(stripe.sum.load(Ordering::Relaxed));
        }
        values
    }

    fn stripe(&self) -> &Stripe {
        &self.0[STRIPE.get() % STRIPES]
    }
}

static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: Cell<usize> = Cell::new(NEXT_STRIPE.fetch_add(1, Ordering::Relaxed));
}

impl HistogramValues {
    /// What a histogram has counted that saw these values.
    pub fn of(values: &[u64]) -> Self {
        let mut all = HistogramValues::default();
        values.iter().for_each(|value| all.add(*value));
        all
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The largest value that is counted in a bucket; `None`: there is no bound.
    pub fn bound(bucket: usize) -> Option<u64> {
        (bucket + 1 < HISTOGRAM_BUCKETS).then_some(1 << bucket)
    }

    fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

impl Tally {
    pub(crate) fn add(&mut self, value: u64) {
        self.values.add(value);
        self.used |= 1 << bucket(value);
    }
}

/// The bucket of a value.
fn bucket(value: u64) -> usize {
    let bits = u64::BITS - value.saturating_sub(1).leading_zeros();
    (bits as usize).min(HISTOGRAM_BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        for bucket in 0..HISTOGRAM_BUCKETS - 1 {
            let bound = HistogramValues::bound(bucket).expect("a bound");
            assert_eq!(super::bucket(bound), bucket, "{bound}");
            assert_eq!(super::bucket(bound + 1), bucket + 1, "{bound} + 1");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, HISTOGRAM_BUCKETS - 1));
        assert_eq!(HistogramValues::bound(HISTOGRAM_BUCKETS - 1), None);
        assert_eq!(HistogramValues::bound(HISTOGRAM_BUCKETS - 2), Some(67_108_864), "67 s");
    }

    #[test]
    fn threads_add_up() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1000).for_each(|_| histogram.record(3)));
            }
        });
        let n = 2 * STRIPES as u64 * 1000;
        assert_eq!((histogram.values().count(), histogram.values().sum), (n, 3 * n));
        assert_eq!(histogram.values().counts[2], n, "up to 4");
    }

    proptest! {
        /// Every way of counting gives the same, and each value is in the first bucket whose bound it does not exceed.
        #[test]
        fn each_value_is_counted_once(values in prop::collection::vec(0..u64::MAX >> 8, 0..100)) {
            let (one_by_one, tallied) = (Histogram::default(), Histogram::default());
            let mut tally = Tally::default();
            for value in &values {
                one_by_one.record(*value);
                tally.add(*value);
            }
            tallied.take(&mut tally);
            tallied.take(&mut tally);
            let expect = HistogramValues::of(&values);
            prop_assert_eq!(one_by_one.values(), expect);
            prop_assert_eq!(tallied.values(), expect);
            prop_assert_eq!(expect.sum, values.iter().sum::<u64>());
            let mut below = 0;
            for (bucket, count) in expect.counts.iter().enumerate() {
                below += count;
                let within = |value: &&u64| HistogramValues::bound(bucket).is_none_or(|bound| **value <= bound);
                prop_assert_eq!(below, values.iter().filter(within).count() as u64);
            }
            prop_assert_eq!(below, expect.count());
        }

        #[test]
        fn many_of_one_value(value in 0..u64::MAX >> 16, n in 0..100_u64) {
            let histogram = Histogram::default();
            histogram.record_many(value, n);
            prop_assert_eq!(histogram.values(), HistogramValues::of(&vec![value; n as usize]));
        }
    }
}
