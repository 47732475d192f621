//! The random numbers of the machine. They come from outside.

use std::fmt;

/// Where draws come from, each in [0, 1).
pub(crate) struct Random(Box<dyn FnMut() -> f64 + Send>);

impl Random {
    pub(crate) fn new(draw: impl FnMut() -> f64 + Send + 'static) -> Self {
        Random(Box::new(draw))
    }

    /// The next number.
    pub(super) fn draw(&mut self) -> f64 {
        (self.0)()
    }

    /// Evenly from 0 to below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.draw() * bound as f64).floor() as u64
    }

    /// Full jitter: evenly from 0 to the bound of the n-th wait.
    pub(super) fn backoff(&mut self, n: u32, least: u64, most: u64) -> u64 {
        self.below(Random::bound(n, least, most))
    }

    /// What the n-th wait in a row is at most: `least` · 2ⁿ, or `most` if that is less.
    pub(super) fn bound(n: u32, least: u64, most: u64) -> u64 {
        least.saturating_mul(1 << n.min(20)).min(most)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoffs_grow_to_their_bound() {
        let check = |n, expect| assert_eq!(Random::new(|| 0.5).backoff(n, 500, 20_000), expect, "{n}");
        check(0, 250);
        check(1, 500);
        check(5, 8_000);
        check(6, 10_000);
        check(4_000_000, 10_000);
    }
}
