//! The lease of this server: while it is renewed the server is alive to the others, and they are to it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use ws_core::engine::RoundTrip;

use crate::limits::{RENEW_EVERY, REPORT_EVERY};
use crate::link::{Failure, Link};
use crate::nodes::{Own, Roll};
use crate::prepare::{hear, load_scripts};
use crate::resp::Value;
use crate::shared::Shared;
use crate::verdict::node;

/// What a renewal says.
#[derive(Debug, Default)]
pub(crate) struct Renewal {
    roll: Roll,
    /// How soon the first lease of another node ends if it is not renewed.
    next: Option<Duration>,
    /// Redis had lost the lease.
    was_lost: bool,
    /// Who is configured otherwise, and how.
    otherwise: Vec<(Uuid, String)>,
}

impl Shared {
    /// Renews the lease until it cannot be renewed. Why.
    pub(crate) async fn keep_lease(self: &Arc<Self>, writer: &Link, subscriber: &Link) -> String {
        loop {
            if let Err(trouble) = self.keep_lease_once(writer, subscriber).await {
                return trouble;
            }
        }
    }

    /// Renews the lease, does what has waited for that, and waits until it has to be renewed again.
    async fn keep_lease_once(self: &Arc<Self>, writer: &Link, subscriber: &Link) -> Result<(), String> {
        let mut due = self.renew_and_tell(writer, subscriber).await?;
        let mut resync = pin!(self.resync(writer));
        loop {
            tokio::select! {
                biased;
                result = &mut resync => break result?,
                // There may be very many members. What goes wrong meanwhile is made right the next time.
                () = sleep_until(due) => due = self.renew_and_tell(writer, subscriber).await?,
            }
        }
        self.open_desk();
        self.recount_all();
        self.until_due(due).await;
        Ok(())
    }

