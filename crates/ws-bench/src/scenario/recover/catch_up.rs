//! Checks that one client receives exactly what it has missed (PROTOCOL, section 5): every offset from its position to the
//! top, once and in order, after the response to its `subscribe`; and that what is missing was announced.

use ws_proto::Position;
use ws_proto::action::{Gap, SubscribeData};

/// The result of one client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Recovered,
    /// Some publications are gone, the server said which, and the rest arrived.
    WithGap,
    Wrong(&'a str),
}

/// Follows one client.
#[derive(Debug)]
pub(super) struct CatchUp {
    position: Position<'static>,
    /// Offset of the last publication.
    top: u64,
    /// The next offset; `None` after a gap to another epoch.
    next: Option<u64>,
    answered: bool,
    gap: bool,
    /// Another epoch has begun, so the data of an offset is unknown.
    new_epoch: bool,
    /// The first thing that went wrong.
    wrong: Option<String>,
}

impl CatchUp {
    /// A client that left at `position`, before `publications` were published in its channel.
    pub(super) fn new(position: Position<'static>, publications: u64) -> CatchUp {
        let (top, next) = (position.offset.saturating_add(publications), Some(position.offset.saturating_add(1)));
        CatchUp { position, top, next, answered: false, gap: false, new_epoch: false, wrong: None }
    }

    pub(super) fn answer(&mut self, answer: &SubscribeData<'_>) {
        if std::mem::replace(&mut self.answered, true) {
            return self.fail("two answers to one subscribe");
        }
        let same_epoch = answer.epoch.as_deref() == Some(&*self.position.epoch);
        match (answer.recovered, &answer.gap) {
            (Some(true), None) if same_epoch => {}
            (Some(false), Some(Gap::Epoch { epoch })) if !same_epoch => return self.new_epoch(answer, epoch),
            (Some(false), Some(Gap::Offsets { from, to })) if same_epoch => self.gap(Some((*from, *to))),
            (recovered, gap) => {
                let epoch = if same_epoch { "the same epoch" } else { "another epoch" };
                return self.fail(format!("answer with recovered {recovered:?}, gap {gap:?}, {epoch}"));
            }
        }
        if answer.offset != Some(self.top) {
            self.fail(format!("answer with offset {:?}, the top is {}", answer.offset, self.top));
        }
    }

    /// The client goes on in another stream, from its oldest publication.
    fn new_epoch(&mut self, answer: &SubscribeData<'_>, asked: &str) {
        if asked != self.position.epoch {
            self.fail(format!("gap of epoch {asked:?}, asked for was {:?}", self.position.epoch));
        }
        (self.gap, self.new_epoch) = (true, true);
        (self.next, self.top) = (None, answer.offset.unwrap_or(0));
    }

    /// The server announced a gap. Its offsets, the first and the last, must begin with the next one.
    pub(super) fn gap(&mut self, offsets: Option<(u64, u64)>) {
        self.gap = true;
        match (offsets, self.next) {
            (Some((from, to)), Some(next)) if from == next && (next..=self.top).contains(&to) => {
                self.next = Some(to + 1);
            }
            _ => self.fail(format!("gap of offsets {offsets:?} where offset {:?} was due", self.next)),
        }
    }

    /// A publication arrived. According to its data it is the `nth` of those that this client has missed.
    pub(super) fn publication(&mut self, offset: Option<u64>, nth: u64) {
        let Some(offset) = offset else { return self.fail("a publication without offset") };
        let (due, expected) = (self.next.unwrap_or(offset), self.position.offset.saturating_add(1 + nth));
        if !self.answered {
            self.fail(format!("offset {offset} arrived before the answer to subscribe"));
        } else if offset < due {
            self.fail(format!("offset {offset} arrived where {due} was expected: twice, or out of order"));
        } else if offset > due {
            self.fail(format!("offset {offset} arrived where {due} was expected: a hole without a gap event"));
        } else if offset > self.top {
            self.fail(format!("offset {offset} arrived, the top is {}", self.top));
        } else if !self.new_epoch && offset != expected {
            self.fail(format!("offset {offset} holds the data of offset {expected}"));
        }
        self.next = Some(due.max(offset.saturating_add(1)));
    }

    /// Only the first reason counts.
    pub(super) fn fail(&mut self, why: impl Into<String>) {
        self.wrong.get_or_insert_with(|| why.into());
    }

    pub(super) fn is_caught_up(&self) -> bool {
        let at_top = self.next.map_or(self.top == 0, |next| next > self.top);
        self.answered && at_top
    }

