//! One channel as one client sees it: checks that the client only sees what the protocol allows next.

use ws_proto::action::{Gap, SubscribeData};
use ws_tests::prelude::*;

/// How a client asks to begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    Now,
    /// After what it has seen.
    Since,
    Rewind(u64),
}

/// What is the same for all clients of a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How many publications are retained.
    pub(super) retained: u64,
    /// Whether publications can be lost: otherwise no gap is allowed.
    pub(super) gaps: bool,
}

/// The state of a client in a stream.
#[derive(Debug)]
pub(super) struct Stream {
    terms: Terms,
    channel: String,
    epoch: String,
    /// The next offset is one of these. There is more than one only after a rewind whose beginning may be gone.
    least: u64,
    most: u64,
    /// How many publications were announced as missing.
    pub(super) missed: u64,
    pub(super) gaps: u64,
}

impl Stream {
    /// At the beginning of this epoch.
    pub(super) fn new(channel: &str, epoch: &str, terms: Terms) -> Self {
        let (channel, epoch) = (channel.to_owned(), epoch.to_owned());
        Stream { terms, channel, epoch, least: 1, most: 1, missed: 0, gaps: 0 }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Everything up to this offset was seen, or announced as missing.
    pub(super) fn last(&self) -> u64 {
        self.least - 1
    }

    /// The payload of `subscribe`.
    pub(super) fn payload(&self, begin: Begin) -> Value {
        let mut payload = json!({"channel": self.channel});
        match begin {
            Begin::Now => {}
            Begin::Since => payload["since"] = json!({"epoch": self.epoch, "offset": self.last()}),
            Begin::Rewind(n) => payload["rewind"] = n.into(),
        }
        payload
    }

    /// The answer to it; `sent`: publications that may have been published by now.
    pub(super) fn subscribed(&mut self, begin: Begin, data: &SubscribeData<'_>, sent: u64) {
        assert_eq!(data.epoch.as_deref(), Some(&*self.epoch), "{data:?}");
        let top = data.offset.unwrap_or_else(|| panic!("an offset: {data:?}"));
        assert!(top <= sent, "{top} publications, of {sent}");
        if let Begin::Since = begin {
            assert!(self.last() <= top, "the top goes back: {self:?}, {data:?}");
            assert_eq!(data.recovered, Some(data.gap.is_none()), "{data:?}");
            match &data.gap {
                None => {}
                Some(Gap::Offsets { from, to }) => {
                    assert!(*to <= top, "{data:?}");
                    self.gap(*from, *to, sent);
                }
                Some(Gap::Epoch { .. }) => panic!("the epoch is the same: {self:?}, {data:?}"),
            }
            return;
        }
        assert!(data.recovered.is_none() && data.gap.is_none(), "{data:?}");
        let n = if let Begin::Rewind(n) = begin { n } else { 0 };
        self.least = top - n.min(top) + 1;
        self.most = if self.terms.gaps && n > 0 { top + 1 } else { self.least };
    }

    /// The next publication has this offset.
    pub(super) fn publication(&mut self, offset: u64) {
        assert!((self.least..=self.most).contains(&offset), "{offset} at {self:?}");
        (self.least, self.most) = (offset + 1, offset + 1);
    }

    /// These offsets are missing; `sent`: publications that may have been published by now.
    pub(super) fn gap(&mut self, from: u64, to: u64, sent: u64) {
        assert!(self.terms.gaps, "everything is retained, but {from} to {to} at {self:?}");
        assert!((self.least..=self.most).contains(&from) && from <= to, "{from} to {to} at {self:?}");
        assert!(to + self.terms.retained <= sent, "{from} to {to} of {sent}: not all of it can be gone, at {self:?}");
        (self.least, self.most) = (to + 1, to + 1);
        self.missed += to - from + 1;
        self.gaps += 1;
    }
}

/// Whether a client that has seen 10 of 200 publications, of which the last 50 are retained, may see this next.
fn allows(gaps: bool, see: impl FnOnce(&mut Stream)) -> bool {
    let mut stream = Stream::new("x", "e", Terms { retained: 50, gaps });
    (1..=10).for_each(|offset| stream.publication(offset));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| see(&mut stream))).is_ok()
}

#[test]
fn the_check_itself_refuses_what_the_contract_forbids() {
    let publication = |offset| allows(true, |stream: &mut Stream| stream.publication(offset));
    assert_eq!([9, 10, 11, 12, 0].map(publication), [false, false, true, false, false]);
    let gap = |(from, to)| allows(true, |stream: &mut Stream| stream.gap(from, to, 200));
    let gaps = [(11, 150), (11, 11), (11, 151), (12, 150), (10, 150), (11, 10)];
    assert_eq!(gaps.map(gap), [true, true, false, false, false, false]);
    assert!(!allows(false, |stream| stream.gap(11, 150, 200)), "all is retained");
    let since = |answer: Value| {
        let data: SubscribeData<'_> = serde_json::from_value(answer).expect("the answer's shape");
        allows(true, |stream| stream.subscribed(Begin::Since, &data, 200))
    };
    let answer = |offset: u64, recovered: Value, gap: Value| {
        since(json!({"channel": "x", "epoch": "e", "offset": offset, "recovered": recovered, "gap": gap}))
    };
    assert!(answer(200, json!(true), Value::Null));
    assert!(answer(200, json!(false), json!({"from": 11, "to": 150})));
    assert!(!answer(200, json!(true), json!({"from": 11, "to": 150})), "recovered with a gap");
    assert!(!answer(200, json!(false), Value::Null), "not recovered without a gap");
    assert!(!answer(200, json!(false), json!({"from": 12, "to": 150})), "a hole before the gap");
    assert!(!answer(200, json!(false), json!({"epoch": "e"})), "the epoch is the same");
    assert!(!answer(9, json!(true), Value::Null), "the top was at 10 before");
}
