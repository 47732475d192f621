//! How fast requests may go out (docs/CLIENTS.md, "Rate limits").

/// Requests without an answer at most.
pub(super) const IN_FLIGHT_MAX: usize = 16;

/// The slowest pace, in milliseconds.
const PACE_MAX: f64 = 10_000.0;

/// So many refusals within a second need at least this pace.
const BURST: usize = 4;
const BURST_WITHIN: u64 = 1_000;
const BURST_PACE: f64 = 100.0;

/// Without a refusal for so long, the pace is left ten times as fast.
const CALM: u64 = 10_000;

/// The window, the hold and the pace.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    window: usize,
    hold: u64,
    /// Milliseconds between requests.
    pace: Option<f64>,
    /// When `pace` was last set or doubled.
    set_at: u64,
    last_sent: Option<u64>,
    refusals: Vec<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { window: IN_FLIGHT_MAX, hold: 0, pace: None, set_at: 0, last_sent: None, refusals: Vec::new() }
    }
}

impl Pace {
    /// A new connection: the server's memory of this one may be another.
    pub(super) fn reconnected(&mut self) {
        (self.window, self.hold) = (IN_FLIGHT_MAX, 0);
    }

    pub(super) fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.window
    }

    /// From when on the next request may go out.
    pub(super) fn next_at(&self) -> u64 {
        let paced = self.last_sent.zip(self.pace).map(|(last, pace)| last + whole_ms(pace));
        self.hold.max(paced.unwrap_or(0))
    }

    pub(super) fn sent(&mut self, t: u64) {
        self.last_sent = Some(t);
    }

    /// A request that was sent at `sent` was refused.
    pub(super) fn refused(&mut self, t: u64, sent: u64, retry_after: u64) {
        self.hold = self.hold.max(t + retry_after);
        self.window = 1;
        self.refusals.retain(|at| at + BURST_WITHIN > t);
        if self.refusals.len() == BURST {
            self.refusals.remove(0);
        }
        self.refusals.push(t);
        match self.pace {
            None => (self.pace, self.set_at) = (Some((retry_after as f64).min(PACE_MAX)), t),
            Some(pace) if sent > self.set_at => (self.pace, self.set_at) = (Some((pace * 2.0).min(PACE_MAX)), t),
            Some(_) => {}
        }
        if self.refusals.len() == BURST {
            self.pace = self.pace.map(|pace| pace.max(BURST_PACE));
        }
    }

    /// A request was answered otherwise.
    pub(super) fn answered(&mut self, t: u64) {
        let calm = self.refusals.last().is_none_or(|last| last + CALM <= t);
        let factor = if calm { 0.9 } else { 0.99 };
        self.pace = self.pace.map(|pace| pace * factor).filter(|pace| *pace >= 1.0);
        self.window = (self.window + 1).min(IN_FLIGHT_MAX);
    }
}

/// `pace` lies between 1 and [`PACE_MAX`].
fn whole_ms(pace: f64) -> u64 {
    pace.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_holds_everything_and_sets_the_pace() {
        let mut pace = Pace::default();
        assert!(pace.has_room(15) && !pace.has_room(16) && pace.next_at() == 0);
        pace.sent(1_000);
        pace.refused(1_010, 1_000, 50);
        assert!(pace.has_room(0) && !pace.has_room(1));
        assert_eq!(pace.next_at(), 1_060);
        pace.sent(1_060);
        assert_eq!(pace.next_at(), 1_110);
        pace.answered(1_070);
        assert_eq!(pace.next_at(), 1_110, "49.5 ms, rounded up");
        assert!(pace.has_room(1) && !pace.has_room(2));
    }

    #[test]
    fn refused_at_its_pace_it_doubles() {
        let mut pace = Pace::default();
        pace.sent(0);
        pace.refused(10, 0, 50);
        pace.refused(11, 0, 50);
        pace.sent(61);
        assert_eq!(pace.next_at(), 111, "sent before the pace was known: not doubled");
        pace.refused(70, 61, 20);
        pace.sent(90);
        assert_eq!(pace.next_at(), 190);
        for _ in 0..12 {
            pace.sent(pace.next_at());
            let t = pace.next_at();
            pace.refused(t, t, 1);
        }
        assert_eq!(pace.pace, Some(PACE_MAX));
    }

    #[test]
    fn a_burst_needs_a_hundred_ms() {
        let mut pace = Pace::default();
        (0..4).for_each(|t| pace.refused(t, 0, 1));
        assert_eq!(pace.pace, Some(100.0));
    }

    #[test]
    fn answers_speed_it_up_and_calm_does_more() {
        let mut pace = Pace::default();
        pace.refused(0, 0, 100);
        pace.answered(100);
        assert_eq!(pace.pace, Some(99.0));
        pace.answered(10_000);
        assert_eq!(pace.pace, Some(99.0 * 0.9));
        (0..60).for_each(|_| pace.answered(20_000));
        assert_eq!(pace.pace, None);
    }
}
