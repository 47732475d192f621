//! The fan-out: one task per shard that goes round its connections and writes to each, without waiting,
//! everything between its cursor and the log's current end.
//!
//! One wake-up serves all connections, and what was published while a round is under way joins it, so
//! the busier the server is, the more publications share a system call. A connection whose socket is
//! full leaves the round until its own task resumes it. The same task looks after heartbeats and write
//! timeouts of its connections, so that an idle connection costs no timer.

mod window;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use ws_proto::event::{BroadcastGap, Draining, Notify};
use ws_proto::{CloseCode, encode_notification, encode_ping};

use self::window::Window;
use crate::connection::{Connection, Delivered};
use crate::frame::{self, Opcode};
use crate::heartbeat::{Beat, HeartbeatMode};
use crate::hub::{DrainPlan, Notice, Shared};
use crate::limits::{FANOUT_SKIPS_PER_TURN, FANOUT_WRITES_PER_TURN, SWEEP_INTERVAL_MAX, SWEEP_INTERVAL_MIN};

/// The task of one shard, and all that it alone owns.
#[derive(Debug)]
pub(crate) struct Fanout {
    shared: Arc<Shared>,
    shard: usize,
    members: Vec<Member>,
    /// For readers that keep up.
    live: Window,
    /// For readers that are further behind, so that they do not displace what the others need.
    late: Window,
    /// Every live member has been offered the log up to here.
    done: u64,
    /// A member has been resumed, or one that was behind has left.
    disturbed: bool,
    drain: Option<Arc<DrainPlan>>,
    closing: Option<CloseCode>,
}

#[derive(Debug)]
struct Member {
    connection: Arc<Connection>,
    cursor: u64,
    /// Its socket is full: out of the round until it is resumed.
    waiting: bool,
    /// It knows of the drain.
    told: bool,
    pinged_ms: u64,
    /// When its heartbeat is looked at next.
    check_at_ms: u64,
}

/// What happens between two yields.
#[derive(Debug, Default)]
struct Turn {
    now_ms: u64,
    writes: usize,
    skips: usize,
    deliveries: u64,
    bytes: u64,
}

impl Fanout {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Self {
        Fanout {
            shared,
            shard,
            members: Vec::new(),
            live: Window::default(),
            late: Window::default(),
            done: 0,
            disturbed: false,
            drain: None,
            closing: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut sweep = sweep_interval(&self.shared);
        loop {
            tokio::select! {
                () = self.shared.notified(self.shard) => {}
                _ = sweep.tick() => self.sweep(),
            }
            self.follow(self.shared.take_notices(self.shard));
            self.announce().await;
            if self.has_work() {
                self.round().await;
            }
        }
    }

    /// Whether somebody may have something to read, or the log something to give up. Coming and going
    /// alone is no reason to go round.
    fn has_work(&self) -> bool {
        self.disturbed || self.shared.log.end() > self.done
    }

    /// Offers to every live member what was in the log when the round began, and what came since.
    async fn round(&mut self) {
        let settled_bytes = self.shared.log.appended_bytes();
        let target = self.shared.log.end();
        self.disturbed = false;
        let mut turn = self.turn();
        for at in 0..self.members.len() {
            while self.visit(at, target, &mut turn) {
                if turn.is_over() {
                    turn = self.end_turn(turn).await;
                }
            }
            if turn.is_over() {
                turn = self.end_turn(turn).await;
            }
        }
        self.count(&turn);
        self.done = target;
        self.shared.gate.settle(self.shard, settled_bytes);
        self.trim();
    }

    /// Writes to one member once. True when it is to be visited again for what is before `target`.
    fn visit(&mut self, at: usize, target: u64, turn: &mut Turn) -> bool {
        let (log, member) = (&self.shared.log, &mut self.members[at]);
        if member.waiting || member.cursor >= log.end() {
            turn.skips += 1;
            return false;
        }
        let window = if member.cursor < self.live.start() { &mut self.late } else { &mut self.live };
        let (first, run) = window.run(log, member.cursor);
        if first > member.cursor {
            let missed = first - member.cursor;
            self.shared.counters.gaps.add(1);
            self.shared.counters.missed.add(missed);
            notify(&member.connection, &BroadcastGap { broadcast: true, missed }, turn.now_ms);
        }
        turn.writes += 1;
        let delivered = member.connection.deliver(run, turn.now_ms);
        let frames = match delivered {
            Delivered::All => run.ends.len(),
            Delivered::Blocked(frames) => frames,
            Delivered::Ended => 0,
        };
        member.waiting = delivered != Delivered::All;
        member.cursor = first + frames as u64;
        turn.deliveries += frames as u64;
        turn.bytes += if frames == 0 { 0 } else { (run.ends[frames - 1] - run.base) as u64 };
        self.shared.counters.blocked.add(u64::from(matches!(delivered, Delivered::Blocked(_))));
        !member.waiting && member.cursor < target
    }