    /// Renews the lease, and tells what that says about the others. When it has to be renewed again.
    async fn renew_and_tell(self: &Arc<Self>, writer: &Link, subscriber: &Link) -> Result<Instant, String> {
        let (since, every) = (Instant::now(), (self.options.lease / 3).min(RENEW_EVERY));
        let Renewal { roll, next, otherwise, .. } = self.renew_lease(writer, subscriber).await?;
        self.end_others(writer).await?;
        self.call_roll(roll, &otherwise, writer);
        self.tell_due(writer);
        Ok(since + next.map_or(every, |next| next.min(every)))
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
    pub(crate) async fn renew_lease(&self, writer: &Link, subscriber: &Link) -> Result<Renewal, String> {
        let mut has_failed = false;
        while !self.nodes.is_leaving.load(Ordering::Acquire) {
            if self.become_another(writer, subscriber).await? && !has_failed {
                self.fail_lanes();
            }
            let (own, connections) = (self.nodes.own(), self.nodes.sink().connections());
            let (node, generation) = (own.node, self.generation(0));
            let sent = Instant::now();
            let answer = writer.call(self.lease_args(own, connections)).await;
            self.stats.answered(RoundTrip::Lease, sent);
            match answer {
                Ok(Value::Bytes(answer)) if answer == b"LAPSED" => {
                    self.units.lapse(node);
                    // What waits was given to the node that has ended: it must not follow what others have published for
                    // that.
                    self.fail_lanes();
                    has_failed = true;
                }
                Ok(answer) => {
                    let renewal = renewal(&answer, node);
                    let renewal = renewal.ok_or_else(|| "the lease has an answer of another version".to_owned())?;
                    self.nodes.set_own(Own { node, is_new: false, generation });
                    self.nodes.set_leased_until(sent + self.options.lease);
                    self.units.is_leased(&self.nodes, node);
                    self.nodes.reported.store(connections, Ordering::Release);
                    if renewal.was_lost {
                        self.stats.lapses.add(1);
                        tracing::warn!(node = %node.simple(), "Redis has lost the lease: this server enters again");
                        self.is_other();
                    }
                    return Ok(renewal);
                }
                Err(Failure::Refused(error)) if error.starts_with("NOSCRIPT") => {
                    load_scripts(writer).await?;
                }
                Err(failure) => return Err(format!("the lease cannot be renewed: {failure}")),
            }
        }
        Ok(Renewal::default())
    }

    /// Ends the leases of nodes that have ended in other units. Only who lives itself knows that: the lease was renewed.
    async fn end_others(&self, writer: &Link) -> Result<(), String> {
        while !self.nodes.is_leaving.load(Ordering::Acquire) {
            let Some(node) = self.nodes.to_end.lock().first().copied() else { break };
            if self.end_lease(node, writer).await?.as_bytes() == Some(b"LAPSED") {
                // The renewal will say so too.
                self.nodes.look.notify_one();
                break;
            }
            self.nodes.to_end.lock().remove(&node);
        }
        Ok(())
    }

    async fn end_lease(&self, node: Uuid, writer: &Link) -> Result<Value, String> {
        match writer.call(self.end_args(node)).await {
            Err(Failure::Refused(error)) if error.starts_with("NOSCRIPT") => {
                load_scripts(writer).await?;
                writer.call(self.end_args(node)).await
            }
            ended => ended,
        }
        .map_err(|failure| format!("the lease of {node} cannot be ended: {failure}"))
    }

    /// Where this server has become another node, the unit does. Whether it has.
    async fn become_another(&self, writer: &Link, subscriber: &Link) -> Result<bool, String> {
        let (own, node) = (self.nodes.own().node, self.units.node());
        if own == node {
            return Ok(false);
        }
        self.end_lease(own, writer).await?;
        let [earlier, topic] = [own, node].map(|node| self.keys.node(&node.simple().to_string()));
        hear(subscriber, &[topic]).await?;
        subscriber.send(|batch| batch.subscription(["SUNSUBSCRIBE", &earlier], 1, |_| {}))?;
        // Nothing is said as the other node before it has its members.
        self.nodes.desk.lock().wrong.all = true;
        self.nodes.former.lock().push((own, Instant::now()));
        {
            let mut roll = self.nodes.roll.lock();
            roll.living.remove(&own);
            roll.forget_ends();
        }
        self.nodes.swept.lock().clear();
        self.nodes.set_own(Own { node, is_new: true, generation: 0 });
        Ok(true)
    }

    /// Tells who has ended, and has what they leave behind be removed.
    fn call_roll(self: &Arc<Self>, roll: Roll, otherwise: &[(Uuid, String)], writer: &Link) {
        if self.nodes.is_leaving.load(Ordering::Acquire) {
            return;
        }
        // Where they cannot be removed, for whatever reason, they are not waited for longer than that.
        let is_left =
            |(node, since): &(Uuid, Instant)| roll.ended.contains(node) && since.elapsed() < self.options.lease;
        self.nodes.former.lock().retain(is_left);
        self.compare(otherwise, &roll);
        let (ended, seen_to_end, before) = {
            let mut last = self.nodes.roll.lock();
            let roll = roll.after(&last);
            (roll.ended.clone(), roll.seen_to_end.clone(), std::mem::replace(&mut *last, roll))
        };
        self.nodes.swept.lock().retain(|node| ended.contains(node));
        self.nodes.is_heard.store(true, Ordering::Release);
        for node in ended {
            let unit = self.keys.share().unit;
            if seen_to_end.contains(&node) {
                self.units.end_elsewhere(node, unit);
            }
            if self.nodes.swept.lock().contains(&node) && self.units.may_live_elsewhere(node, unit) {
                continue;
            }
            if self.nodes.sweeping.lock().insert(node) {
                let is_own = self.nodes.former.lock().iter().any(|(former, _)| *former == node);
                if unit == 0 && !is_own && !before.ended.contains(&node) {
                    tracing::info!(node = %node.simple(), "another server has ended: what it had in Redis is removed");
                }
                let (shared, writer) = (self.clone(), writer.clone());
                let sweep = async move { shared.sweep(node, &writer).await };
                self.runtime.spawn(self.units.supervisor.clone().watch("the task that removes a node", sweep));
            }
        }
        self.units.tell_ended();
    }

    /// Redis is another one, or has lost data: nothing goes before what it has of this node is made right.
    pub(crate) fn is_other(&self) {
        self.nodes.desk.lock().wrong.all = true;
        // What was removed may be back.
        self.nodes.swept.lock().clear();
        self.nodes.look.notify_one();
    }

    /// Gives the lease up, so that nobody waits for its end.
    pub(crate) async fn give_up_lease(&self) {
        self.nodes.is_leaving.store(true, Ordering::Release);
        let writer = self.writer.read().clone();
        if let Some(writer) = writer
            && let Err(failure) = writer.call(self.end_args(self.nodes.own().node)).await
        {
            tracing::warn!("the others notice only by the lease that this server has ended: {failure}");
        }
    }
}

fn renewal(answer: &Value, own: Uuid) -> Option<Renewal> {
    let [living, ended, lease, otherwise] = answer.as_array()? else { return None };
    let was_lost = lease.as_bytes()? == b"LOST";
    let mut renewal = Renewal { was_lost, ..Renewal::default() };
    renewal.roll.ended = ended.as_array()?.iter().map(node).collect::<Option<_>>()?;
    for pair in otherwise.as_array()?.chunks(2) {
        let agreement = String::from_utf8_lossy(pair.get(1)?.as_bytes()?).into_owned();
        renewal.otherwise.push((node(pair.first()?)?, agreement));
    }
    for pair in living.as_array()?.chunks(2) {
        let (node, left_ms) = (node(pair.first()?)?, pair.get(1)?.as_int()?);
        renewal.roll.living.insert(node);
        if node != own {
            // One more, so that it has ended by then.
            let left = Duration::from_millis(left_ms.unsigned_abs() + 1);
            renewal.next = Some(renewal.next.map_or(left, |next| next.min(left)));
        }
    }
    Some(renewal)
}
