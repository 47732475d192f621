//! What stood where, put together from all that anybody was told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cluster::oracle::trace::{Answer, Gap, Kind, Ms, Record, Told, Trace};

/// The epochs of all channels.
#[derive(Debug, Default)]
pub(super) struct Truth<'a> {
    /// Channel and epoch → the bodies by offset.
    pub(super) streams: BTreeMap<(&'a str, &'a str), BTreeMap<u64, &'a str>>,
    /// Channel, epoch and offset of what was answered as new.
    pub(super) new: BTreeSet<(&'a str, &'a str, u64)>,
    /// By when somebody was told of a body of a channel.
    pub(super) first_seen: HashMap<(&'a str, &'a str), Ms>,
}

impl<'a> Truth<'a> {
    /// Says where (a) or (d) is broken.
    pub(super) fn of(record: &'a Record, wrong: &mut Vec<String>) -> Self {
        let mut truth = Truth::default();
        for attempt in &record.attempts {
            if let Answer::Stored { epoch, offset, duplicate } = &attempt.answer {
                let Some(channel) = truth.is(&attempt.channel, epoch, *offset, &attempt.body, attempt.answered, wrong)
                else {
                    continue;
                };
                if !duplicate && !truth.new.insert((channel, epoch, *offset)) {
                    wrong.push(format!("(d) {channel}: {} was answered as new twice, at {offset}", attempt.body));
                }
            }
        }
        for trace in record.traces.iter().filter(|trace| Kind::of(&trace.channel) != Kind::Passing) {
            for (at, epoch, offset, body) in positions(trace) {
                truth.is(&trace.channel, epoch, offset, body, at, wrong);
            }
        }
        for page in record.pages.iter().chain(&record.last) {
            for (offset, body) in &page.entries {
                truth.is(&page.channel, &page.epoch, *offset, body, page.answered, wrong);
            }
        }
        truth.once(wrong);
        truth
    }

    fn is(
        &mut self,
        channel: &'a str,
        epoch: &'a str,
        offset: u64,
        body: &'a str,
        at: Ms,
        wrong: &mut Vec<String>,
    ) -> Option<&'a str> {
        let seen = self.first_seen.entry((channel, body)).or_insert(at);
        *seen = at.min(*seen);
        let known = *self.streams.entry((channel, epoch)).or_default().entry(offset).or_insert(body);
        if known != body {
            wrong.push(format!("(a) {channel}: {offset} of the epoch {epoch} is {known} and {body}"));
            return None;
        }
        Some(channel)
    }

    /// (d): in an epoch a body stands once.
    fn once(&self, wrong: &mut Vec<String>) {
        for ((channel, epoch), stream) in &self.streams {
            let mut offsets = HashMap::new();
            for (offset, body) in stream {
                if let Some(first) = offsets.insert(*body, *offset) {
                    wrong.push(format!("(d) {channel}: {body} stands at {first} and {offset} of the epoch {epoch}"));
                }
            }
        }
    }

    pub(super) fn body(&self, channel: &str, epoch: &str, offset: u64) -> Option<&'a str> {
        self.streams.get(&(channel, epoch))?.get(&offset).copied()
    }
}

/// The publications that a subscriber has received: when, epoch, offset, body.
fn positions(trace: &Trace) -> Vec<(Ms, &str, u64, &str)> {
    let (mut epoch, mut all) = (None, Vec::new());
    for (at, told) in &trace.events {
        match (told, epoch) {
            (Told::Began { after: Some((begun, _)), .. } | Told::Gap(Gap::Epoch { epoch: begun, .. }), _) => {
                epoch = Some(begun.as_str());
            }
            (Told::Publication { offset: Some(offset), body }, Some(epoch)) => {
                all.push((*at, epoch, *offset, body.as_str()));
            }
            _ => {}
        }
    }
    all
}
