//! One subscriber of a channel without history, or of broadcasts. Publishers number what they publish, and wait for each
//! answer: what is missing between two that came is inside a gap that was told.

use std::collections::HashMap;

use crate::cluster::oracle::trace::{Answer, Attempt, BROADCASTS, Gap, Ms, Told, Trace};

/// (b). Each connection begins anew: nobody knows where the one before was.
pub(super) fn judge(trace: &Trace, attempts: &[Attempt], wrong: &mut Vec<String>) {
    // Who has come to the end reads no more.
    let end = trace.events.last().map_or(0, |(at, _)| *at);
    let of_channel = || attempts.iter().filter(|attempt| attempt.channel == trace.channel && attempt.answered <= end);
    for segment in segments(trace) {
        let received = received(trace, &segment, wrong);
        // In the same millisecond it may have come first.
        for attempt in of_channel().filter(|one| one.answer == Answer::Passed && one.sent > segment.began) {
            let (publisher, number) = numbered(&attempt.body);
            let of: &[(u64, usize)] = received.get(publisher).map_or(&[], Vec::as_slice);
            if of.iter().any(|(nth, _)| *nth == number) {
                continue;
            }
            let from = of.iter().rev().find(|(nth, _)| *nth < number).map_or(segment.from, |(_, at)| *at);
            // In a segment that was cut, what came last may not have been read.
            let next = of.iter().find(|(nth, _)| *nth > number).map(|(_, at)| *at);
            let Some(to) = next.or(segment.is_last.then_some(segment.to)) else { continue };
            let mut between = trace.events[from..to].iter();
            if !between.any(|(_, told)| matches!(told, Told::Gap(Gap::Missed))) {
                let Attempt { body, server, sent, answered, .. } = attempt;
                let (began, told) =
                    (segment.began, &trace.events[from.saturating_sub(1)..trace.events.len().min(to + 1)]);
                wrong.push(format!(
                    "(b) {} in {}: {body} is missing, sent to server {server} at {sent} ms and answered at {answered} ms; \
                     the subscription began at {began} ms, and what was told around it: {told:?}",
                    trace.who, trace.channel
                ));
            }
        }
    }
}

/// What came of each publisher, in order: numbers and places in the trace.
fn received<'a>(trace: &'a Trace, segment: &Segment, wrong: &mut Vec<String>) -> HashMap<&'a str, Vec<(u64, usize)>> {
    let mut received: HashMap<&str, Vec<(u64, usize)>> = HashMap::new();
    for (at, (ms, told)) in trace.events.iter().enumerate().take(segment.to).skip(segment.from) {
        if trace.channel == BROADCASTS && *told == Told::Gap(Gap::Missed) {
            // They have no positions: where a server cannot know what survived, those that are kept come again.
            received.clear();
        }
        let Told::Publication { body, .. } = told else { continue };
        let (publisher, number) = numbered(body);
        let of = received.entry(publisher).or_default();
        match of.last() {
            Some((before, _)) if *before >= number => {
                let (who, channel) = (&trace.who, &trace.channel);
                wrong.push(format!("(b) {who} in {channel}: at {ms} ms {body} comes after {before}"));
            }
            _ => of.push((number, at)),
        }
    }
    received
}

/// From one answer to `subscribe` to the next.
struct Segment {
    began: Ms,
    from: usize,
    to: usize,
    is_last: bool,
}

fn segments(trace: &Trace) -> Vec<Segment> {
    let begins = trace.events.iter().enumerate().filter(|(_, (_, told))| matches!(told, Told::Began { .. }));
    let begins: Vec<_> = begins.map(|(at, (began, _))| (at, *began)).collect();
    let ends = begins.iter().skip(1).map(|(at, _)| (*at, false)).chain([(trace.events.len(), true)]);
    begins
        .iter()
        .zip(ends)
        .map(|((from, began), (to, is_last))| Segment { began: *began, from: *from, to, is_last })
        .collect()
}

/// The publisher and the number of a body.
fn numbered(body: &str) -> (&str, u64) {
    let parts = body.rsplit_once('-').and_then(|(publisher, number)| Some((publisher, number.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("a body of a publisher: {body}"))
}
