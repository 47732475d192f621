//! What happened so far, and whether the port is open: known to every connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::fault::Fault;

/// How many lines of its log a proxy keeps: the newest.
const LOG_LINES_MAX: usize = 200;

/// Whether new connections are accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    Open,
    /// Refused, until then or until the gate is opened.
    Refusing(Option<Instant>),
}

/// The lock is held for a few instructions only, and no other is taken under it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) gate: watch::Sender<Gate>,
    started: Instant,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    counts: BTreeMap<&'static str, u64>,
    log: VecDeque<String>,
}

impl Record {
    pub(super) fn new() -> Self {
        Record { gate: watch::Sender::new(Gate::Open), started: Instant::now(), faults: Mutex::default() }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Faults) -> T) -> T {
        look(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts and logs what happened to a connection.
    pub(super) fn happened(&self, nth: u64, fault: Fault) {
        let line = format!("{:>9.3?} connection {nth}: {fault:?}", self.started.elapsed());
        self.with(|faults| {
            *faults.counts.entry(fault.name()).or_default() += 1;
            faults.log.push_back(line);
            if faults.log.len() > LOG_LINES_MAX {
                faults.log.pop_front();
            }
        });
        if let Fault::Refuse(time) = fault {
            self.gate.send_replace(Gate::Refusing(Some(Instant::now() + time)));
        }
    }

    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.with(|faults| faults.counts.clone())
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.with(|faults| faults.log.iter().cloned().collect())
    }
}
