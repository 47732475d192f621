//! The runs of a channel that come before a prompt (PROTOCOL section 8): the last complete ones, as far as they fit.

use serde_json::value::RawValue;
use ws_core::Hub;
use ws_proto::action::GetHistory;
use ws_proto::claude::{CLAUDE_SERVICE, RunEvent, RunStatus};
use ws_proto::publication::HistoryEntry;
use ws_proto::{ErrorBody, ErrorCode};

use crate::limits::PAGE;
use crate::upstream::{Role, Turn};

/// Earlier runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// A user turn and an assistant turn of each, oldest first.
    pub(crate) turns: Vec<Turn>,
    /// How many runs those are.
    pub(crate) taken: u32,
    /// There are older ones that were left out.
    pub(crate) is_cut: bool,
}

/// Collects runs from the newest publication of a channel to the oldest.
#[derive(Debug)]
pub(crate) struct Collector {
    wanted: usize,
    bytes_max: usize,
    /// Newest first. One more than are wanted: whether there is one decides about `is_cut`.
    found: Vec<Candidate>,
}

/// A complete run whose beginning may not be found yet, and may not be retained: until it is found, it counts for nothing.
#[derive(Debug)]
struct Candidate {
    run_id: String,
    /// `None`: it does not fit by itself.
    answer: Option<String>,
    question: Option<String>,
}

impl Collector {
    /// Wants so many runs, of at most so many bytes together.
    pub(crate) fn new(wanted: u32, bytes_max: usize) -> Self {
        Collector { wanted: wanted as usize, bytes_max, found: Vec::new() }
    }

    /// Whether older publications change nothing any more.
    pub(crate) fn is_done(&self) -> bool {
        self.found.iter().all(|run| run.question.is_some()) && self.is_full()
    }

    /// Whether those that count are enough.
    fn is_full(&self) -> bool {
        let known = self.found.iter().filter(|run| run.question.is_some());
        let (count, bytes) = known.fold((0, 0_usize), |(count, bytes), run| {
            (count + 1, bytes.saturating_add(run.bytes().unwrap_or(usize::MAX)))
        });
        count > self.wanted || bytes > self.bytes_max
    }

    /// Takes the next older publication.
    pub(crate) fn take(&mut self, entry: &RawValue) {
        let Ok(entry) = serde_json::from_str::<HistoryEntry<'_, &RawValue>>(entry.get()) else { return };
        // No client can produce this.
        if entry.from.and_then(|from| from.service).as_deref() != Some(CLAUDE_SERVICE) {
            return;
        }
        match serde_json::from_str::<RunEvent<'_>>(entry.data.get()) {
            Ok(RunEvent::Finished(finished)) if finished.status == RunStatus::Complete => {
                let answer = finished.text.unwrap_or_default();
                // The provider refuses an empty turn, in every later request too.
                if !is_blank(&answer) && !self.is_full() {
                    let answer = Some(answer.into_owned()).filter(|answer| answer.len() <= self.bytes_max);
                    self.found.push(Candidate { run_id: finished.run_id.into_owned(), answer, question: None });
                }
            }
            Ok(RunEvent::Started(started)) => {
                let asked = started.messages.and_then(|mut messages| messages.pop()).map(|message| message.content);
                let question = started.prompt.or(asked).map(|question| question.into_owned());
                let of_it = |run: &&mut Candidate| run.run_id == *started.run_id && run.question.is_none();
                if let Some(run) = self.found.iter_mut().find(of_it) {
                    run.question = question;
                }
            }
            _ => {}
        }
    }

    /// What fits: the newest, up to the first one that does not.
    pub(crate) fn finish(mut self) -> Context {
        let (mut context, mut bytes) = (Context::default(), 0);
        for run in self.found.iter_mut().filter(|run| run.question.is_some()) {
            bytes += run.bytes().unwrap_or_default();
            let (Some(question), Some(answer)) = (run.question.take(), run.answer.take()) else {
                context.is_cut = true;
                break;
            };
            if context.taken as usize >= self.wanted || bytes > self.bytes_max {
                context.is_cut = true;
                break;
            }
            context.taken += 1;
            // Backwards, as all of it is turned round at the end.
            context.turns.push(Turn { role: Role::Assistant, content: answer });
            context.turns.push(Turn { role: Role::User, content: question });
        }
        context.turns.reverse();
        context
    }
}

