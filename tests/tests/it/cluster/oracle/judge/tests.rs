//! Traces written by hand: those that are right, and those that the judge must not let through.

use std::collections::BTreeSet;

use ws_tests::prelude::*;

use super::presence::{Watched, ids};
use super::{Rules, judge};
use crate::cluster::oracle::trace::{Answer, Attempt, Gap, Ms, Page, Record, Told, Trace};

const SAME: fn() -> Rules = || Rules { answer_within: 1000, ..Rules::default() };
const LOST: fn() -> Rules = || Rules { epochs_change: true, may_lose: true, ..SAME() };
const KEPT: fn() -> Rules = || Rules { epochs_change: true, ..SAME() };

/// `wrong`: what the only complaint begins with; empty: there is none.
#[track_caller]
fn check(record: &Record, rules: fn() -> Rules, wrong: &str) {
    let found = judge(record, &rules());
    let is_expected = match wrong {
        "" => found.is_empty(),
        wrong => !found.is_empty() && found.iter().all(|found| found.starts_with(wrong)),
    };
    assert!(is_expected, "{wrong:?}, found {found:#?}");
}

fn began(since: Option<(&str, u64)>, after: (&str, u64), gap: Option<Gap>) -> Told {
    let position = |(epoch, offset): (&str, u64)| (epoch.to_owned(), offset);
    Told::Began { since: since.map(position), after: Some(position(after)), gap }
}

fn publication(offset: u64, body: &str) -> Told {
    Told::Publication { offset: Some(offset), body: body.to_owned() }
}

fn gone(from: u64, to: u64) -> Told {
    Told::Gap(Gap::Offsets { from, to })
}

fn epoch(epoch: &str, after: u64) -> Told {
    Told::Gap(Gap::Epoch { epoch: epoch.to_owned(), after })
}

fn trace(channel: &str, events: Vec<Told>) -> Trace {
    let events = events.into_iter().enumerate().map(|(at, told)| (at as Ms * 10, told)).collect();
    Trace { who: "reader".to_owned(), channel: channel.to_owned(), events }
}

fn page(channel: &str, epoch: &str, top: u64, entries: &[(u64, &str)]) -> Page {
    let entries = entries.iter().map(|(offset, body)| (*offset, (*body).to_owned())).collect();
    Page { channel: channel.to_owned(), asked: 1000, answered: 1001, epoch: epoch.to_owned(), top, entries }
}

fn attempt(channel: &str, body: &str, answer: Answer) -> Attempt {
    let (channel, body) = (channel.to_owned(), body.to_owned());
    Attempt { channel, body, server: 0, sent: 1, answered: 2, age: 0, answer }
}

fn stored(epoch: &str, offset: u64, duplicate: bool) -> Answer {
    Answer::Stored { epoch: epoch.to_owned(), offset, duplicate }
}

/// A channel that keeps everything, in which `a-1`, `a-2` and `a-3` stand in the epoch E at the end.
fn read(events: Vec<Told>) -> Record {
    let last = vec![page("log:1", "E", 3, &[(1, "a-1"), (2, "a-2"), (3, "a-3")])];
    Record { traces: vec![trace("log:1", events)], last, ..Record::default() }
}

