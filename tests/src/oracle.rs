//! What clients may have been told, judged by what was really published.
//!
//! **Truth** is what a witness saw: a connection of its own, without faults, that has every publication of a channel with
//! its offset. Against it:
//!
//! * Each publication stands there once or not at all, and those of one publisher in the order in which it published.
//! * One that was acknowledged stands at the offset of the acknowledgement. One that was refused or never sent does not.
//!   One whose outcome is unknown may, or may not.
//! * A subscriber has each publication once and in order, or it is inside a gap that was announced; nothing is missing
//!   in between, or at the end.
//!
//! Nothing here knows a client: a test in any language reports [`Published`] and [`Seen`] (both can be read from JSON).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

/// How a publication ended for its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Acknowledged, with its offset.
    Acked(u64),
    /// Nobody can tell.
    Unknown,
    /// It is certain that it was not published: refused, expired before it was sent, no room.
    Not,
}

/// A publication as its publisher knows it. `data` is unique in the test.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Published {
    /// Where.
    pub channel: String,
    /// What.
    pub data: Value,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a subscriber was told, in order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// A publication.
    Publication {
        /// Its channel.
        channel: String,
        /// Its offset.
        offset: u64,
        /// Its data.
        data: Value,
    },
    /// These offsets are gone, the first and the last included.
    Gap {
        /// Their channel.
        channel: String,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

/// Sums, for the report of a test.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Publications that stand in the channels.
    pub published: u64,
    /// Acknowledged ones.
    pub acked: u64,
    /// Unknown ones that do not stand there.
    pub unknown_lost: u64,
    /// Unknown ones that do.
    pub unknown_published: u64,
    /// Deliveries to subscribers.
    pub delivered: u64,
    /// Publications inside of gaps that subscribers were told.
    pub in_gaps: u64,
}

/// Every publication of every channel, from offset 1 on.
#[derive(Debug, Default, Clone)]
pub struct Truth {
    channels: BTreeMap<String, Vec<Value>>,
}

impl Truth {
    /// The witness saw this.
    ///
    /// # Panics
    /// If it is not the next one of its channel: then the server is wrong, not a client.
    pub fn witness(&mut self, channel: &str, offset: u64, data: Value) {
        let stream = self.channels.entry(channel.to_owned()).or_default();
        assert_eq!(offset, stream.len() as u64 + 1, "the witness of {channel}");
        stream.push(data);
    }

    /// The newest offset of a channel.
    pub fn top(&self, channel: &str) -> u64 {
        self.channels.get(channel).map_or(0, |stream| stream.len() as u64)
    }

    /// Judges what publishers and subscribers were told. Each list is one client's, in its order; each subscriber read
    /// all channels from before the first publication to after the last one.
    ///
    /// # Panics
    /// If any of it is wrong; says what.
    pub fn judge(&self, publishers: &[Vec<Published>], subscribers: &[Vec<Seen>]) -> Tally {
        let mut tally =
            Tally { published: self.channels.values().map(|all| all.len() as u64).sum(), ..Tally::default() };
        let offsets = self.offsets();
        let mut left = offsets.clone();
        for (nth, published) in publishers.iter().enumerate() {
            self.judge_publisher(nth, published, &mut left, &mut tally);
        }
        assert!(left.is_empty(), "nobody published {:?}", left.keys().take(5).collect::<Vec<_>>());
        for (nth, seen) in subscribers.iter().enumerate() {
            self.judge_subscriber(nth, seen, &mut tally);
        }
        tally
    }

    /// Where each publication stands, by channel and data.
    fn offsets(&self) -> HashMap<(String, String), u64> {
        let mut offsets = HashMap::new();
        for (channel, stream) in &self.channels {
            for (at, data) in stream.iter().enumerate() {
                let twice = offsets.insert((channel.clone(), data.to_string()), at as u64 + 1);
                assert_eq!(twice, None, "{data} stands twice in {channel}, again at {}", at + 1);
            }
        }
        offsets
    }

    fn judge_publisher(
        &self,
        nth: usize,
        published: &[Published],
        left: &mut HashMap<(String, String), u64>,
        tally: &mut Tally,
    ) {
        let mut last = HashMap::new();
        for Published { channel, data, outcome } in published {
            let found = left.remove(&(channel.clone(), data.to_string()));
            match (outcome, found) {
                (Outcome::Acked(offset), Some(found)) if *offset == found => tally.acked += 1,
                (Outcome::Unknown, Some(_)) => tally.unknown_published += 1,
                (Outcome::Unknown, None) => tally.unknown_lost += 1,
                (Outcome::Not, None) => {}
                _ => panic!("publisher {nth} was told {outcome:?} of {data} in {channel}, which stands at {found:?}"),
            }
            if let Some(found) = found {
                let before = last.insert(channel, found).unwrap_or(0);
                assert!(
                    before < found,
                    "publisher {nth}: {data} stands at {found} in {channel}, one before at {before}"
                );
            }
        }
    }

