//! One subscriber of a channel with history: its cursor goes on without a hole, from the first answer to the end.

use crate::cluster::oracle::trace::{Gap, Kind, Page, Position, Told, Trace};

use super::truth::Truth;

/// How much before and after what is wrong is shown.
const AROUND: usize = 4;

/// (b). `last`: the history at the end, which has to be reached.
pub(super) fn judge(trace: &Trace, kind: Kind, truth: &Truth<'_>, last: Option<&Page>, wrong: &mut Vec<String>) {
    let mut reader = Reader { trace, kind, truth, at: None, wrong: Vec::new() };
    for (nth, (_, told)) in trace.events.iter().enumerate() {
        let before = reader.wrong.len();
        reader.told(told);
        if let Some(first) = reader.wrong[before..].first_mut() {
            let around = &trace.events[nth.saturating_sub(AROUND)..(nth + AROUND).min(trace.events.len())];
            first.push_str(&format!(", among {around:?}"));
        }
    }
    let end = last.map(|page| (page.epoch.clone(), page.top));
    if reader.at != end {
        reader.wrong.push(format!("has got to {:?}, the end is {end:?}", reader.at));
    }
    let of = |what: String| format!("(b) {} in {}: {what}", trace.who, trace.channel);
    wrong.extend(reader.wrong.into_iter().map(of));
}

struct Reader<'a> {
    trace: &'a Trace,
    kind: Kind,
    truth: &'a Truth<'a>,
    at: Option<Position>,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn told(&mut self, told: &Told) {
        match (told, self.at.clone()) {
            (Told::Began { since: None, after: Some(after), gap: None }, None) => self.at = Some(after.clone()),
            (Told::Began { since, after: Some(after), gap }, Some(at)) if since.as_ref() == Some(&at) => {
                self.resumed(&at, after, gap.as_ref());
                self.at = Some(after.clone());
            }
            (Told::Publication { offset: Some(offset), body }, Some((epoch, at))) => {
                if *offset != at + 1 {
                    self.wrong.push(format!("{body} at {offset} follows {at} of the epoch {epoch}"));
                }
                self.at = Some((epoch, *offset));
            }
            (Told::Gap(Gap::Offsets { from, to }), Some((epoch, at))) => {
                self.gone(at, *from, *to);
                self.at = Some((epoch, *to));
            }
            (Told::Gap(Gap::Epoch { epoch, after }), Some(at)) => {
                self.renewed(&at, epoch, *after);
                self.at = Some((epoch.clone(), *after));
            }
            (told, at) => self.wrong.push(format!("was told {told:?} at {at:?}")),
        }
    }

    /// Offsets of the same epoch are gone.
    fn gone(&mut self, at: u64, from: u64, to: u64) {
        if from != at + 1 || to < from {
            self.wrong.push(format!("{from} to {to} are told as gone at {at}"));
        }
        if self.kind == Kind::All {
            self.wrong.push(format!("{from} to {to} are told as gone, and are retained"));
        }
    }

    /// It has come back, and goes on where it was.
    fn resumed(&mut self, (epoch, at): &Position, after: &Position, gap: Option<&Gap>) {
        match gap {
            None if *epoch == after.0 && *at == after.1 => {}
            Some(Gap::Offsets { from, to }) if *epoch == after.0 && *to == after.1 => self.gone(*at, *from, *to),
            // The same epoch where the offset is above the top: what Redis has lost may be noticed in a moment only.
            Some(Gap::Epoch { .. }) if *epoch != after.0 || after.1 < *at => self.left_out(epoch, after),
            _ => self.wrong.push(format!("comes back at {at} of {epoch}, and begins after {after:?} with {gap:?}")),
        }
    }

    /// A new epoch begins under a subscriber that stays: what survived goes on, and is not told again.
    fn renewed(&mut self, (before, at): &Position, epoch: &str, after: u64) {
        if before == epoch {
            return self.wrong.push(format!("the epoch {epoch} begins anew at {at}"));
        }
        self.left_out(before, &(epoch.to_owned(), after));
        let channel = &self.trace.channel;
        let new = |offset| self.truth.new.contains(&(channel.as_str(), epoch, offset));
        let of = |epoch, offset| self.truth.body(channel, epoch, offset);
        let survived = |offset: &u64| of(before, *offset).is_some() && of(before, *offset) == of(epoch, *offset);
        // Where the server could not know what survived, it goes on from the oldest one.
        let twice = (after + 1..=*at).find(|offset| after > 0 && survived(offset) && !new(*offset));
        if let Some(offset) = twice {
            self.wrong.push(format!("{offset} of {before} has survived in {epoch}, and is told again, after {after}"));
        }
    }

    /// What lies up to `after` in a new epoch must be of the one before: nothing new is left out. Where it is not kept
    /// for long, it may be gone.
    fn left_out(&mut self, before: &str, (epoch, after): &Position) {
        let channel = self.trace.channel.as_str();
        if self.kind != Kind::All {
            return;
        }
        for offset in 1..=*after {
            let (old, now) = (self.truth.body(channel, before, offset), self.truth.body(channel, epoch, offset));
            let is_new = self.truth.new.contains(&(channel, epoch.as_str(), offset));
            if is_new || (old.is_some() && now.is_some() && old != now) {
                let now = now.unwrap_or_default();
                self.wrong.push(format!("{now} at {offset} of {epoch} is left out: it begins after {after}"));
            }
        }
    }
}