    /// Gives up what no connection needs any more.
    fn trim(&mut self) {
        let mut retained = self.shared.log.lock();
        // Taken under the log's lock: nobody can join in between at a cursor that is then trimmed away.
        let notices = self.shared.take_notices(self.shard);
        let joining = notices.iter().filter_map(|notice| match notice {
            Notice::Join(_, cursor) => Some(*cursor),
            _ => None,
        });
        let low = self.members.iter().map(|member| member.cursor).chain(joining).min();
        let low = self.shared.low_water(self.shard, low.unwrap_or(retained.end()));
        retained.trim_to(low);
        let all_read = retained.end() == low;
        drop(retained);
        if all_read {
            self.live.restart(low);
            self.late.restart(low);
        }
        self.follow(notices);
    }

    fn follow(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            match notice {
                Notice::Join(connection, cursor) => self.join(connection, cursor),
                Notice::Resume(connection) => {
                    if let Some(member) = self.members.get_mut(connection.slot.load(Ordering::Relaxed)) {
                        member.waiting = false;
                        self.disturbed = true;
                    }
                }
                Notice::Leave(connection) => self.leave(&connection),
                Notice::Drain(plan) => self.drain = Some(plan),
                Notice::Close(code) => {
                    self.closing = Some(code);
                    self.members.iter().for_each(|member| member.connection.close(code));
                }
            }
        }
    }

    fn join(&mut self, connection: Arc<Connection>, cursor: u64) {
        if let Some(code) = self.closing {
            connection.close(code);
        }
        // Published after it joined, and offered to all before it was known.
        self.disturbed |= cursor < self.done;
        connection.slot.store(self.members.len(), Ordering::Relaxed);
        let now_ms = self.shared.clock.now_ms();
        let member = Member { connection, cursor, waiting: false, told: false, pinged_ms: now_ms, check_at_ms: now_ms };
        self.members.push(member);
    }

    fn leave(&mut self, connection: &Connection) {
        let slot = connection.slot.swap(usize::MAX, Ordering::Relaxed);
        if slot >= self.members.len() {
            return;
        }
        self.disturbed |= self.members.swap_remove(slot).waiting;
        if let Some(moved) = self.members.get(slot) {
            moved.connection.slot.store(slot, Ordering::Relaxed);
        }
        if self.members.is_empty() {
            self.members = Vec::new();
        }
    }

    /// Tells every member of a drain that has not been told yet.
    async fn announce(&mut self) {
        let Some(plan) = self.drain.clone() else { return };
        for members in self.members.chunks_mut(FANOUT_WRITES_PER_TURN) {
            let now_ms = self.shared.clock.now_ms();
            for member in members.iter_mut().filter(|member| !member.told) {
                member.told = true;
                notify(&member.connection, &Draining { reconnect_after_ms: plan.slot() }, now_ms);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Heartbeats and write timeouts.
    fn sweep(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let write_timeout_ms = millis(self.shared.limits.write_timeout);
        for member in &mut self.members {
            let full_since_ms = member.connection.full_since_ms();
            if write_timeout_ms > 0 && full_since_ms.is_some_and(|since| now_ms - since.min(now_ms) >= write_timeout_ms)
            {
                member.connection.close(CloseCode::TooSlow);
            }
            if now_ms >= member.check_at_ms {
                member.check_at_ms = beat(&self.shared, member, now_ms);
            }
        }
    }

    fn turn(&self) -> Turn {
        Turn { now_ms: self.shared.clock.now_ms(), ..Turn::default() }
    }

    async fn end_turn(&mut self, turn: Turn) -> Turn {
        self.count(&turn);
        tokio::task::yield_now().await;
        self.turn()
    }

    fn count(&self, turn: &Turn) {
        if turn.deliveries > 0 {
            self.shared.counters.deliveries.add(turn.deliveries);
            self.shared.counters.bytes_sent.add(turn.bytes);
        }
    }
}

impl Turn {
    fn is_over(&self) -> bool {
        self.writes >= FANOUT_WRITES_PER_TURN || self.skips >= FANOUT_SKIPS_PER_TURN
    }
}

/// Does what the heartbeat asks for now, and says when to look again.
fn beat(shared: &Shared, member: &mut Member, now_ms: u64) -> u64 {
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
fn sweep_interval(shared: &Shared) -> Interval {
    let heartbeat = [shared.heartbeat.interval_ms, shared.heartbeat.timeout_ms, millis(shared.limits.write_timeout)];
    let shortest = heartbeat.into_iter().filter(|ms| *ms > 0).min().unwrap_or(u64::MAX);
    let period = Duration::from_millis(shortest / 8).clamp(SWEEP_INTERVAL_MIN, SWEEP_INTERVAL_MAX);
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
