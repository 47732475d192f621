//! Whether a round kept what PROTOCOL promises: no I/O, no clock. The letters are those of docs/TESTING.md.
//!
//! * (a) In an epoch of a channel an offset is one body, whoever tells it.
//! * (b) For each subscriber: received + told as gone = published, nothing twice, never a silent hole.
//! * (c) What was acknowledged and is retained is in the history, or the epoch is another one.
//! * (d) Of equal `msg_id`s one is new, and a repeat that says its age is new only if nothing was published before.
//! * (g) The history has never more publications than its size, none older than its ttl.
//!
//! (e) and (f), about presence, are [`presence`]'s.

pub(super) mod presence;

mod passing;
mod publishers;
mod stream;
mod tests;
mod truth;

use self::truth::Truth;
use super::trace::{Attempt, FEW_SIZE, FEW_TTL, Kind, Ms, Record};

/// What a fault excuses.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Redis is another one: epochs may change.
    pub(super) epochs_change: bool,
    /// What was acknowledged may be lost.
    pub(super) may_lose: bool,
    /// There were two at a time: what one passes on, nobody hears who follows the other one.
    pub(super) is_split: bool,
    /// Servers that stood still.
    pub(super) stopped: Vec<usize>,
    /// How long an answer may take elsewhere.
    pub(super) answer_within: Ms,
}

/// What is wrong, in words; empty: nothing.
pub(super) fn judge(record: &Record, rules: &Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let truth = Truth::of(record, &mut wrong);
    epochs(&truth, rules, &mut wrong);
    publishers::judge(record, &truth, rules, &mut wrong);
    for trace in &record.traces {
        match Kind::of(&trace.channel) {
            Kind::Passing => {
                let due: &[Attempt] = if rules.is_split { &[] } else { &record.attempts };
                passing::judge(trace, due, &mut wrong);
            }
            kind => {
                let last = record.last.iter().find(|page| page.channel == trace.channel);
                stream::judge(trace, kind, &truth, last, &mut wrong);
            }
        }
    }
    pages(record, &truth, &mut wrong);
    wrong
}

fn epochs(truth: &Truth<'_>, rules: &Rules, wrong: &mut Vec<String>) {
    let channels: std::collections::BTreeSet<_> = truth.streams.keys().map(|(channel, _)| *channel).collect();
    for channel in channels {
        let epochs: Vec<_> = truth.streams.keys().filter(|(of, _)| *of == channel).map(|(_, epoch)| *epoch).collect();
        if epochs.len() > 1 && !rules.epochs_change {
            wrong.push(format!("{channel} has had the epochs {epochs:?}, though Redis was the same all the time"));
        }
    }
}

/// (g), and that pages have no holes.
fn pages(record: &Record, truth: &Truth<'_>, wrong: &mut Vec<String>) {
    for page in record.pages.iter().chain(&record.last) {
        let (channel, asked) = (&page.channel, page.asked);
        let is_whole = page.entries.windows(2).all(|two| two[1].0 == two[0].0 + 1);
        let last = page.entries.last().map_or(page.top, |(offset, _)| *offset);
        if !is_whole || last != page.top {
            wrong.push(format!("(b) {channel}: the page asked for at {asked} ms has a hole: {:?}", page.entries));
        }
        if Kind::of(channel) == Kind::All {
            if page.entries.len() as u64 != page.top {
                wrong.push(format!("(c) {channel}: {} of {} are in the history", page.entries.len(), page.top));
            }
            continue;
        }
        if page.entries.len() as u64 > FEW_SIZE {
            wrong.push(format!("(g) {channel} has {} publications at {asked} ms", page.entries.len()));
        }
        for (offset, body) in &page.entries {
            let stored = truth.first_seen.get(&(channel.as_str(), body.as_str())).copied().unwrap_or(asked);
            if stored + (FEW_TTL.as_millis() as Ms) < asked {
                wrong.push(format!("(g) {channel}: {body} at {offset}, stored by {stored} ms, is there at {asked} ms"));
            }
        }
    }
}