impl Candidate {
    /// `None`: too many.
    fn bytes(&self) -> Option<usize> {
        Some(self.answer.as_ref()?.len() + self.question.as_ref().map_or(0, String::len))
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// The last `wanted` complete runs of a channel.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn collect(hub: &Hub, channel: &str, wanted: u32, bytes_max: usize) -> Result<Context, ErrorBody> {
    let (mut collector, mut before) = (Collector::new(wanted, bytes_max), None);
    while !collector.is_done() {
        let query = GetHistory { channel: channel.into(), limit: Some(PAGE), before, reverse: Some(true), since: None };
        let page = match hub.history(&query).await {
            Ok(page) => page,
            // Without a history there are no earlier runs.
            Err(error) if error.code == ErrorCode::NotAvailable => break,
            Err(error) => return Err(error),
        };
        page.publications.iter().for_each(|entry| collector.take(entry));
        let oldest = page.publications.last().and_then(|entry| offset(entry));
        if !page.more || oldest.is_none() {
            break;
        }
        before = oldest;
    }
    Ok(collector.finish())
}

/// The offset of an entry of a history.
pub(crate) fn offset(entry: &RawValue) -> Option<u64> {
    serde_json::from_str::<HistoryEntry<'_, &RawValue>>(entry.get()).ok().map(|entry| entry.offset)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(data: serde_json::Value, service: &str) -> Box<RawValue> {
        let entry = json!({ "offset": 1, "data": data, "time": 1, "from": { "service": service, "user": null } });
        RawValue::from_string(entry.to_string()).expect("JSON")
    }

    fn started(run_id: &str, prompt: &str) -> Box<RawValue> {
        let data = json!({ "claude": "started", "run_id": run_id, "stream": "s", "stream_epoch": "e", "model": "m",
                           "prompt": prompt });
        entry(data, "claude")
    }

    fn finished(run_id: &str, status: &str, text: &str) -> Box<RawValue> {
        entry(json!({ "claude": "finished", "run_id": run_id, "status": status, "text": text }), "claude")
    }

    /// Publications, oldest first; what is taken of them: the texts, and whether something was left out.
    #[track_caller]
    fn check(entries: &[Box<RawValue>], wanted: u32, bytes_max: usize, expect: &[&str], is_cut: bool) {
        let mut collector = Collector::new(wanted, bytes_max);
        entries.iter().rev().take_while(|_| true).for_each(|entry| {
            if !collector.is_done() {
                collector.take(entry);
            }
        });
        let context = collector.finish();
        let texts: Vec<_> = context.turns.iter().map(|turn| turn.content.as_str()).collect();
        assert_eq!((texts.as_slice(), context.is_cut), (expect, is_cut));
        assert_eq!(context.taken as usize * 2, expect.len());
        let roles = context.turns.iter().map(|turn| turn.role);
        assert!(roles.eq([Role::User, Role::Assistant].into_iter().cycle().take(expect.len())));
    }

    #[test]
    fn the_last_complete_runs_oldest_first() {
        let all = [
            started("1", "q1"),
            finished("1", "complete", "a1"),
            started("2", "q2"),
            finished("2", "failed", "a2"),
            started("3", "q3"),
            started("4", "q4"),
            finished("4", "complete", "a4"),
            finished("3", "complete", "a3"),
            started("5", "q5"),
            finished("5", "complete", " \n"),
            started("6", "q6"),
            finished("6", "refused", ""),
        ];
        check(&all, 9, 100, &["q1", "a1", "q4", "a4", "q3", "a3"], false);
        check(&all, 3, 100, &["q1", "a1", "q4", "a4", "q3", "a3"], false);
        check(&all, 2, 100, &["q4", "a4", "q3", "a3"], true);
        check(&all, 2, 8, &["q4", "a4", "q3", "a3"], true);
        check(&all, 2, 7, &["q3", "a3"], true);
        check(&all, 2, 3, &[], true);
        check(&[], 2, 100, &[], false);
        check(&all[1..2], 2, 100, &[], false);
    }

    #[test]
    fn runs_whose_beginning_is_gone_take_nothing_from_others() {
        let all = [
            started("1", "q1"),
            finished("1", "complete", "a1"),
            finished("2", "complete", "a2"),
            finished("3", "complete", "a long answer, longer than all that may be taken"),
        ];
        check(&all, 1, 10, &["q1", "a1"], false);
        check(&all[1..], 1, 10, &[], false);
    }

    #[test]
    fn what_clients_publish_is_no_run() {
        let forged = |data| entry(data, "other");
        let all = [
            forged(json!({ "claude": "started", "run_id": "1", "stream": "s", "stream_epoch": "e", "model": "m",
                           "prompt": "q" })),
            forged(json!({ "claude": "finished", "run_id": "1", "status": "complete", "text": "a" })),
            entry(json!("hello"), "claude"),
        ];
        check(&all, 2, 100, &[], false);
    }

    #[test]
    fn of_a_conversation_the_last_question_counts() {
        let data = json!({ "claude": "started", "run_id": "1", "stream": "s", "stream_epoch": "e", "model": "m",
            "messages": [{ "role": "user", "content": "x" }, { "role": "assistant", "content": "y" },
                         { "role": "user", "content": "z" }] });
        check(&[entry(data, "claude"), finished("1", "complete", "a")], 1, 100, &["z", "a"], false);
    }
}
