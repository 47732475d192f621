//! The lease of this server: while it is renewed the server is alive to the others, and they are to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use ws_core::engine::RoundTrip;

use crate::limits::{RENEW_EVERY, REPORT_EVERY};
use crate::link::{Failure, Link};
use crate::nodes::Own;
use crate::prepare::{hear, load_scripts};
use crate::resp::Value;
use crate::shared::Shared;
use crate::verdict::node;

/// The nodes, as the store has them.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    living: BTreeSet<Uuid>,
    /// How soon the first lease of another node ends if it is not renewed.
    next: Option<Duration>,
    ended: Vec<Uuid>,
}

impl Shared {
    /// Renews the lease until it cannot be renewed. Why.
    pub(crate) async fn keep_lease(self: &Arc<Self>, writer: &Link, subscriber: &Link) -> String {
        let every = (self.options.lease / 3).min(RENEW_EVERY);
        loop {
            let since = Instant::now();
            let roll = match self.renew_lease(writer, subscriber).await {
                Ok(roll) => roll,
                Err(trouble) => return trouble,
            };
            let next = roll.next.map_or(every, |next| next.min(every));
            self.call_roll(roll, writer);
            if let Err(trouble) = self.resync(writer).await {
                return trouble;
            }
            self.open_desk();
            self.recount_all();
            self.until_due(since + next).await;
        }
    }

    /// Waits until the lease has to be renewed, or there is something to tell or to ask.
    async fn until_due(&self, until: Instant) {
        loop {
            let now = Instant::now();
            if now >= until {
                return;
            }
            tokio::select! {
                () = self.nodes.look.notified() => return,
                () = sleep_until(until.min(now + REPORT_EVERY)) => {
                    if self.nodes.sink().connections() != self.nodes.reported.load(Ordering::Acquire) {
                        return;
                    }
                }
            }
        }
    }

    /// Renews the lease once. Who has lost it becomes another node, with everything that it has.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn renew_lease(&self, writer: &Link, subscriber: &Link) -> Result<Roll, String> {
        while !self.nodes.is_leaving.load(Ordering::Acquire) {
            let (own, connections) = (self.nodes.own(), self.nodes.sink().connections());
            let (node, generation) = (own.node, self.generation(0));
            let sent = Instant::now();
            let answer = writer.call(self.lease_args(own, connections)).await;
            self.stats.answered(RoundTrip::Lease, sent);
            match answer {
                Ok(Value::Bytes(answer)) if answer == b"LOST" => self.become_another(subscriber).await?,
                Ok(Value::Bytes(answer)) if answer == b"LAPSED" => {
                    self.become_another(subscriber).await?;
                    // What waits was given to the node that has ended: it must not follow what others have published for
                    // that.
                    self.nodes.sink().lapsed();
                    self.fail_lanes();
                }
                Ok(answer) => {
                    self.nodes.set_own(Own { node, is_new: false, generation });
                    self.nodes.set_leased_until(sent + self.options.lease);
                    self.nodes.reported.store(connections, Ordering::Release);
                    return roll(&answer, node).ok_or_else(|| "the lease has an answer of another version".to_owned());
                }
                Err(Failure::Refused(error)) if error.starts_with("NOSCRIPT") => {
                    load_scripts(writer).await?;
                }
                Err(failure) => return Err(format!("the lease cannot be renewed: {failure}")),
            }
        }
        Ok(Roll::default())
    }

    async fn become_another(&self, subscriber: &Link) -> Result<(), String> {
        let (own, node) = (self.nodes.own().node, Uuid::new_v4());
        let [earlier, topic] = [own, node].map(|node| self.keys.node(&node.simple().to_string()));
        hear(subscriber, &[topic]).await?;
        subscriber.send(|batch| batch.subscription(["SUNSUBSCRIBE", &earlier], 1, |_| {}))?;
        tracing::warn!(before = %own, after = %node, "the lease has ended, or Redis has lost it: this server enters again as another node");
        self.stats.lapses.add(1);
        // Nothing is said as the other node before it has its members.
        self.nodes.desk.lock().wrong.all = true;
        self.nodes.former.lock().push((own, Instant::now()));
        self.nodes.set_own(Own { node, is_new: true, generation: 0 });
        self.nodes.living.lock().remove(&own);
        Ok(())
    }

    /// Tells who has ended, and has what they leave behind be removed.
    fn call_roll(self: &Arc<Self>, roll: Roll, writer: &Link) {
        if self.nodes.is_leaving.load(Ordering::Acquire) {
            return;
        }
        // Where they cannot be removed, for whatever reason, they are not waited for longer than that.
        let is_left =
            |(node, since): &(Uuid, Instant)| roll.ended.contains(node) && since.elapsed() < self.options.lease;
        self.nodes.former.lock().retain(is_left);
        let before = std::mem::replace(&mut *self.nodes.living.lock(), roll.living.clone());
        let sink = self.nodes.sink();
        before.difference(&roll.living).for_each(|node| sink.ended(*node));
        for node in roll.ended {
            if self.nodes.sweeping.lock().insert(node) {
                let (shared, writer) = (self.clone(), writer.clone());
                let sweep = async move { shared.sweep(node, &writer).await };
                self.runtime.spawn(self.supervisor.clone().watch("the task that removes a node", sweep));
            }
        }
    }

    /// Redis is another one, or has lost data: nothing goes before what it has of this node is made right.
    pub(crate) fn is_other(&self) {
        self.nodes.desk.lock().wrong.all = true;
        self.nodes.look.notify_one();
    }

    /// Gives the lease up, so that nobody waits for its end.
    pub(crate) async fn give_up_lease(&self) {
        self.nodes.is_leaving.store(true, Ordering::Release);
        let writer = self.writer.read().clone();
        if let Some(writer) = writer
            && let Err(failure) = writer.call(self.end_args()).await
        {
            tracing::warn!("the others notice only by the lease that this server has ended: {failure}");
        }
    }
}

fn roll(answer: &Value, own: Uuid) -> Option<Roll> {
    let [living, ended] = answer.as_array()? else { return None };
    let mut roll = Roll { ended: ended.as_array()?.iter().map(node).collect::<Option<_>>()?, ..Roll::default() };
    for pair in living.as_array()?.chunks(2) {
        let (node, left_ms) = (node(pair.first()?)?, pair.get(1)?.as_int()?);
        roll.living.insert(node);
        if node != own {
            // One more, so that it has ended by then.
            let left = Duration::from_millis(left_ms.unsigned_abs() + 1);
            roll.next = Some(roll.next.map_or(left, |next| next.min(left)));
        }
    }
    Some(roll)
}