#[test]
fn a_subscriber_has_everything_once() {
    let all = || vec![began(None, ("E", 0), None), publication(1, "a-1"), publication(2, "a-2"), publication(3, "a-3")];
    check(&read(all()), SAME, "");
    check(&read(vec![began(None, ("E", 3), None)]), SAME, "");
    let back = |since, after, gap| {
        vec![began(None, ("E", 0), None), publication(1, "a-1"), began(since, after, gap), publication(3, "a-3")]
    };
    check(&read(back(Some(("E", 1)), ("E", 2), Some(Gap::Offsets { from: 2, to: 2 }))), SAME, "(b)");
    check(&read(back(Some(("E", 1)), ("E", 2), None)), SAME, "(b)");
    check(&read(back(Some(("E", 1)), ("E", 1), None)), SAME, "(b)");
    let above = |after| began(Some(("E", 1)), ("E", after), Some(Gap::Epoch { epoch: "E".into(), after: 0 }));
    check(&read([&all()[..2], &[above(0)], &all()[1..]].concat()), SAME, "");
    check(&read([&all()[..2], &[above(1)], &all()[2..]].concat()), SAME, "(b)");
    check(&read([&all()[..1], &all()[2..]].concat()), SAME, "(b)");
    check(&read([&all()[..2], &all()[1..]].concat()), SAME, "(b)");
    check(&read([&all()[..1], &[gone(1, 1)], &all()[2..]].concat()), SAME, "(b)");
    check(&read(all()[..3].to_vec()), SAME, "(b)");
    check(&read(all()[1..].to_vec()), SAME, "(b)");
    check(&read([all(), vec![epoch("E", 3)]].concat()), SAME, "(b)");
    let mut other = all();
    other[2] = publication(2, "b-2");
    check(&read(other), SAME, "(a)");
}

#[test]
fn what_is_gone_is_told() {
    let few = |events| Record {
        traces: vec![trace("few:1", events)],
        last: vec![page("few:1", "E", 4, &[(4, "a-4")])],
        ..Record::default()
    };
    let begin = || vec![began(None, ("E", 0), None), publication(1, "a-1")];
    check(&few([begin(), vec![gone(2, 3), publication(4, "a-4")]].concat()), SAME, "");
    let resumed = began(Some(("E", 1)), ("E", 3), Some(Gap::Offsets { from: 2, to: 3 }));
    check(&few([begin(), vec![resumed, publication(4, "a-4")]].concat()), SAME, "");
    check(&few([begin(), vec![gone(3, 3), publication(4, "a-4")]].concat()), SAME, "(b)");
    check(&few([begin(), vec![gone(1, 3), publication(4, "a-4")]].concat()), SAME, "(b)");
    check(&few([begin(), vec![publication(4, "a-4")]].concat()), SAME, "(b)");
    check(&few([begin(), vec![gone(2, 3)]].concat()), SAME, "(b)");
}

/// In D `x-1`, `x-2` and `x-3`; `a-2` has come in E in place of the lost ones.
fn renewed(events: &[Told], entries: &[(u64, &str)]) -> Record {
    let before = [began(None, ("D", 0), None), publication(1, "x-1"), publication(2, "x-2"), publication(3, "x-3")];
    let mut steady = before.to_vec();
    steady.push(epoch("E", 1));
    steady.extend(entries[1..].iter().map(|(offset, body)| publication(*offset, body)));
    let traces = vec![trace("log:1", [&before, events].concat()), trace("log:1", steady)];
    let new = entries[1..].iter().map(|(offset, body)| attempt("log:1", body, stored("E", *offset, false)));
    let last = vec![page("log:1", "E", entries.len() as u64, entries)];
    Record { traces, last, attempts: new.collect(), ..Record::default() }
}

#[test]
fn a_new_epoch_leaves_out_nothing_new_and_repeats_nothing() {
    let one_survived = [(1, "x-1"), (2, "a-2"), (3, "a-3")];
    let rest = [publication(2, "a-2"), publication(3, "a-3")];
    check(&renewed(&[&[epoch("E", 1)], &rest[..]].concat(), &one_survived), LOST, "");
    // Where it is not known what survived, everything is read again.
    let all = [&[epoch("E", 0), publication(1, "x-1")], &rest[..]].concat();
    check(&renewed(&all, &one_survived), LOST, "");
    check(&renewed(&[epoch("E", 2), rest[1].clone()], &one_survived), LOST, "(b)");
    check(&renewed(&[epoch("E", 3)], &one_survived), LOST, "(b)");
    check(&renewed(&[&[epoch("E", 1)], &rest[..]].concat(), &one_survived), SAME, "log:1 has had the epochs");
    let resumed = |after| began(Some(("D", 3)), ("E", after), Some(Gap::Epoch { epoch: "D".into(), after: 0 }));
    check(&renewed(&[&[resumed(0), publication(1, "x-1")], &rest[..]].concat(), &one_survived), LOST, "");
    check(&renewed(&[resumed(3)], &one_survived), LOST, "(b)");
    let two_survived = Record {
        last: vec![page("log:1", "E", 2, &[(1, "x-1"), (2, "x-2")])],
        ..renewed(&[epoch("E", 1), publication(2, "x-2")], &[(1, "x-1")])
    };
    let traces = two_survived.traces[..1].to_vec();
    check(&Record { traces, ..two_survived }, LOST, "(b)");
}

