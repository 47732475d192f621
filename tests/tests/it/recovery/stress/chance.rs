//! Random numbers that are the same in every run (SplitMix64).

/// A sequence.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The sequence of one participant of a run.
    pub(super) fn new(seed: u64, nth: usize) -> Self {
        Chance((seed << 32) + nth as u64)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// `n` different numbers below `end`, in any order.
    pub(super) fn some_of(&mut self, end: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<_> = (0..end).collect();
        (0..count).map(|_| all.swap_remove(self.below(all.len() as u64) as usize)).collect()
    }
}
