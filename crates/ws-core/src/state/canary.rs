//! The canary: a publication that the server makes for itself at an interval, and that has to arrive.
//!
//! It takes the way of every publication: it waits for room, goes through the engine into the log of its channel, and
//! is written by every fan-out task, each to a reader in this process. The channel's name is not valid, so no client
//! can reach it; it is not in the registry, so nothing lists or counts it. One canary is under way at a time.
//!
//! Here: what is known about the canary, and the verdict. Who sends it: `hub/canary.rs`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use crate::channel::Channel;
use crate::clock::Clock;
use crate::gate::Gate;
use crate::limits::CANARY_INTERVALS_MAX;
use crate::options::ChannelOptions;

/// The name of its channel, unless servers share their store. Not a valid one: those have no `*`.
pub const CANARY_CHANNEL: &str = "*canary";

/// Whether this is the name of the channel of a canary.
pub(super) fn is_canary(channel: &str) -> bool {
    channel.starts_with(CANARY_CHANNEL)
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Canary {
    channel: Arc<Channel>,
    interval: Duration,
    clock: Clock,
    state: Mutex<State>,
    completed: Notify,
}

#[derive(Debug)]
struct State {
    /// The number of the one that is under way, or of the last one; 0: there was none.
    number: u64,
    stage: Stage,
    /// The fan-out tasks that have not delivered it, as bits.
    missing: u64,
    sent: Duration,
    /// When one was last complete; at first, when the canary was started.
    completed: Duration,
    round_trip: Option<Duration>,
    /// What the engine said, if it refused the last one.
    refusal: Option<String>,
    arrived: u64,
    failures: u64,
}

/// What a canary waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// For the next interval.
    Interval,
    /// For the engine, which is asked for the position of the channel's stream.
    Position,
    /// For room, as any publisher.
    Room,
    /// For the engine to store it.
    Engine,
    /// For the fan-out.
    Fanout,
}

/// What the canary has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryStats {
    /// Of the last one that arrived; `None`: none has.
    pub round_trip: Option<Duration>,
    /// How many have arrived.
    pub arrived: u64,
    /// How many were refused, or did not arrive in time.
    pub failures: u64,
}

