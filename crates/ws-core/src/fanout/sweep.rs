//! What members need besides publications: heartbeats, write timeouts, auth deadlines, the announcement of a drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use ws_proto::event::{Draining, Notify};
use ws_proto::{CloseCode, encode_notification, encode_ping};

use super::readers::Member;
use super::state::Fanout;
use crate::connection::Connection;
use crate::frame::{self, Opcode};
use crate::heartbeat::{Beat, HeartbeatMode};
use crate::histogram::Tally;
use crate::limits::{
    FANOUT_WRITES_PER_TURN, PRESENCE_COUNTS_INTERVAL, STALL_LOGGED_MIN, SWEEP_INTERVAL_MAX, SWEEP_INTERVAL_MIN,
};
use crate::state::Shared;

impl Fanout {
    /// Announces a drain to every member that was not notified of it yet.
    pub(super) async fn announce(&mut self) {
        let Some(plan) = self.drain.clone() else { return };
        let unannounced: Vec<_> =
            self.all.members.iter().filter(|(_, member)| !member.drain_announced).map(|(id, _)| id).collect();
        for slice in unannounced.chunks(FANOUT_WRITES_PER_TURN) {
            let now_ms = self.shared.clock.now_ms();
            for id in slice {
                let Some(member) = self.all.members.get_mut(*id) else { continue };
                member.drain_announced = true;
                notify(&member.connection, &Draining { reconnect_after_ms: plan.slot() }, now_ms);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Checks heartbeats, write timeouts and auth deadlines, and does whatever else is due.
    pub(super) fn sweep(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let swept_ms = std::mem::replace(&mut self.swept_ms, now_ms);
        let late_ms = now_ms.saturating_sub(swept_ms);
        // Not twice in a row: a server that is late at every sweep still has to find dead connections.
        self.has_stalled = late_ms > stall_ms(&self.shared) && !self.has_stalled;
        if self.has_stalled {
            self.stalled_ms = now_ms;
            if late_ms > millis(STALL_LOGGED_MIN) {
                tracing::warn!(
                    late_ms,
                    shard = self.shard,
                    "the server stalled; client timeouts are not enforced for that time"
                );
            }
        }
        let unix_ms = self.shared.clock.time_of_day();
        let write_timeout_ms = millis(self.shared.limits.write_timeout);
        for (_, member) in self.all.members.iter_mut() {
            let full_since_ms = member.connection.full_since_ms().map(|since| since.max(self.stalled_ms));
            if write_timeout_ms > 0 && full_since_ms.is_some_and(|since| now_ms - since.min(now_ms) >= write_timeout_ms)
            {
                member.connection.close(CloseCode::TooSlow);
            }
            // After a stall, what has arrived in the socket is read before a deadline counts.
            if !self.has_stalled && member.connection.auth_state().take_elapsed(now_ms, unix_ms) {
                member.connection.call();
            }
            if now_ms >= member.check_at_ms {
                member.check_at_ms = beat(&self.shared, member, self.stalled_ms, now_ms);
            }
        }
        self.record_blocked();
        std::mem::take(&mut self.failed).into_iter().for_each(|reader| self.retry(reader));
        if self.shard == 0 && now_ms - self.counts_sent_ms >= millis(PRESENCE_COUNTS_INTERVAL) {
            self.counts_sent_ms = now_ms;
            self.shared.send_due_counts();
        }
    }
}

impl Fanout {
    /// Records how far readers are behind whose sockets are full: nobody visits them.
    fn record_blocked(&self) {
        let mut lag = Tally::default();
        let blocked = self.all.members.iter().filter(|(_, member)| member.blocked);
        blocked
            .flat_map(|(_, member)| member.pending.iter(&self.all.readers))
            .for_each(|reader| lag.add(self.all.lag(reader)));
        self.shared.counters.cursor_lag.take(&mut lag);
    }
}

/// Does what the heartbeat requires now, and returns when to check again. A connection counts as heard at `stalled_ms`,
/// when the last stall ended.
fn beat(shared: &Arc<Shared>, member: &mut Member, stalled_ms: u64, now_ms: u64) -> u64 {
    let (heard, spoke) = member.connection.last_ms();
    match shared.heartbeat.judge(now_ms, heard.max(stalled_ms), spoke, member.pinged_ms) {
        Beat::Wait(until_ms) => until_ms,
        Beat::Dead => {
            member.connection.close(CloseCode::HeartbeatTimeout);
            // The connection's task keeps it open if its socket has something to read.
            now_ms + shared.heartbeat.timeout_ms.max(millis(SWEEP_INTERVAL_MAX))
        }
        Beat::Ping => {
            member.pinged_ms = now_ms;
            // Through a full socket a ping could not arrive in time, and it would only add to the backlog.
            if !member.blocked {
                shared.counters.pings.add(1);
                member.connection.pinged(shared.clock.now_us());
                ping(&member.connection, now_ms);
            }
            now_ms
        }
    }
}

fn ping(connection: &Connection, now_ms: u64) {
    match connection.heartbeat_mode() {
        HeartbeatMode::Ping => connection.send(&frame::PING, now_ms),
        HeartbeatMode::App => {
            let mut ping = Vec::new();
            frame::append(Opcode::Text, &mut ping, |out| out.extend_from_slice(encode_ping().as_bytes()));
            connection.send(&ping, now_ms);
        }
    }
}

fn notify<E: Notify>(connection: &Connection, event: &E, now_ms: u64) {
    let mut bytes = Vec::new();
    frame::append(Opcode::Text, &mut bytes, |out| encode_notification(event, out));
    connection.send(&bytes, now_ms);
}

/// Sweeps often enough that nothing is late by more than an eighth of its time, within the bounds of the interval.
pub(super) fn sweep_interval(shared: &Shared) -> Interval {
    let mut interval = tokio::time::interval(sweep_period(shared));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn sweep_period(shared: &Shared) -> Duration {
    let heartbeat = [shared.heartbeat.interval_ms, shared.heartbeat.timeout_ms, millis(shared.limits.write_timeout)];
    let auth = [shared.auth.authenticate_within, shared.auth.expiry_notice, shared.auth.expiry_grace].map(millis);
    let shortest = heartbeat.into_iter().chain(auth).filter(|ms| *ms > 0).min().unwrap_or(u64::MAX);
    Duration::from_millis(shortest / 8).clamp(SWEEP_INTERVAL_MIN, SWEEP_INTERVAL_MAX)
}

/// If more time than this passes between two sweeps, the process has stalled: it was stopped, moved to another machine,
/// or is being debugged. With a period of an eighth, this is half of the shortest time that is swept for.
fn stall_ms(shared: &Shared) -> u64 {
    4 * millis(sweep_period(shared))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