#[test]
fn what_was_acknowledged_is_there() {
    let with = |attempts: Vec<Attempt>, last: Page| Record { attempts, last: vec![last], ..Record::default() };
    let there = || page("log:1", "E", 1, &[(1, "a-1")]);
    let one = |answer| vec![attempt("log:1", "a-1", answer)];
    check(&with(one(stored("E", 1, false)), there()), SAME, "");
    check(&with(one(stored("D", 7, false)), there()), LOST, "");
    check(&with(one(stored("D", 7, false)), there()), KEPT, "(c)");
    check(&with(one(stored("D", 1, false)), there()), KEPT, "");
    check(&with(one(stored("E", 1, false)), page("log:1", "E", 0, &[])), LOST, "(c)");
    check(&with(vec![], page("log:1", "E", 2, &[(2, "a-2")])), LOST, "(c)");
    check(&with(one(Answer::Wrong("conflict".into())), there()), LOST, "a-1 was answered");
    let late = |server| Attempt { answered: 2000, server, ..attempt("log:1", "a-1", stored("E", 1, false)) };
    check(&with(vec![late(0)], there()), SAME, "a-1 was answered after");
    check(&with(vec![late(0)], there()), || Rules { stopped: vec![0], ..SAME() }, "");
}

#[test]
fn of_equal_ids_one_is_new() {
    let with = |attempts: Vec<Attempt>, entries: &[(u64, &str)]| Record {
        attempts,
        last: vec![page("log:1", "E", entries.len() as u64, entries)],
        ..Record::default()
    };
    let of = |body: &str, offset, duplicate| attempt("log:1", body, stored("E", offset, duplicate));
    check(&with(vec![of("twin-1", 1, false), of("twin-1", 1, true)], &[(1, "twin-1")]), SAME, "");
    check(&with(vec![of("twin-1", 1, false), of("twin-1", 1, false)], &[(1, "twin-1")]), SAME, "(d)");
    check(&with(vec![], &[(1, "a-1"), (2, "a-1")]), SAME, "(d)");
    let lost = || attempt("log:1", "a-1", stored("D", 7, false));
    let again = |age| Attempt { age, ..of("a-1", 1, false) };
    check(&with(vec![lost(), again(5)], &[(1, "a-1")]), LOST, "(d)");
    check(&with(vec![lost(), again(0)], &[(1, "a-1")]), LOST, "");
}