impl Canary {
    /// `is_shared`: other servers use the same store, so its channel has a name of its own.
    pub(crate) fn new(interval: Duration, clock: Clock, gate: &Gate, is_shared: bool) -> Self {
        let name = if is_shared { format!("{CANARY_CHANNEL}:{}", Uuid::new_v4()) } else { CANARY_CHANNEL.to_owned() };
        let channel = Channel::new(&name, Arc::new(ChannelOptions::canary()), gate);
        let state = State {
            number: 0,
            stage: Stage::Interval,
            missing: 0,
            sent: Duration::ZERO,
            completed: clock.elapsed(),
            round_trip: None,
            refusal: None,
            arrived: 0,
            failures: 0,
        };
        Canary { channel: Arc::new(channel), interval, clock, state: Mutex::new(state), completed: Notify::new() }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// The time without an arrival after which it has failed.
    pub(crate) fn patience(&self) -> Duration {
        self.interval * CANARY_INTERVALS_MAX
    }

    /// Begins the next one, which all these fan-out tasks have to deliver, and returns its number.
    pub(crate) fn begin(&self, shards: usize) -> u64 {
        let mut state = self.state.lock();
        state.number += 1;
        state.sent = self.clock.elapsed();
        state.missing = u64::MAX >> (u64::BITS as usize - shards);
        state.stage = Stage::Position;
        state.number
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state.lock().stage
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.state.lock().stage = stage;
        self.check();
    }

    /// A fan-out task has delivered this one.
    pub(crate) fn delivered(&self, number: u64, shard: usize) {
        let mut state = self.state.lock();
        if number == state.number {
            state.missing &= !(1 << shard);
        }
        drop(state);
        self.check();
    }

    /// The engine did not take it. `reason`: it cannot take any; `None`: only not now.
    pub(crate) fn refused(&self, reason: Option<String>) {
        let mut state = self.state.lock();
        state.failures += 1;
        state.stage = Stage::Interval;
        state.refusal = reason;
    }

    /// The engine did not take it, and is well otherwise: that says nothing against this server.
    pub(crate) fn put_off(&self) {
        let mut state = self.state.lock();
        state.failures += 1;
        state.stage = Stage::Interval;
        state.refusal = None;
        state.completed = self.clock.elapsed();
    }

    /// It has not arrived in time.
    pub(crate) fn missed(&self) {
        self.state.lock().failures += 1;
    }

    /// Waits until the one that is under way is complete: the engine has answered, and every fan-out task delivered it.
    pub(crate) async fn completed(&self) {
        loop {
            let completed = self.completed.notified();
            if self.stage() == Stage::Interval {
                return;
            }
            completed.await;
        }
    }

    fn check(&self) {
        let mut state = self.state.lock();
        if state.stage != Stage::Fanout || state.missing != 0 {
            return;
        }
        let now = self.clock.elapsed();
        state.stage = Stage::Interval;
        state.completed = now;
        state.round_trip = Some(now.saturating_sub(state.sent));
        state.refusal = None;
        state.arrived += 1;
        drop(state);
        self.completed.notify_waiters();
    }

    pub(crate) fn stats(&self) -> CanaryStats {
        let state = self.state.lock();
        CanaryStats { round_trip: state.round_trip, arrived: state.arrived, failures: state.failures }
    }

    /// Whether what is published arrives.
    ///
    /// # Errors
    /// `engine_unavailable`: the engine refuses the canary, or does not answer; `overloaded`: it is stuck elsewhere. The
    /// message says where.
    pub(crate) fn verdict(&self) -> Result<(), ErrorBody> {
        let state = self.state.lock();
        if let Some(reason) = &state.refusal {
            let message = format!("the canary was refused: {reason}");
            return Err(ErrorBody::new(ErrorCode::EngineUnavailable, message));
        }
        let silent = self.clock.elapsed().saturating_sub(state.completed);
        if silent <= self.patience() {
            return Ok(());
        }
        let (code, why) = match state.stage {
            Stage::Interval => (ErrorCode::Overloaded, "the server does not get round to sending it".to_owned()),
            Stage::Position => (ErrorCode::EngineUnavailable, "the engine does not answer queries".to_owned()),
            Stage::Room => (ErrorCode::Overloaded, "publishers wait for room".to_owned()),
            Stage::Engine => (ErrorCode::EngineUnavailable, "the engine does not store it".to_owned()),
            Stage::Fanout => {
                let shards = (0..u64::BITS).filter(|shard| state.missing & (1 << shard) != 0);
                let shards: Vec<_> = shards.map(|shard| shard.to_string()).collect();
                (ErrorCode::Overloaded, format!("not delivered by the fan-out of shard {}", shards.join(", ")))
            }
        };
        let message = format!("no canary has arrived for {:.1} s: {why}", silent.as_secs_f64());
        Err(ErrorBody::new(code, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn canary() -> Canary {
        Canary::new(Duration::from_secs(5), Clock::start(), &Gate::new(&Limits::TEST), false)
    }

    #[tokio::test(start_paused = true)]
    async fn every_fan_out_task_and_the_engine_have_to_answer() {
        let canary = canary();
        let number = canary.begin(2);
        canary.enter(Stage::Engine);
        canary.delivered(number, 1);
        canary.delivered(number, 0);
        assert_eq!(canary.stats().arrived, 0, "the engine has not answered");
        tokio::time::advance(Duration::from_millis(30)).await;
        canary.enter(Stage::Fanout);
        canary.completed().await;
        let expect = CanaryStats { round_trip: Some(Duration::from_millis(30)), arrived: 1, failures: 0 };
        assert_eq!(canary.stats(), expect);

        canary.begin(2);
        canary.enter(Stage::Fanout);
        canary.delivered(number, 0);
        canary.delivered(number, 1);
        assert_eq!(canary.stage(), Stage::Fanout, "those were deliveries of the one before");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_put_off_is_a_failure_and_no_verdict() {
        let canary = canary();
        canary.refused(Some("it is full".to_owned()));
        for _ in 0..5 {
            canary.begin(1);
            tokio::time::advance(Duration::from_secs(10)).await;
            canary.put_off();
            assert!(canary.verdict().is_ok());
        }
        assert_eq!(canary.stats().failures, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn the_verdict_says_where_it_is_stuck() {
        let canary = canary();
        let check = |expect: &str| {
            let message = canary.verdict().err().map(|error| error.message).unwrap_or_default();
            assert!(message.ends_with(expect) && message.is_empty() == expect.is_empty(), "{message}, not {expect}");
        };
        tokio::time::advance(Duration::from_secs(15)).await;
        check("");
        tokio::time::advance(Duration::from_millis(100)).await;
        check("for 15.1 s: the server does not get round to sending it");
        let number = canary.begin(64);
        check("the engine does not answer queries");
        canary.enter(Stage::Room);
        check("publishers wait for room");
        canary.enter(Stage::Engine);
        check("the engine does not store it");
        (0..64).filter(|shard| ![3, 63].contains(shard)).for_each(|shard| canary.delivered(number, shard));
        canary.enter(Stage::Fanout);
        check("not delivered by the fan-out of shard 3, 63");
        [3, 63].into_iter().for_each(|shard| canary.delivered(number, shard));
        check("");
        canary.refused(Some("the disk is full".to_owned()));
        check("the canary was refused: the disk is full");
        canary.refused(None);
        check("");
        assert_eq!(canary.stats().failures, 2);
    }
}
