//! Random numbers that a seed repeats (SplitMix64).

use std::ops::RangeInclusive;
use std::time::Duration;

/// A generator. Small and repeatable; not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The generator of this seed, and of the `nth` thing that it is used for.
    pub fn new(seed: u64, nth: u64) -> Self {
        let mut rng = Rng(seed ^ nth.wrapping_mul(0xD134_2543_DE82_EF95));
        rng.bits();
        rng
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number of this range.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        first + self.bits() % (last.saturating_sub(first)).saturating_add(1).max(1)
    }

    /// A time up to `most`, in microseconds.
    pub fn time(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.range(0..=most.as_micros() as u64))
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.range(0..=99) < percent
    }
}
