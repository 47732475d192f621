//! How long a client waits between attempts to connect, so that a crowd of them comes back evenly (docs/CLIENTS.md,
//! "Connection").
//!
//! The first wait of an outage is anything up to its bound: who was lost together is spread. Then a share is drawn, and the
//! n-th wait is that share of the n-th bound, which doubles. So the attempts of one client are as far apart as the outage is
//! old, and those of a crowd cover that time evenly, whenever the server is back: shares are drawn so that their logarithms
//! are even. With a new draw for each wait, many have drawn little several times, and come together.

use super::random::Random;

/// Where a client is in an outage.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// Attempts that failed in a row, or did not last.
    n: u32,
    /// The first wait of this outage is over.
    has_waited: bool,
    /// What later ones are of their bounds.
    share: Option<f64>,
}

impl Spread {
    /// The next wait.
    pub(super) fn wait(&mut self, random: &mut Random, least: u64, most: u64) -> u64 {
        let n = self.n;
        self.n = self.n.saturating_add(1);
        if !std::mem::replace(&mut self.has_waited, true) {
            return random.below(Random::bound(n, least, most));
        }
        let share = *self.share.get_or_insert_with(|| share(random.draw()));
        (share * Random::bound(n, least, u64::MAX) as f64).floor().min(most as f64) as u64
    }

    /// The outage is over.
    pub(super) fn connected(&mut self) {
        (self.has_waited, self.share) = (false, None);
    }

    /// A connection has lasted: bounds begin with the shortest again.
    pub(super) fn lasted(&mut self) {
        self.n = 0;
    }
}

/// From 1/2 to 1: 2 to the power of `draw` − 1, as nearly as matters, in numbers that every language has.
fn share(draw: f64) -> f64 {
    0.5 + draw * (2.0 + draw) / 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_is_drawn_and_the_others_double() {
        let mut draws = [0.25, 0.0, 0.75].into_iter();
        let mut random = Random::new(move || draws.next().expect("three draws"));
        let mut spread = Spread::default();
        let mut waits = |spread: &mut Spread, n: usize| -> Vec<u64> {
            (0..n).map(|_| spread.wait(&mut random, 500, 20_000)).collect()
        };
        assert_eq!(waits(&mut spread, 9), [125, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
        spread.connected();
        assert_eq!(waits(&mut spread, 1), [15_000], "it did not last");
        spread.connected();
        spread.lasted();
        assert_eq!(Random::bound(spread.n, 500, 20_000), 500);
    }

    #[test]
    fn shares_lie_between_a_half_and_one() {
        let check = |draw: f64, expect: f64| {
            assert!((share(draw) - expect).abs() < 0.01 && (share(draw) - (draw - 1.0).exp2()).abs() < 0.01, "{draw}");
        };
        check(0.0, 0.5);
        check(0.5, 0.71);
        check(1.0, 1.0);
    }
}
