//! What a run counts: time, latencies and complaints.

use std::time::Instant;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer latencies count as this long.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// Nanoseconds since the start of the run; the same clock for all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    #[inline]
    pub(crate) fn now_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A histogram of nanoseconds, exact to one percent: small enough to stay in the cache.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2);
        Latencies(histogram.expect("these bounds are valid ones"))
    }

    #[inline]
    pub(crate) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    pub(crate) fn add(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let us = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        let max = self.0.max() as f64 / 1000.0;
        // A bucket's upper end may lie above the highest value that was seen.
        Quantiles {
            p50: us(0.5).min(max),
            p90: us(0.9).min(max),
            p99: us(0.99).min(max),
            p999: us(0.999).min(max),
            max,
        }
    }
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    /// Each with its usual name.
    pub(crate) fn named(&self) -> [(&'static str, f64); 5] {
        [("p50", self.p50), ("p90", self.p90), ("p99", self.p99), ("p99.9", self.p999), ("max", self.max)]
    }
}

/// Counts one kind of failure, and keeps the first instance.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    pub(crate) count: u64,
    pub(crate) first: Option<String>,
}

impl Complaints {
    pub(crate) fn note(&mut self, what: impl ToString) {
        self.count += 1;
        self.first.get_or_insert_with(|| what.to_string());
    }

    pub(crate) fn add(&mut self, other: &Complaints) {
        self.count += other.count;
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }

    /// `3 connections ended, the first: …`; `None` if there were none.
    pub(crate) fn sentence(&self, what: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{} {what}, the first: {}", self.count, shortened(first)))
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds() {
        let (mut all, mut part) = (Latencies::new(), Latencies::new());
        for us in 1..=1000 {
            if us % 2 == 0 { all.record(us * 1000) } else { part.record(us * 1000) }
        }
        all.add(&part);
        let quantiles = all.quantiles();
        let near = |value: f64, expect: f64| (value - expect).abs() <= expect * 0.011;
        assert!(near(quantiles.p50, 500.0) && near(quantiles.p99, 990.0), "{quantiles:?}");
        assert!(near(quantiles.max, 1000.0) && quantiles.p999 <= quantiles.max, "{quantiles:?}");
        assert_eq!(all.count(), 1000);
        all.reset();
        assert_eq!((all.count(), all.quantiles().max), (0, 0.0));
    }

    #[test]
    fn absurd_latencies_are_kept_within_bounds() {
        let mut latencies = Latencies::new();
        latencies.record(0);
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 2);
    }

    #[test]
    fn the_first_complaint_is_shown() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.sentence("errors"), None);
        complaints.note("a");
        complaints.note("b");
        let mut others = Complaints::default();
        others.note("c".repeat(1000));
        complaints.add(&others);
        assert_eq!(complaints.sentence("errors").as_deref(), Some("3 errors, the first: a"));
        assert!(others.sentence("errors").expect("one").len() < 400);
    }
}