    fn judge_subscriber(&self, nth: usize, seen: &[Seen], tally: &mut Tally) {
        let mut at: HashMap<&str, u64> = HashMap::new();
        for event in seen {
            match event {
                Seen::Publication { channel, offset, data } => {
                    let at = at.entry(channel).or_default();
                    assert_eq!(*offset, *at + 1, "subscriber {nth}: the next one in {channel}");
                    let truth = self.channels.get(channel).and_then(|stream| stream.get(*at as usize));
                    assert_eq!(Some(data), truth, "subscriber {nth}: offset {offset} in {channel}");
                    (*at, tally.delivered) = (*offset, tally.delivered + 1);
                }
                Seen::Gap { channel, from, to } => {
                    let at = at.entry(channel).or_default();
                    assert!(*from == *at + 1 && from <= to, "subscriber {nth}: a gap {from}–{to} in {channel} at {at}");
                    (*at, tally.in_gaps) = (*to, tally.in_gaps + (to - from + 1));
                }
            }
        }
        for (channel, stream) in &self.channels {
            let at = at.get(channel.as_str()).copied().unwrap_or(0);
            assert_eq!(at, stream.len() as u64, "subscriber {nth}: the end of {channel}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::json;

    use super::*;

    fn truth(of: &[i32]) -> Truth {
        let mut truth = Truth::default();
        of.iter().enumerate().for_each(|(at, data)| truth.witness("c", at as u64 + 1, json!(data)));
        truth
    }

    fn published(of: &[(i32, Outcome)]) -> Vec<Published> {
        let published =
            |(data, outcome): &(i32, Outcome)| Published { channel: "c".into(), data: json!(data), outcome: *outcome };
        of.iter().map(published).collect()
    }

    fn seen(of: &[(u64, i32)]) -> Vec<Seen> {
        let seen = |(offset, data): &(u64, i32)| match data {
            // A gap up to the offset that follows, written as a negative number.
            ..0 => Seen::Gap { channel: "c".into(), from: *offset, to: u64::from(data.unsigned_abs()) },
            _ => Seen::Publication { channel: "c".into(), offset: *offset, data: json!(data) },
        };
        of.iter().map(seen).collect()
    }

    #[test]
    fn publishers_are_told_the_truth() {
        use Outcome::{Acked, Not, Unknown};
        let fits = |stream: &[i32], told: &[(i32, Outcome)]| {
            let (truth, told) = (truth(stream), published(told));
            catch_unwind(|| truth.judge(&[told], &[])).is_ok()
        };
        assert!(fits(&[1, 2], &[(1, Acked(1)), (2, Acked(2))]));
        assert!(fits(&[1, 3], &[(1, Unknown), (2, Unknown), (3, Acked(2)), (4, Not)]));
        assert!(!fits(&[1], &[(1, Acked(1)), (2, Acked(2))]), "acknowledged and lost");
        assert!(!fits(&[1, 2], &[(1, Acked(2)), (2, Acked(1))]), "at another offset");
        assert!(!fits(&[2, 1], &[(1, Acked(2)), (2, Acked(1))]), "out of order");
        assert!(!fits(&[2, 1], &[(1, Unknown), (2, Unknown)]), "out of order");
        assert!(!fits(&[1, 1], &[(1, Acked(1))]), "twice");
        assert!(!fits(&[1], &[(1, Not)]), "published, and told that it was not");
        assert!(!fits(&[1], &[]), "by nobody");
    }

    #[test]
    fn subscribers_are_told_the_truth() {
        let fits = |told: &[(u64, i32)]| {
            let (truth, told) = (truth(&[10, 20, 30]), seen(told));
            let published = published(&[(10, Outcome::Unknown), (20, Outcome::Unknown), (30, Outcome::Unknown)]);
            catch_unwind(|| truth.judge(&[published], &[told])).is_ok()
        };
        assert!(fits(&[(1, 10), (2, 20), (3, 30)]));
        assert!(fits(&[(1, -2), (3, 30)]));
        assert!(fits(&[(1, 10), (2, -3)]));
        assert!(!fits(&[(1, 10), (3, 30)]), "a hole");
        assert!(!fits(&[(1, 10), (2, 20)]), "the end is missing");
        assert!(!fits(&[(1, 10), (2, 20), (2, 20), (3, 30)]), "twice");
        assert!(!fits(&[(2, 20), (1, 10), (3, 30)]), "out of order");
        assert!(!fits(&[(1, 10), (2, 30), (3, 20)]), "other data");
        assert!(!fits(&[(1, 10), (1, -2), (3, 30)]), "a gap over what was delivered");
        assert!(!fits(&[(1, 10), (2, 20), (3, 30), (4, 40)]), "more than there is");
    }

    #[test]
    fn sums_are_right() {
        use Outcome::{Acked, Unknown};
        let told = published(&[(1, Acked(1)), (9, Unknown), (2, Unknown), (3, Acked(3))]);
        let tally = truth(&[1, 2, 3]).judge(&[told], &[seen(&[(1, 1), (2, -3)]), seen(&[(1, 1), (2, 2), (3, 3)])]);
        let expect = Tally { published: 3, acked: 2, unknown_lost: 1, unknown_published: 1, delivered: 4, in_gaps: 2 };
        assert_eq!(tally, expect);
    }

    #[test]
    fn reports_of_other_languages_can_be_read() {
        let told = r#"[{"channel":"c","data":[1],"outcome":{"acked":1}},{"channel":"c","data":2,"outcome":"unknown"}]"#;
        let told: Vec<Published> = serde_json::from_str(told).expect("JSON");
        assert_eq!((told[0].outcome, told[1].outcome), (Outcome::Acked(1), Outcome::Unknown));
        let seen = r#"[{"publication":{"channel":"c","offset":1,"data":[1]}},{"gap":{"channel":"c","from":2,"to":2}}]"#;
        let seen: Vec<Seen> = serde_json::from_str(seen).expect("JSON");
        assert_eq!(seen[1], Seen::Gap { channel: "c".into(), from: 2, to: 2 });
    }
}
