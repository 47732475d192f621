//! Writing. Every partition has a lane for what is stored, and one for what is only passed on, as a Redis without room takes
//! the latter alone. In a lane one pipeline is in flight, and what comes meanwhile goes with the next one. So in a channel,
//! whose publications are all of one kind, nothing overtakes anything, whatever has to be repeated; and under load many
//! publications share a round trip.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::{Appended, Done, EngineError, Epoch, RoundTrip};

use crate::job::{Appending, Group, Job, Removing, take};
use crate::limits::APPEND_WAIT;
use crate::link::{Batch, Failure};
use crate::message::{Node, epoch};
use crate::queue::{LANES, Lane};
use crate::refusal::Refusal;
use crate::replicas::Replicas;
use crate::resp::Value;
use crate::scripts::{Script, ttl_ms};
use crate::shared::{Shared, random, title};

/// A pipeline in flight.
#[derive(Debug)]
pub(crate) struct Round {
    lane: usize,
    sent: Instant,
    left: AtomicUsize,
    /// What has to go again, with its place.
    again: Mutex<Vec<(usize, Vec<Job>)>>,
    is_refused: AtomicBool,
    /// Who waits until replicas have it too.
    replicas: Option<Arc<Replicas>>,
}

impl Shared {
    /// Puts something into the lane of its channel.
    pub(crate) fn submit(self: &Arc<Self>, channel: &str, job: Job) {
        let lane = LANES * self.keys.partition(channel) + usize::from(job.is_passed_on());
        let mut state = self.lanes[lane].0.lock();
        if self.is_closed() {
            drop(state);
            return self.give_up(job, self.unavailable());
        }
        state.queue.push_back(job);
        drop(state);
        self.flush(lane);
    }

