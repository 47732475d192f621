//! The store of the outbox: one batch at a time, and on without it when it fails (docs/CLIENTS.md, "Stores").

use std::collections::HashSet;

use super::channel::Channel;
use super::link::Store;
use super::outbox::Stage;
use super::output::{Output, StoreWork};
use super::problem::{Kind, Problem};
use super::state::{Machine, Op};
use crate::entry::Entry;
use crate::store::Saved;

impl Machine {
    pub(super) fn open_store_once(&mut self) {
        if matches!(self.store, Store::Unused) && self.options.store {
            self.open_store();
        }
    }

    pub(super) fn open_store(&mut self) {
        let is_first = matches!(self.store, Store::Unused);
        if is_first || matches!(self.store, Store::Left { .. }) {
            self.store = Store::Opening { is_first };
            self.do_store(StoreWork::Open { open: true });
        }
    }

    fn do_store(&mut self, what: StoreWork) {
        self.next_op += 1;
        let op = self.next_op;
        self.op = Some(Op { op, answer_by: self.t() + self.options.timers.store });
        self.push(Output::Store { op, what });
    }

    /// Whether it has what it was given.
    pub(super) fn store_serves(&self) -> bool {
        matches!(self.store, Store::Ready)
    }

    /// Whether nobody knows yet what it has: it is being opened, or will be opened again.
    pub(super) fn store_may_serve(&self) -> bool {
        matches!(self.store, Store::Opening { .. } | Store::Left { has_served: true, .. })
    }

    /// Whether it was left, and what it has cannot be read.
    pub(super) fn store_is_lost(&self) -> bool {
        matches!(self.store, Store::Left { has_served: false, .. })
    }

    /// Channels whose publications wait for the subscription, which waits for the store's answer.
    pub(super) fn channels_behind_store(&self) -> HashSet<&str> {
        if !matches!(self.store, Store::Opening { .. } | Store::Ready) {
            return HashSet::new();
        }
        let waits = |channel: &&Channel| channel.readers.iter().any(|reader| reader.stored);
        self.channels.by_seq.values().filter(waits).map(|channel| channel.name.as_str()).collect()
    }

    /// The store did not say where a channel was. That is not nothing: it is left, and asked once more when it is back.
    pub(super) fn position_failed(&mut self, name: &str, user: &Option<String>, message: Option<String>) {
        if let Some(seq) = self.channels.seq(name).filter(|_| self.user.as_ref() == Some(user))
            && let Some(channel) = self.channels.get(seq)
        {
            channel.is_read = false;
            if std::mem::replace(&mut channel.read_failed, true) {
                self.tell_unknown_start(seq);
                return self.position_read(name, user, None);
            }
        }
        if self.store_serves() {
            self.leave_store(message);
        }
    }

    /// Whether publications have to wait until it has been opened for the first time.
    pub(super) fn store_blocks(&self) -> bool {
        matches!(self.store, Store::Opening { is_first: true })
    }

    fn answers(&mut self, op: u64) -> bool {
        let is_it = self.op.as_ref().is_some_and(|asked| asked.op == op);
        if is_it {
            self.op = None;
        }
        is_it
    }

    pub(super) fn loaded(&mut self, op: u64, entries: Vec<Entry>) {
        if !self.answers(op) {
            return;
        }
        self.store = Store::Ready;
        self.store_error = None;
        let ours = self.outbox.items.len();
        self.adopted(entries);
        if ours > 0 {
            self.outbox.items.iter_mut().for_each(|item| item.is_unsaved = true);
        }
    }

    pub(super) fn adopted(&mut self, entries: Vec<Entry>) {
        self.outbox.adopt(entries, &self.clock);
        self.claim();
    }

    pub(super) fn stored(&mut self, op: u64) {
        if self.answers(op) {
            self.outbox.items.iter_mut().for_each(|item| item.is_kept |= item.is_put);
            self.release();
        }
    }

    /// What waited for the store goes on.
    fn release(&mut self) {
        for item in self.outbox.items.iter_mut().filter(|item| item.stage == Stage::Storing) {
            // One that came after the batch waits for the next.
            if !item.is_unsaved || !matches!(self.store, Store::Ready) {
                item.stage = Stage::Stored;
            }
        }
    }

    pub(super) fn store_failed(&mut self, op: u64, message: Option<String>) {
        if self.answers(op) {
            self.leave_store(message);
        }
    }

    fn leave_store(&mut self, message: Option<String>) {
        let has_served = self.store_serves();
        self.op = None;
        self.store = Store::Left { retry_at: self.t() + self.options.timers.store_retry, has_served };
        self.store_error = Some(Problem::with_message(Kind::Store, message));
        self.release();
    }

    /// It need not keep this any more.
    pub(super) fn forget_stored(&mut self, msg_id: &str) {
        if self.store_serves() {
            self.outbox.removed.push(msg_id.to_owned());
        }
    }

    pub(super) fn store_due(&self) -> Option<u64> {
        let answer = self.op.as_ref().map(|op| op.answer_by);
        let retry = match self.store {
            Store::Left { retry_at, .. } => Some(retry_at),
            _ => None,
        };
        let save = (self.store_serves() && self.has_unsaved_positions()).then_some(self.save_at.max(self.t()));
        [answer, retry, save.filter(|_| self.op.is_none())].into_iter().flatten().min()
    }

    pub(super) fn store_tick(&mut self) {
        let t = self.t();
        if self.op.as_ref().is_some_and(|op| op.answer_by <= t) {
            self.op = None;
            self.leave_store(None);
        }
        if matches!(self.store, Store::Left { retry_at, .. } if retry_at <= t) {
            self.open_store();
        }
    }

    fn has_unsaved_positions(&self) -> bool {
        self.user.is_some() && self.channels.by_seq.values().any(is_to_save)
    }

    /// Writes what has changed.
    pub(super) fn write_store(&mut self) {
        let is_end = self.phase == super::link::Phase::Closed;
        if !self.store_serves() || (self.op.is_some() && !is_end) {
            return;
        }
        let put: Vec<Entry> = self.outbox.items.iter_mut().filter_map(unsaved).collect();
        let remove = std::mem::take(&mut self.outbox.removed);
        let positions = self.positions(is_end);
        if !put.is_empty() || !remove.is_empty() || !positions.is_empty() {
            self.do_store(StoreWork::Write { put, remove, positions });
        }
    }

    /// Positions that are due to be saved.
    fn positions(&mut self, is_end: bool) -> Vec<Saved> {
        let t = self.t();
        let Some(user) = self.user.clone().filter(|_| is_end || self.save_at <= t) else { return Vec::new() };
        let mut positions = Vec::new();
        for channel in self.channels.by_seq.values_mut().filter(|channel| is_to_save(channel)) {
            channel.is_unsaved = false;
            if let Some(position) = channel.taken().cloned() {
                positions.push(Saved { user: user.clone(), channel: channel.name.clone(), position });
            }
        }
        if !positions.is_empty() {
            self.save_at = t + self.options.timers.save;
        }
        positions
    }
}

/// Before it is subscribed nobody knows where its readers begin.
fn is_to_save(channel: &Channel) -> bool {
    channel.is_unsaved && channel.taken().is_some()
}

/// The entry, if the store does not have it as it is.
fn unsaved(item: &mut super::outbox::Item) -> Option<Entry> {
    item.is_put |= item.is_unsaved;
    std::mem::take(&mut item.is_unsaved).then(|| item.entry.clone())
}