    pub(super) fn verdict(&self) -> Verdict<'_> {
        match &self.wrong {
            Some(why) => Verdict::Wrong(why),
            None if !self.answered => Verdict::Wrong("no answer to subscribe"),
            None if !self.is_caught_up() => Verdict::Wrong("not all publications arrived"),
            None if self.gap => Verdict::WithGap,
            None => Verdict::Recovered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        /// recovered, epoch, offset
        Answered(Option<bool>, &'static str, u64),
        /// The same with a gap of offsets.
        AnswerGap(u64, u64),
        /// The same with a gap of an epoch.
        AnswerEpoch(&'static str, &'static str, u64),
        /// An offset, with the data that belongs to it.
        Offset(u64),
        /// An offset with the data of another one.
        Swapped(u64, u64),
        GapEvent(u64, u64),
    }
    use Step::*;

    const OK: Step = Answered(Some(true), "e", 8);

    fn take(client: &mut CatchUp, step: &Step) {
        let answer = |recovered, epoch: &'static str, offset, gap| SubscribeData {
            channel: "c".into(),
            recovered,
            epoch: Some(epoch.into()),
            offset: Some(offset),
            gap,
            ..SubscribeData::default()
        };
        match *step {
            Answered(recovered, epoch, offset) => client.answer(&answer(recovered, epoch, offset, None)),
            AnswerGap(from, to) => {
                client.answer(&answer(Some(false), "e", 8, Some(Gap::Offsets { from, to })));
            }
            AnswerEpoch(asked, epoch, offset) => {
                client.answer(&answer(Some(false), epoch, offset, Some(Gap::Epoch { epoch: asked.into() })));
            }
            Offset(offset) => client.publication(Some(offset), offset.saturating_sub(6)),
            Swapped(offset, data) => client.publication(Some(offset), data - 6),
            GapEvent(from, to) => client.gap(Some((from, to))),
        }
    }

    /// A client that left at offset 5 of epoch `e`; 6, 7 and 8 were published since.
    fn follow(steps: &[Step]) -> CatchUp {
        let mut client = CatchUp::new(Position { epoch: "e".into(), offset: 5 }, 3);
        steps.iter().for_each(|step| take(&mut client, step));
        client
    }

    #[track_caller]
    fn check(steps: &[Step], expect: Verdict<'_>) {
        assert_eq!(follow(steps).verdict(), expect);
    }

    #[track_caller]
    fn wrong(steps: &[Step], why: &str) {
        let client = follow(steps);
        let verdict = client.verdict();
        assert!(matches!(verdict, Verdict::Wrong(text) if text.contains(why)), "{verdict:?}");
    }

    #[test]
    fn exactly_the_offsets_in_order_are_a_recovery() {
        check(&[OK, Offset(6), Offset(7), Offset(8)], Verdict::Recovered);
        assert!(!follow(&[OK, Offset(6), Offset(7)]).is_caught_up());
        assert!(follow(&[OK, Offset(6), Offset(7), Offset(8)]).is_caught_up());
        let mut nothing = CatchUp::new(Position { epoch: "e".into(), offset: 0 }, 0);
        take(&mut nothing, &Answered(Some(true), "e", 0));
        assert!(nothing.is_caught_up() && nothing.verdict() == Verdict::Recovered);
    }

    #[test]
    fn missing_doubled_and_swapped_offsets_are_wrong() {
        wrong(&[], "no answer");
        wrong(&[OK, Offset(6), Offset(7)], "not all");
        wrong(&[OK, Offset(6), Offset(8)], "a hole without a gap");
        wrong(&[OK, Offset(6), Offset(6), Offset(7), Offset(8)], "twice");
        wrong(&[OK, Offset(6), Offset(7), Offset(8), Offset(8)], "twice");
        wrong(&[OK, Offset(7), Offset(6), Offset(8)], "a hole");
        wrong(&[OK, Offset(6), Offset(7), Offset(8), Offset(9)], "the top is 8");
        wrong(&[Offset(6), OK, Offset(7), Offset(8)], "before the answer");
        wrong(&[OK, Swapped(6, 7)], "the data of offset 7");
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_wrong() {
        wrong(&[Answered(None, "e", 8)], "recovered None");
        wrong(&[Answered(Some(false), "e", 8)], "recovered Some(false)");
        wrong(&[Answered(Some(true), "f", 8)], "another epoch");
        wrong(&[Answered(Some(true), "e", 7)], "the top is 8");
        wrong(&[OK, OK], "two answers");
    }

    #[test]
    fn an_announced_gap_is_a_gap_and_what_follows_must_come() {
        check(&[AnswerGap(6, 7), Offset(8)], Verdict::WithGap);
        check(&[OK, Offset(6), GapEvent(7, 7), Offset(8)], Verdict::WithGap);
        check(&[AnswerGap(6, 8)], Verdict::WithGap);
        wrong(&[AnswerGap(6, 6), Offset(8)], "a hole");
        wrong(&[AnswerGap(7, 7), Offset(8)], "gap");
        wrong(&[AnswerGap(6, 9)], "gap");
        wrong(&[AnswerGap(6, 7)], "not all");
    }

    #[test]
    fn another_epoch_begins_at_its_oldest_publication() {
        check(&[AnswerEpoch("e", "f", 3), Offset(2), Offset(3)], Verdict::WithGap);
        check(&[AnswerEpoch("e", "f", 0)], Verdict::WithGap);
        wrong(&[AnswerEpoch("x", "f", 3), Offset(3)], "asked for was");
        wrong(&[AnswerEpoch("e", "f", 3), Offset(1), Offset(3)], "a hole");
    }
}
