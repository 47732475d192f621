//! What is known of one connection: its weather, and which step comes next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::fault::{End, Fault, Way, Weather};
use super::record::Record;
use super::rng::Rng;
use super::script::Step;

/// One connection. The lock is held for a few instructions only, and no other is taken under it.
#[derive(Debug)]
pub(super) struct Link {
    nth: u64,
    seed: u64,
    record: Arc<Record>,
    weather: watch::Sender<Weather>,
    progress: Mutex<Progress>,
}

/// How far the script has come.
#[derive(Debug)]
struct Progress {
    left: VecDeque<Step>,
    /// When the last step was done.
    since: Instant,
    /// Bytes that have gone each way since then.
    passed: [u64; 2],
}

impl Progress {
    /// Takes the next step, if it is its time.
    fn take_due(&mut self) -> Option<Fault> {
        let step = self.left.front()?;
        let by_bytes = step.bytes.is_some_and(|(way, bytes)| self.passed[way as usize] >= bytes);
        let by_time = step.time.is_some_and(|time| self.since + time <= Instant::now());
        let step = if by_bytes || by_time { self.left.pop_front() } else { None }?;
        (self.since, self.passed) = (Instant::now(), [0; 2]);
        Some(step.fault)
    }
}

impl Link {
    pub(super) fn new(nth: u64, seed: u64, steps: Vec<Step>, record: Arc<Record>) -> Self {
        let progress = Mutex::new(Progress { left: steps.into(), since: Instant::now(), passed: [0; 2] });
        Link { nth, seed, record, weather: watch::Sender::new(Weather::default()), progress }
    }

    /// The random numbers of one direction.
    pub(super) fn rng(&self, way: Way) -> Rng {
        Rng::new(self.seed, self.nth * 2 + way as u64)
    }

    pub(super) fn weather(&self) -> watch::Receiver<Weather> {
        self.weather.subscribe()
    }

    /// Does this to the connection.
    pub(super) fn apply(&self, fault: Fault) {
        self.record.happened(self.nth, fault);
        self.weather.send_modify(|weather| weather.apply(fault));
    }

    fn progress<T>(&self, look: impl FnOnce(&mut Progress) -> T) -> T {
        look(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what is due.
    pub(super) fn step(&self) {
        while let Some(fault) = self.progress(Progress::take_due) {
            self.apply(fault);
        }
    }

    /// How many bytes may go this way before the next step: at least 1, because what is due is done.
    pub(super) fn room(&self, way: Way) -> usize {
        let bytes = self.progress(|progress| {
            let (of, bytes) = progress.left.front()?.bytes?;
            (of == way).then(|| bytes.saturating_sub(progress.passed[way as usize]))
        });
        bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// So many bytes have gone this way.
    pub(super) fn passed(&self, way: Way, bytes: usize) {
        self.progress(|progress| progress.passed[way as usize] += bytes as u64);
        self.step();
    }

    /// The sender of this way has ended.
    pub(super) fn read_out(&self, way: Way) {
        self.weather.send_modify(|weather| weather.read_out[way as usize] = true);
    }

    /// Does the steps that wait for a time, for as long as it is polled.
    pub(super) async fn clock(&self) {
        let mut weather = self.weather();
        loop {
            self.step();
            let next = self.progress(|progress| Some(progress.since + progress.left.front()?.time?));
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                // Every step changes the weather, and then another one is next.
                _ = weather.changed() => {}
            }
        }
    }

    /// How it ends, once that is known.
    pub(super) async fn ended(&self) -> End {
        let mut weather = self.weather();
        let ended = weather.wait_for(|weather| weather.end.is_some() || weather.is_deserted()).await;
        ended.ok().and_then(|weather| weather.end).unwrap_or(End::Reset)
    }
}
