//! What members need besides publications: heartbeats, write timeouts, a look at their tokens, the news of a drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use ws_proto::event::{Draining, Notify};
use ws_proto::{CloseCode, encode_notification, encode_ping};

use super::Fanout;
use super::readers::Member;
use crate::connection::Connection;
use crate::frame::{self, Opcode};
use crate::heartbeat::{Beat, HeartbeatMode};
use crate::hub::Shared;
use crate::limits::{FANOUT_WRITES_PER_TURN, PRESENCE_COUNTS_INTERVAL, SWEEP_INTERVAL_MAX, SWEEP_INTERVAL_MIN};

impl Fanout {
    /// Tells every member of a drain that has not been told yet.
    pub(super) async fn announce(&mut self) {
        let Some(plan) = self.drain.clone() else { return };
        let untold: Vec<_> =
            self.all.members.iter().filter(|(_, member)| !member.told).map(|(index, _)| index).collect();
        for slice in untold.chunks(FANOUT_WRITES_PER_TURN) {
            let now_ms = self.shared.clock.now_ms();
            for index in slice {
                let Some(member) = self.all.members.get_mut(*index) else { continue };
                member.told = true;
                notify(&member.connection, &Draining { reconnect_after_ms: plan.slot() }, now_ms);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Heartbeats, write timeouts and tokens, and what else is due.
    pub(super) fn sweep(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let unix_ms = self.shared.clock.time_of_day();
        let write_timeout_ms = millis(self.shared.limits.write_timeout);
        for (_, member) in &mut self.all.members {
            let full_since_ms = member.connection.full_since_ms();
            if write_timeout_ms > 0 && full_since_ms.is_some_and(|since| now_ms - since.min(now_ms) >= write_timeout_ms)
            {
                member.connection.close(CloseCode::TooSlow);
            }
            if member.connection.standing().has_come(now_ms, unix_ms) {
                member.connection.wake();
            }
            if now_ms >= member.check_at_ms {
                member.check_at_ms = beat(&self.shared, member, now_ms);
            }
        }
        std::mem::take(&mut self.failed).into_iter().for_each(|reader| self.answered(reader));
        if self.shard == 0 && now_ms - self.counts_paid_ms >= millis(PRESENCE_COUNTS_INTERVAL) {
            self.counts_paid_ms = now_ms;
            self.shared.pay_counts();
        }
    }
}

/// Does what the heartbeat asks for now, and says when to look again.
fn beat(shared: &Arc<Shared>, member: &mut Member, now_ms: u64) -> u64 {
    let (heard, spoke) = member.connection.last_ms();
    match shared.heartbeat.judge(now_ms, heard, spoke, member.pinged_ms) {
        Beat::Wait(until_ms) => until_ms,
        Beat::Dead => {
            member.connection.close(CloseCode::HeartbeatTimeout);
            u64::MAX
        }
        Beat::Ping => {
            member.pinged_ms = now_ms;
            // Behind a full socket a ping could not arrive in time, and would only add to what waits there.
            if !member.waiting {
                shared.counters.pings.add(1);
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

/// Often enough that what is due is done an eighth of its time late at most.
pub(super) fn sweep_interval(shared: &Shared) -> Interval {
    let heartbeat = [shared.heartbeat.interval_ms, shared.heartbeat.timeout_ms, millis(shared.limits.write_timeout)];
    let auth = [shared.auth.authenticate_within, shared.auth.expiry_notice, shared.auth.expiry_grace].map(millis);
    let shortest = heartbeat.into_iter().chain(auth).filter(|ms| *ms > 0).min().unwrap_or(u64::MAX);
    let period = Duration::from_millis(shortest / 8).clamp(SWEEP_INTERVAL_MIN, SWEEP_INTERVAL_MAX);
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