    /// Sends the next pipeline of a lane, if it may go.
    pub(crate) fn flush(self: &Arc<Self>, lane: usize) {
        let Some(link) = self.writer.read().clone() else { return };
        let replicas = self.replicas.read().clone().filter(|replicas| replicas.is_of(&link));
        if replicas.is_none() && self.options.replicas_min > 0 {
            return;
        }
        let generation = self.generation(lane / LANES);
        let mut state = self.lanes[lane].0.lock();
        let is_paused = state.paused_until.is_some_and(|until| until > Instant::now());
        // Who may have been taken for dead asks first. The timer tries again.
        if generation == 0 || state.in_flight || is_paused || self.nodes.may_have_lapsed() {
            return;
        }
        let groups = take(&mut state.queue, self.options.batch_publications_max);
        if groups.is_empty() {
            return;
        }
        state.in_flight = true;
        drop(state);
        let (left, again) = (AtomicUsize::new(groups.len()), Mutex::default());
        let sent = Instant::now();
        let round = Arc::new(Round { lane, sent, left, again, is_refused: AtomicBool::new(false), replicas });
        let mut groups = Some(groups);
        let send = |batch: &mut Batch<'_>| {
            for (at, group) in groups.take().into_iter().flatten().enumerate() {
                self.command(batch, generation, &round, at, group);
            }
        };
        if link.send(send).is_err() {
            let jobs = groups.into_iter().flatten().flat_map(Group::into_jobs).collect::<Vec<_>>();
            let mut state = self.lanes[lane].0.lock();
            jobs.into_iter().rev().for_each(|job| state.queue.push_front(job));
            state.in_flight = false;
        }
    }

    fn command(self: &Arc<Self>, batch: &mut Batch<'_>, g: u64, round: &Arc<Round>, at: usize, group: Group) {
        let (shared, round, partition) = (self.clone(), round.clone(), round.lane / LANES);
        match group {
            Group::Append(jobs) => {
                let args = self.append_args(partition, g, &jobs);
                batch.command(args, move |result| {
                    shared.appended(&round, at, jobs, result);
                    shared.command_done(&round);
                });
            }
            Group::Pass(append) => {
                let (sequence, args, append) = self.pass(partition, append);
                batch.command(args, move |result| {
                    shared.passed_on(&round, at, append, sequence, result);
                    shared.command_done(&round);
                });
            }
            Group::Remove(remove) => {
                let args = self.remove_args(partition, g, &remove.channel);
                batch.command(args, move |result| {
                    shared.removed(&round, at, remove, result);
                    shared.command_done(&round);
                });
            }
        }
    }

    pub(crate) fn script_keys(&self, partition: usize, channel: &str) -> Vec<Vec<u8>> {
        let keys = &self.keys;
        let of = [keys.meta(partition, channel), keys.stream(partition, channel), keys.ids(partition, channel)];
        std::iter::once(keys.generation(partition)).chain(of).map(String::into_bytes).collect()
    }

    fn append_args(&self, partition: usize, g: u64, jobs: &[Appending]) -> Vec<Vec<u8>> {
        let Some(Appending { channel, retention, .. }) = jobs.first() else { return Vec::new() };
        let mut args = self.eval(Script::Append, self.script_keys(partition, channel));
        let number = |n: u128| n.to_string().into_bytes();
        args.extend([g.to_be_bytes().to_vec(), random().to_vec(), number(retention.size as u128)]);
        args.extend([ttl_ms(*retention).to_string().into_bytes(), number(self.options.position_ttl.as_millis())]);
        args.extend([self.keys.topic(partition, channel).into_bytes(), self.node.to_vec()]);
        for job in jobs {
            let id = job.id.as_ref().map_or_else(Vec::new, |id| [b"+", id.as_bytes()].concat());
            let sent = number(u128::from(job.sent_ms(&self.clock)));
            args.extend([job.bytes.clone(), id, sent, job.tag.to_be_bytes().to_vec()]);
        }
        args
    }

    fn remove_args(&self, partition: usize, g: u64, channel: &str) -> Vec<Vec<u8>> {
        let mut args = self.eval(Script::Remove, self.script_keys(partition, channel));
        let position_ttl = self.options.position_ttl.as_millis().to_string().into_bytes();
        let topic = self.keys.topic(partition, channel).into_bytes();
        args.extend([g.to_be_bytes().to_vec(), random().to_vec(), position_ttl, topic, self.node.to_vec()]);
        args
    }

    fn appended(self: &Arc<Self>, round: &Round, at: usize, jobs: Vec<Appending>, result: Result<Value, Failure>) {
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => return self.not_appended(round, at, jobs, &failure),
        };
        let parts = answer.as_array().unwrap_or_default();
        let number = |at: usize| parts.get(at).and_then(Value::as_bytes).and_then(|bytes| bytes.try_into().ok());
        match (number(0).map(u64::from_be_bytes), number(1).map(u64::from_be_bytes)) {
            (Some(g), Some(e)) if parts.len() == jobs.len() + 2 => {
                self.lanes[round.lane].0.lock().backoff.reset();
                self.stats.written.add(jobs.len() as u64);
                self.refusing.taken(|| title(&self.options, &self.keys));
                for (job, outcome) in jobs.into_iter().zip(&parts[2..]) {
                    self.finish(round, job, (e, g), outcome);
                }
            }
            _ => {
                // The generation is another one: nothing was written.
                round.refuse(at, jobs.into_iter().map(Job::Append).collect());
                self.renew();
            }
        }
    }

    fn finish(self: &Arc<Self>, round: &Round, job: Appending, (e, g): (u64, u64), outcome: &Value) {
        let Appending { channel, bytes, came, done, .. } = job;
        self.units.queue.release(bytes.len(), self.sink());
        let Value::Int(outcome) = outcome else { return done(Err(EngineError::UnknownOutcome)) };
        let (epoch, offset, duplicate) = (epoch(e, g), outcome.unsigned_abs(), *outcome < 0);
        if offset == 0 {
            return done(Err(EngineError::Conflict));
        }
        let answer = Appended { position: Some((epoch, offset)), duplicate };
        self.answer_when_safe(round, channel, (epoch, offset), (came, answer), done);
    }

    fn not_appended(self: &Arc<Self>, round: &Round, at: usize, jobs: Vec<Appending>, failure: &Failure) {
        let refusal = match failure {
            Failure::Refused(error) => Refusal::of(error),
            Failure::Lost { sent: false, .. } => Refusal::Later,
            Failure::Lost { sent: true, .. } => Refusal::Unknown,
        };
        match refusal {
            Refusal::NoScript => self.renew(),
            Refusal::Elsewhere => self.end_pair("this Redis is not the primary of the data any more"),
            Refusal::Later | Refusal::Unknown => {}
        }
        if let (Refusal::Later, Failure::Refused(error)) = (refusal, failure) {
            self.refusing.refused(error);
        }
        if refusal != Refusal::Unknown {
            return round.refuse(at, jobs.into_iter().map(Job::Append).collect());
        }
        let is_lost = matches!(failure, Failure::Lost { .. });
        let mut again = Vec::new();
        for mut job in jobs {
            if is_lost && job.id.is_some() {
                job.is_repeated = true;
                again.push(Job::Append(job));
                continue;
            }
            let unknown = format!("{failure}; whether it was published is not known");
            self.check(&job.channel);
            self.give_up(Job::Append(job), EngineError::Unavailable(unknown));
        }
        round.refuse(at, again);
    }

    fn removed(self: &Arc<Self>, round: &Round, at: usize, remove: Removing, result: Result<Value, Failure>) {
        let answer = match result {
            Ok(answer) => answer,
            // To remove it once more does no harm.
            Err(failure) => {
                if matches!(&failure, Failure::Refused(error) if Refusal::of(error) == Refusal::NoScript) {
                    self.renew();
                }
                return match &failure {
                    Failure::Refused(error) if Refusal::of(error) == Refusal::Unknown => {
                        (remove.done)(Err(EngineError::Unavailable(failure.to_string())));
                    }
                    _ => round.refuse(at, vec![Job::Remove(remove)]),
                };
            }
        };
        let parts = answer.as_array().unwrap_or_default();
        let mut numbers = parts.iter().map(|part| part.as_bytes().and_then(|bytes| Node::try_from(bytes).ok()));
        let (Some(Some(g)), Some(Some(e))) = (numbers.next(), numbers.next()) else {
            self.renew();
            return round.refuse(at, vec![Job::Remove(remove)]);
        };
        let epoch = epoch(u64::from_be_bytes(e), u64::from_be_bytes(g));
        let Removing { channel, came, done } = remove;
        self.answer_when_safe(round, channel, (epoch, 0), (came, epoch), done);
    }

    /// Redis has done it. Where replicas are waited for, and too few have it in time, the answer is not that it is done.
    fn answer_when_safe<T: Send + 'static>(
        self: &Arc<Self>,
        round: &Round,
        channel: Box<str>,
        position: (Epoch, u64),
        (came, answer): (Instant, T),
        done: Done<T>,
    ) {
        let Some(replicas) = &round.replicas else {
            return self.answer_when_delivered(&channel, position, came, answer, done);
        };
        let shared = self.clone();
        let then = move |replicated| match replicated {
            Ok(()) => shared.answer_when_delivered(&channel, position, came, answer, done),
            Err(trouble) => {
                let unknown = format!("{trouble}; it is done, and not known to survive a failover");
                done(Err(EngineError::Unavailable(unknown)));
            }
        };
        replicas.wait(self.deadline(came), Box::new(then));
    }

    /// Redis has done it. Where the feed does not come so far in time, the answer is not that it is done: subscribers of
    /// this server do not know of it.
    fn answer_when_delivered<T: Send + 'static>(
        self: &Arc<Self>,
        channel: &str,
        position: (Epoch, u64),
        came: Instant,
        answer: T,
        done: Done<T>,
    ) {
        let shared = self.clone();
        let then = move |has_come| done(if has_come { Ok(answer) } else { Err(shared.unavailable()) });
        self.when_delivered(channel, position, self.deadline(came), Box::new(then));
    }

    /// A command of a pipeline has been dealt with. After the last one, the next pipeline goes.
    fn command_done(self: &Arc<Self>, round: &Round) {
        if round.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.stats.answered(RoundTrip::Write, round.sent);
        let mut again = std::mem::take(&mut *round.again.lock());
        again.sort_by_key(|(at, _)| *at);
        let mut state = self.lanes[round.lane].0.lock();
        for job in again.into_iter().flat_map(|(_, jobs)| jobs).collect::<Vec<_>>().into_iter().rev() {
            state.queue.push_front(job);
        }
        state.in_flight = false;
        if round.is_refused.load(Ordering::Acquire) {
            let pause = state.backoff.pause();
            state.paused_until = Some(Instant::now() + pause);
        }
        drop(state);
        if self.is_closed() {
            return self.fail_lanes();
        }
        self.flush(round.lane);
    }

    fn give_up(&self, job: Job, error: EngineError) {
        if let Job::Append(append) = &job
            && !job.is_passed_on()
        {
            self.units.queue.release(append.bytes.len(), self.sink());
        }
        job.fail(error);
    }

    /// Sends what has waited long enough, and gives up what has waited for too long.
    pub(crate) fn tick_lanes(self: &Arc<Self>) {
        self.tick_clock();
        let replicas = self.replicas.read().clone();
        replicas.iter().for_each(|replicas| replicas.give_up_late());
        for lane in 0..self.lanes.len() {
            let mut state = self.lanes[lane].0.lock();
            if state.queue.is_empty() {
                continue;
            }
            let is_late = |job: &Job| job.came().elapsed() > APPEND_WAIT;
            let (late, queue): (Vec<_>, Vec<_>) = state.queue.drain(..).partition(is_late);
            state.queue = queue.into();
            drop(state);
            late.into_iter().for_each(|job| self.give_up(job, self.unavailable()));
            self.flush(lane);
        }
    }

    /// The connection is there: all lanes go on at once.
    pub(crate) fn flush_all(self: &Arc<Self>) {
        for lane in 0..self.lanes.len() {
            self.lanes[lane].0.lock().paused_until = None;
            self.flush(lane);
        }
    }

    /// Publications, and removals of histories, that are not on their way yet.
    pub(crate) fn waiting_publications(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.0.lock().queue.len() as u64).sum()
    }

    /// Whether nothing waits to be written, or to be had by replicas.
    pub(crate) fn are_lanes_idle(&self) -> bool {
        let is_idle = |lane: &Lane| {
            let state = lane.0.lock();
            state.queue.is_empty() && !state.in_flight
        };
        self.lanes.iter().all(is_idle) && self.replicas.read().as_ref().is_none_or(|replicas| replicas.is_idle())
    }

    /// Gives up everything that waits.
    pub(crate) fn fail_lanes(&self) {
        for lane in &self.lanes {
            let jobs = std::mem::take(&mut lane.0.lock().queue);
            jobs.into_iter().for_each(|job| self.give_up(job, self.unavailable()));
        }
    }
}

impl Round {
    pub(crate) fn lane(&self) -> usize {
        self.lane
    }

    /// These go again, in their places.
    pub(crate) fn refuse(&self, at: usize, jobs: Vec<Job>) {
        self.is_refused.store(true, Ordering::Release);
        self.again.lock().push((at, jobs));
    }

    /// Takes out what is to go again to this channel, which retains nothing.
    pub(crate) fn take_passing(&self, channel: &str) -> Vec<Job> {
        if !self.is_refused.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut again = self.again.lock();
        let is_of_channel = |job: &mut Job| matches!(job, Job::Append(append) if &*append.channel == channel);
        again.iter_mut().flat_map(|(_, jobs)| jobs.extract_if(.., is_of_channel).collect::<Vec<_>>()).collect()
    }
}