#[test]
fn what_passes_comes_or_is_told_as_missed() {
    let passed = |nth| Attempt { sent: 10, answered: 11, ..attempt("pass:1", &format!("a-{nth}"), Answer::Passed) };
    let begin = Told::Began { since: None, after: None, gap: None };
    let came = |nth| Told::Publication { offset: None, body: format!("a-{nth}") };
    let told = |events: &[Told]| Record {
        attempts: (1..=4).map(passed).collect(),
        traces: vec![trace("pass:1", [std::slice::from_ref(&begin), events].concat())],
        ..Record::default()
    };
    check(&told(&[came(1), came(2), came(3), came(4)]), SAME, "");
    check(&told(&[came(1), Told::Gap(Gap::Missed), came(4)]), SAME, "");
    check(&told(&[came(1), came(2), came(3), Told::Gap(Gap::Missed)]), SAME, "");
    check(&told(&[came(1), came(4)]), SAME, "(b)");
    check(&told(&[came(1), came(4)]), || Rules { is_split: true, ..SAME() }, "");
    check(&told(&[came(2), came(1)]), || Rules { is_split: true, ..SAME() }, "(b)");
    check(&told(&[Told::Gap(Gap::Missed), came(1), came(4)]), SAME, "(b)");
    check(&told(&[came(1), came(2), came(3)]), SAME, "(b)");
    check(&told(&[came(2), came(3), came(4)]), SAME, "(b)");
    check(&told(&[came(1), came(2), came(2), came(3), came(4)]), SAME, "(b)");
    check(&told(&[came(2), came(1), came(3), came(4)]), SAME, "(b)");
    // What is published after the end is for nobody.
    let attempts = (1..=4).map(passed).chain([Attempt { answered: 100, ..passed(5) }]).collect();
    check(&Record { attempts, ..told(&[came(1), came(2), came(3), came(4)]) }, SAME, "");
    // What came last before a connection was cut may not have been read; before the next one nothing is due.
    let late = |nth| Attempt { sent: 30, answered: 31, ..passed(nth) };
    let attempts = vec![passed(1), passed(2), passed(3), late(4)];
    check(&Record { attempts, ..told(&[came(1), came(2), begin.clone(), came(4)]) }, SAME, "");
}

#[test]
fn broadcasts_come_again_only_after_a_gap() {
    let begin = Told::Began { since: None, after: None, gap: None };
    let came = |nth| Told::Publication { offset: None, body: format!("a-{nth}") };
    let told = |events: &[Told]| Record {
        traces: vec![trace("*", [std::slice::from_ref(&begin), events].concat())],
        ..Record::default()
    };
    check(&told(&[came(1), came(2), Told::Gap(Gap::Missed), came(1), came(3)]), SAME, "");
    check(&told(&[came(1), came(2), came(1)]), SAME, "(b)");
}

#[test]
fn size_and_ttl_are_exact() {
    let kept = |entries: &[(u64, &str)], top, asked| Record {
        attempts: vec![attempt("few:1", "a-1", stored("E", 1, false))],
        pages: vec![Page { asked, ..page("few:1", "E", top, entries) }],
        ..Record::default()
    };
    check(&kept(&[(1, "a-1")], 1, 2002), SAME, "");
    check(&kept(&[(1, "a-1")], 1, 2003), SAME, "(g)");
    check(&kept(&[], 1, 2003), SAME, "");
    check(&kept(&[(1, "a-1"), (3, "a-3")], 3, 3), SAME, "(b)");
    check(&kept(&[(1, "a-1")], 2, 3), SAME, "(b)");
    let bodies: Vec<_> = (1..=41).map(|nth| format!("a-{nth}")).collect();
    let entries: Vec<_> = (1..).zip(bodies.iter().map(String::as_str)).collect();
    check(&kept(&entries[..40], 40, 3), SAME, "");
    check(&kept(&entries, 41, 3), SAME, "(g)");
}

#[test]
fn who_watches_knows_who_is_there() {
    let event = |event: &str, who: &str| json!({"event": event, "client": {"connection_id": who}});
    let set = |who: &[&str]| who.iter().map(|who| (*who).to_owned()).collect::<BTreeSet<_>>();
    let mut watched = Watched::default();
    watched.asked();
    assert!(!watched.told(&event("join", "a")) && !watched.told(&event("leave", "b")));
    watched.answered(set(&["b", "c"]));
    assert_eq!(watched.present, set(&["a", "c"]));
    assert!(!watched.told(&event("leave", "a")) && !watched.told(&event("leave", "a")));
    assert_eq!(watched.present, set(&["c"]));
    assert!(watched.told(&json!({"event": "presence", "connections": 2, "users": 0})));
    assert!(!watched.told(&json!({"event": "publication"})));
    let answer = |connections| json!({"data": {"connections": connections, "clients": [{"connection_id": "a"}]}});
    assert_eq!((ids(&answer(1)), ids(&answer(2)), ids(&Value::Null)), (Some(set(&["a"])), None, None));
}
