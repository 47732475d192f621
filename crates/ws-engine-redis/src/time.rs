//! How Redis's clock is read: some times when a connection begins, and then every second.

use std::sync::Arc;

use tokio::time::Instant;

use crate::limits::CLOCK_READINGS;
use crate::link::{Failure, Link};
use crate::resp::Value;
use crate::shared::Shared;

impl Shared {
    /// Reads the clock of a Redis that was just connected.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn read_clock(&self, link: &Link) -> Result<(), String> {
        self.clock.forget();
        for _ in 0..CLOCK_READINGS {
            let asked = Instant::now();
            let time = link.call(["TIME"]).await;
            self.take_time(asked, time).map_err(|failure| format!("its clock cannot be read: {failure}"))?;
        }
        Ok(())
    }

    /// Reads the clock once more, if it is time.
    pub(crate) fn tick_clock(self: &Arc<Self>) {
        if !self.clock.is_due() {
            return;
        }
        let Some(link) = self.writer.read().clone() else { return };
        let (shared, asked) = (self.clone(), Instant::now());
        // A connection that has ended is replaced, and the clock is read then.
        let _ = link.send(|batch| batch.command(["TIME"], move |time| drop(shared.take_time(asked, time))));
    }

    fn take_time(&self, asked: Instant, time: Result<Value, Failure>) -> Result<(), Failure> {
        let time = time?;
        let parts = time.as_array().unwrap_or_default();
        if let [Some(seconds), Some(us)] = [0, 1].map(|at| parts.get(at).and_then(Value::as_int)) {
            self.clock.read(asked, seconds.saturating_mul(1_000_000).saturating_add(us), Instant::now());
        }
        Ok(())
    }
}
