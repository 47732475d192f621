//! What publishers were answered, and how soon.

use crate::cluster::oracle::trace::{Answer, Attempt, Kind, Page, Record};

use super::Rules;
use super::truth::Truth;

/// (c), and of (d) what is about repeats.
pub(super) fn judge(record: &Record, truth: &Truth<'_>, rules: &Rules, wrong: &mut Vec<String>) {
    for attempt in &record.attempts {
        let took = attempt.answered - attempt.sent;
        if took > rules.answer_within && !rules.stopped.contains(&attempt.server) {
            wrong.push(format!("{} was answered after {took} ms: {attempt:?}", attempt.body));
        }
        match &attempt.answer {
            Answer::Stored { epoch, offset, duplicate } => {
                let last = record.last.iter().find(|page| page.channel == attempt.channel);
                retained(attempt, (epoch, *offset), last, rules, wrong);
                if attempt.age > 0 && !duplicate {
                    repeated(attempt, *offset, truth, wrong);
                }
            }
            Answer::Wrong(answer) => wrong.push(format!("{} was answered {answer}", attempt.body)),
            Answer::Passed | Answer::Unknown | Answer::Refused | Answer::Forgotten => {}
        }
    }
}

fn retained(
    attempt: &Attempt,
    (epoch, offset): (&str, u64),
    last: Option<&Page>,
    rules: &Rules,
    wrong: &mut Vec<String>,
) {
    let Some(last) = last.filter(|_| Kind::of(&attempt.channel) == Kind::All) else { return };
    let found = last.entries.iter().find(|(at, _)| *at == offset).map(|(_, body)| body);
    let must = last.epoch == epoch || !rules.may_lose;
    if must && found != Some(&attempt.body) {
        let Attempt { channel, body, .. } = attempt;
        wrong.push(format!("(c) {channel}: {body} was acknowledged at {offset} of {epoch}, where {found:?} is now"));
    }
}

/// A repeat that says its age was published: then it stood nowhere before.
fn repeated(attempt: &Attempt, offset: u64, truth: &Truth<'_>, wrong: &mut Vec<String>) {
    let Attempt { channel, body, .. } = attempt;
    let streams = truth.streams.iter().filter(|((of, _), _)| of == channel);
    for ((_, epoch), stream) in streams.filter(|_| !body.starts_with("twin")) {
        if let Some((other, _)) = stream.iter().find(|(at, known)| *known == body && **at != offset) {
            wrong
                .push(format!("(d) {channel}: {body} stood at {other} of {epoch}, and its repeat is new, at {offset}"));
        }
    }
}
