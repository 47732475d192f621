//! Scripts: for each connection, by its number, a list of steps.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::fault::{Fault, Way};

/// Waits, then does something to the connection. Everything counts from the step before, or from when the connection
/// was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub(super) bytes: Option<(Way, u64)>,
    pub(super) time: Option<Duration>,
    pub(super) fault: Fault,
}

/// At once.
pub fn at_once(fault: Fault) -> Step {
    after(Duration::ZERO, fault)
}

/// When this time has passed.
pub fn after(time: Duration, fault: Fault) -> Step {
    Step { bytes: None, time: Some(time), fault }
}

/// When so many bytes have gone this way. No further byte goes there before the step.
pub fn after_bytes(way: Way, bytes: u64, fault: Fault) -> Step {
    Step { bytes: Some((way, bytes)), time: None, fault }
}

impl Step {
    /// The same, or when this time has passed, if that is earlier.
    #[must_use]
    pub fn at_the_latest(self, time: Duration) -> Self {
        Step { time: Some(time), ..self }
    }
}

/// What happens to which connections. The first connection has the number 1.
#[derive(Debug, Clone, Default)]
pub struct Script {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    connections: (Bound<u64>, Bound<u64>),
    steps: Vec<Step>,
}

impl Script {
    /// Nothing happens to anybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// These steps for these connections: `1..=1` the first, `3..` all from the third on. If several lists match, the
    /// first counts.
    #[must_use]
    pub fn on(mut self, connections: impl RangeBounds<u64>, steps: impl IntoIterator<Item = Step>) -> Self {
        let connections = (connections.start_bound().cloned(), connections.end_bound().cloned());
        self.rules.push(Rule { connections, steps: steps.into_iter().collect() });
        self
    }

    pub(super) fn steps(&self, nth: u64) -> Vec<Step> {
        let rule = self.rules.iter().find(|rule| rule.connections.contains(&nth));
        rule.map(|rule| rule.steps.clone()).unwrap_or_default()
    }
}
