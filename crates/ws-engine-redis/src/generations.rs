//! The generations of the partitions: they are asked for at every dial and each third of the lease, and where Redis has
//! become another one the next ones begin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::link::{Failure, Link};
use crate::resp::Value;
use crate::scripts::Script;
use crate::shared::{Shared, random};

/// Which identity Redis has shown over one connection, and so one process of it. A process may change its identity and be
/// the same primary with the same data.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// By partition.
    identities: Vec<Vec<u8>>,
    /// When they were asked for.
    at: Option<Instant>,
    /// For how long the oldest generation had lasted by then.
    lasted: Duration,
}

impl Seen {
    /// For how long, at most, any server has been there.
    pub(crate) fn age(&self) -> Duration {
        self.lasted + self.at.map_or(Duration::ZERO, |at| at.elapsed())
    }
}

impl Shared {
    /// Asks for the generation of every partition, and begins another one where Redis has become another one. Whether any is
    /// another one than it was.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn renew_generations(self: &Arc<Self>, writer: &Link, seen: &mut Seen) -> Result<bool, String> {
        // What was seen long ago says nothing about what has happened since.
        let is_fresh = seen.at.is_some_and(|at| at.elapsed() < self.options.lease);
        let before = std::mem::take(seen).identities;
        let (mut answers, at) = (Vec::new(), Instant::now());
        writer.send(|batch| {
            for partition in 0..self.keys.partitions() {
                let wrong = match self.wrong[partition].swap(0, Ordering::AcqRel) {
                    0 => Vec::new(),
                    wrong => wrong.to_be_bytes().to_vec(),
                };
                let keys = vec![self.keys.generation(partition).into_bytes()];
                let mut args = self.eval(Script::Generation, keys);
                let identity = before.get(partition).filter(|_| is_fresh).cloned();
                args.extend([random().to_vec(), wrong, identity.unwrap_or_default()]);
                let (done, answered) = oneshot::channel();
                batch.command(args, move |result| drop(done.send(result)));
                answers.push(answered);
            }
        })?;
        let (mut identities, mut renewed) = (Vec::with_capacity(answers.len()), 0);
        let mut lasted = Duration::ZERO;
        for (partition, answer) in answers.into_iter().enumerate() {
            let answer = answer.await.unwrap_or_else(|_| Err(Failure::Refused("it was dropped".to_owned())));
            let answer = answer.map_err(|failure| format!("a generation cannot be renewed: {failure}"))?;
            let (generation, identity, age) = parse(&answer).unwrap_or_default();
            identities.push(identity);
            lasted = lasted.max(age);
            let before = self.generations[partition].swap(generation, Ordering::AcqRel);
            if before != 0 && before != generation {
                renewed += 1;
                self.check_partition(partition);
                self.is_other();
            }
        }
        self.stats.generations.add(renewed);
        if renewed > 0 {
            tracing::warn!(
                partitions = renewed,
                "Redis has lost data or has become another one: new generations begin"
            );
        }
        *seen = Seen { identities, at: Some(at), lasted };
        Ok(renewed > 0)
    }
}

/// A generation, the identity of the server, and for how long it has been that of the generation.
pub(crate) fn parse(answer: &Value) -> Option<(u64, Vec<u8>, Duration)> {
    let (generation, rest) = answer.as_bytes()?.split_first_chunk()?;
    let (identity, age) = rest.split_last_chunk()?;
    Some((u64::from_be_bytes(*generation), identity.to_vec(), Duration::from_millis(u64::from_be_bytes(*age))))
}
