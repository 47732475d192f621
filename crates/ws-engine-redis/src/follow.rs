//! What a server knows about a channel that it follows, and what it tells the hub: no I/O, no lock, no clock.
//!
//! Everything comes from one connection in the order in which Redis executed it, so a position covers exactly the
//! messages before it. While a position is being asked for, a message that does not follow is dropped: the position says
//! what there is, and readers get it from the history.

use ws_core::engine::{EngineSink, Epoch, Publication};

use crate::message::{Node, Position, Published, epoch};

/// Where the feed of a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    e: u64,
    g: u64,
    /// The hub has been given everything up to it, or reads it from the history.
    delivered: u64,
}

/// What has to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// The hub was told to read what was left out: nothing else.
    Skipped,
    /// The position has to be asked for.
    Ask,
    /// Redis has lost what it had without becoming another one: a new generation is needed.
    Regressed,
}

impl Known {
    pub(crate) fn epoch(&self) -> Epoch {
        epoch(self.e, self.g)
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The epoch's number and its generation, if nothing was published in it.
    pub(crate) fn unused(&self) -> Option<[u8; 16]> {
        let unused = (u128::from(self.e) << 64 | u128::from(self.g)).to_be_bytes();
        (self.delivered == 0).then_some(unused)
    }
}

/// Publications have been stored.
pub(crate) fn published(
    known: &mut Option<Known>,
    message: &Published,
    channel: &str,
    node: &Node,
    sink: &dyn EngineSink,
) -> Next {
    let is_known = |known: &&mut Known| (known.e, known.g) == (message.e, message.g);
    let Some(known) = known.as_mut().filter(is_known) else { return Next::Ask };
    let last = message.first + (message.all.len() as u64).saturating_sub(1);
    if message.first > known.delivered + 1 {
        sink.skip(channel, last);
        known.delivered = last;
        return Next::Skipped;
    }
    for (offset, (tag, body)) in (message.first..).zip(&message.all) {
        if offset > known.delivered {
            let read_us = (message.node == *node).then_some(*tag).and_then(|tag| tag.checked_sub(1));
            sink.deliver(channel, &Publication { offset: Some(offset), body: body.clone() }, read_us);
            known.delivered = offset;
        }
    }
    Next::Nothing
}

/// All publications have been removed.
pub(crate) fn removed(known: &mut Option<Known>, (e, g): (u64, u64), channel: &str, sink: &dyn EngineSink) {
    // Who does not know the position is about to be told it.
    if known.is_some() {
        sink.reset(channel, epoch(e, g), 0);
        *known = Some(Known { e, g, delivered: 0 });
    }
}

/// The position has been told.
pub(crate) fn positioned(known: &mut Option<Known>, position: &Position, channel: &str, sink: &dyn EngineSink) -> Next {
    let Position { e, g, before, top, base, oldest } = *position;
    let Some(own) = known else {
        *known = Some(Known { e, g, delivered: top });
        return Next::Nothing;
    };
    if (own.e, own.g) == (e, g) {
        if top < own.delivered {
            return Next::Regressed;
        }
    } else if own.e == e && own.g == before {
        let survived = own.delivered.min(base);
        sink.renew(channel, epoch(e, g), survived);
        *own = Known { e, g, delivered: survived };
    } else {
        let after = oldest.saturating_sub(1);
        sink.reset(channel, epoch(e, g), after);
        *own = Known { e, g, delivered: after };
    }
    if top > own.delivered {
        sink.skip(channel, top);
        own.delivered = top;
        return Next::Skipped;
    }
    Next::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::told::Told;

    const NODE: Node = [1; 8];

    fn message(e: u64, g: u64, first: u64, n: u64) -> Published {
        let all = (0..n).map(|_| (8, b"x"[..].into())).collect();
        Published { e, g, node: NODE, first, all }
    }

    /// A channel that is at offset 5 of the epoch 16 ^ 1 gets a message.
    #[track_caller]
    fn check_message(message: &Published, next: Next, expect: &[&str]) {
        let (mut known, told) = (Some(Known { e: 16, g: 1, delivered: 5 }), Told::default());
        assert_eq!(published(&mut known, message, "a", &NODE, &told), next);
        assert_eq!(*told.0.lock(), expect);
    }

    #[test]
    fn messages_are_delivered_skipped_or_dropped() {
        check_message(&message(16, 1, 6, 2), Next::Nothing, &["6 Some(7)", "7 Some(7)"]);
        check_message(&message(16, 1, 4, 2), Next::Nothing, &[]);
        check_message(&message(16, 1, 4, 3), Next::Nothing, &["6 Some(7)"]);
        check_message(&message(16, 1, 8, 2), Next::Skipped, &["skip 9"]);
        check_message(&message(16, 2, 6, 1), Next::Ask, &[]);
        check_message(&message(17, 1, 6, 1), Next::Ask, &[]);
        check_message(&Published { node: [2; 8], ..message(16, 1, 6, 1) }, Next::Nothing, &["6 None"]);
        assert_eq!(published(&mut None, &message(16, 1, 1, 1), "a", &NODE, &Told::default()), Next::Ask);
    }

    /// The same channel is told a position: e, g, the g before, top, base, oldest.
    #[track_caller]
    fn check_position(position: [u64; 6], next: Next, expect: &[&str]) {
        let [e, g, before, top, base, oldest] = position;
        let position = Position { e, g, before, top, base, oldest };
        let (mut known, told) = (Some(Known { e: 16, g: 1, delivered: 5 }), Told::default());
        assert_eq!(positioned(&mut known, &position, "a", &told), next, "{position:?}");
        assert_eq!(*told.0.lock(), expect, "{position:?}");
        if next != Next::Regressed {
            assert_eq!(known, Some(Known { e, g, delivered: top }), "{position:?}");
        }
    }

    #[test]
    fn a_position_says_exactly_what_was_missed() {
        check_position([16, 1, 0, 5, 0, 1], Next::Nothing, &[]);
        check_position([16, 1, 0, 9, 0, 1], Next::Skipped, &["skip 9"]);
        check_position([16, 1, 0, 4, 0, 1], Next::Regressed, &[]);
        check_position([16, 2, 1, 5, 5, 1], Next::Nothing, &["renew 18 5"]);
        check_position([16, 2, 1, 3, 3, 1], Next::Nothing, &["renew 18 3"]);
        check_position([16, 2, 1, 6, 3, 1], Next::Skipped, &["renew 18 3", "skip 6"]);
        check_position([16, 2, 1, 9, 9, 1], Next::Skipped, &["renew 18 5", "skip 9"]);
        check_position([16, 3, 2, 9, 9, 4], Next::Skipped, &["reset 19 3", "skip 9"]);
        check_position([20, 1, 1, 0, 0, 1], Next::Nothing, &["reset 21 0"]);
        check_position([20, 2, 1, 2, 2, 1], Next::Skipped, &["reset 22 0", "skip 2"]);
    }

    #[test]
    fn a_removal_begins_anew_where_something_is_known() {
        let (mut known, told) = (Some(Known { e: 16, g: 1, delivered: 5 }), Told::default());
        removed(&mut known, (32, 1), "a", &told);
        assert_eq!(
            (known, &**told.0.lock()),
            (Some(Known { e: 32, g: 1, delivered: 0 }), &["reset 33 0".to_owned()][..])
        );
        let mut unknown = None;
        removed(&mut unknown, (32, 1), "a", &told);
        assert_eq!((unknown, told.0.lock().len()), (None, 1));
    }
}
