//! What waits to be written: publications and removals, and how a pipeline is put together from them.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use tokio::time::Instant;
use ws_core::engine::{Appended, Done, EngineError, Epoch, Retention};

use crate::clock::Clock;
use crate::limits::PIPELINE_BYTES_MAX;

/// Something to be written.
pub(crate) enum Job {
    Append(Appending),
    Remove(Removing),
}

/// A publication.
pub(crate) struct Appending {
    pub(crate) channel: Box<str>,
    pub(crate) retention: Retention,
    /// The record, or the body where nothing is retained.
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: Option<Box<str>>,
    /// How old it was when it came.
    pub(crate) age_ms: u64,
    pub(crate) came: Instant,
    /// What the server that publishes it gets back with it.
    pub(crate) tag: u64,
    /// It may have been stored already: it was sent, and the connection was lost.
    pub(crate) is_repeated: bool,
    pub(crate) done: Done<Appended>,
}

/// A removal.
pub(crate) struct Removing {
    pub(crate) channel: Box<str>,
    pub(crate) came: Instant,
    pub(crate) done: Done<Epoch>,
}

/// What becomes one command.
pub(crate) enum Group {
    /// Publications of one channel with one retention.
    Append(Vec<Appending>),
    /// One that is not retained.
    Pass(Appending),
    Remove(Removing),
}

impl Appending {
    /// When it was first sent, in milliseconds on Redis's clock, and not later than that; 0: it is sent for the first time.
    pub(crate) fn sent_ms(&self, clock: &Clock) -> u64 {
        if self.age_ms == 0 && !self.is_repeated {
            return 0;
        }
        // Where nobody knows, it was long ago.
        clock.at(self.came).map_or(1, |came_ms| came_ms.saturating_sub(self.age_ms).max(1))
    }
}

impl Job {
    pub(crate) fn came(&self) -> Instant {
        match self {
            Job::Append(append) => append.came,
            Job::Remove(remove) => remove.came,
        }
    }

    /// Whether nothing of it is stored.
    pub(crate) fn is_passed_on(&self) -> bool {
        matches!(self, Job::Append(append) if append.retention.size == 0)
    }

    pub(crate) fn fail(self, error: EngineError) {
        match self {
            Job::Append(append) => (append.done)(Err(error)),
            Job::Remove(remove) => (remove.done)(Err(error)),
        }
    }
}

impl Group {
    pub(crate) fn into_jobs(self) -> Vec<Job> {
        match self {
            Group::Append(all) => all.into_iter().map(Job::Append).collect(),
            Group::Pass(append) => vec![Job::Append(append)],
            Group::Remove(remove) => vec![Job::Remove(remove)],
        }
    }
}

/// Takes jobs from the front for one pipeline. A channel is in it with one command, so whatever becomes of that, nothing
/// is stored out of order; it ends where that would not hold.
pub(crate) fn take(queue: &mut VecDeque<Job>, max: usize) -> Vec<Group> {
    let (mut groups, mut of_channel) = (Vec::<Group>::new(), HashMap::<Box<str>, usize>::new());
    let (mut n, mut bytes) = (0, 0);
    while n < max && bytes < PIPELINE_BYTES_MAX {
        let may_join = match queue.front() {
            None => break,
            Some(Job::Remove(remove)) => !of_channel.contains_key(&remove.channel),
            Some(Job::Append(append)) => match of_channel.get(&append.channel).and_then(|at| groups.get(*at)) {
                None => true,
                Some(Group::Append(others)) => others.first().is_some_and(|one| one.retention == append.retention),
                Some(Group::Pass(_)) => append.retention.size == 0,
                Some(Group::Remove(_)) => false,
            },
        };
        let Some(job) = (if may_join { queue.pop_front() } else { None }) else { break };
        n += 1;
        match job {
            Job::Remove(remove) => {
                of_channel.insert(remove.channel.clone(), groups.len());
                groups.push(Group::Remove(remove));
            }
            Job::Append(append) => {
                bytes += append.bytes.len();
                let at = of_channel.get(&append.channel).copied();
                match at.and_then(|at| groups.get_mut(at)) {
                    Some(Group::Append(others)) => others.push(append),
                    _ => {
                        of_channel.insert(append.channel.clone(), groups.len());
                        let is_kept = append.retention.size > 0;
                        groups.push(if is_kept { Group::Append(vec![append]) } else { Group::Pass(append) });
                    }
                }
            }
        }
    }
    groups
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Job::Append(_) => "Append",
            Job::Remove(_) => "Remove",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `a5`: a publication in `a` that keeps five; `a0`: one that is passed on; `a-`: a removal.
    fn job(text: &str) -> Job {
        let (channel, rest) = text.split_at(1);
        let (channel, came) = (channel.into(), Instant::now());
        let Ok(size) = rest.parse() else { return Job::Remove(Removing { channel, came, done: Box::new(|_| {}) }) };
        let retention = Retention::new(size, Duration::ZERO);
        let (bytes, id, age_ms, tag, done) = (vec![0], None, 0, 0, Box::new(|_| {}));
        Job::Append(Appending { channel, retention, bytes, id, age_ms, came, tag, is_repeated: false, done })
    }

    /// What is taken, as channel and number of jobs, and how many jobs are left.
    #[track_caller]
    fn check(jobs: &str, expect: &str, left: usize) {
        let mut queue: VecDeque<_> = jobs.split(' ').map(job).collect();
        let groups = take(&mut queue, 6).into_iter().map(|group| match group {
            Group::Append(all) => format!("{}{}", all[0].channel, all.len()),
            Group::Pass(one) => format!("{}0", one.channel),
            Group::Remove(remove) => format!("{}-", remove.channel),
        });
        assert_eq!((groups.collect::<Vec<_>>().join(" "), queue.len()), (expect.to_owned(), left), "{jobs}");
    }

    #[test]
    fn a_channel_has_one_command_in_a_pipeline() {
        check("a5 b5 a5 b5 a5", "a3 b2", 0);
        check("a5 a5 a5 a5 a5 a5 a5 a5", "a6", 2);
        check("a5 a6 b5", "a1", 2);
        check("a5 b5 a- b5", "a1 b1", 2);
        check("a- b5 a5", "a- b1", 1);
        check("a- a-", "a-", 1);
        check("a0 a0 b5", "a0 a0 b1", 0);
        check("a0 a5", "a0", 1);
        check("a5 a0", "a1", 1);
    }
}
