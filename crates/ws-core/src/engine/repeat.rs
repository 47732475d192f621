//! Repeats of publications whose `msg_id` is not retained: what an engine must know to tell whether the first sending
//! may have been published (PROTOCOL, "Publishing exactly once").

/// What is known of a stream. Times are in milliseconds, on the engine's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// When its epoch began.
    pub epoch_ms: u64,
    /// Offset of the oldest retained publication; the one after the newest if none is retained.
    pub oldest: u64,
    /// When the oldest retained publication was stored; `None`: none is retained. None before it was stored later.
    pub oldest_ms: Option<u64>,
}

impl Remembered {
    /// Whether something that was first sent at `sent_ms` may have been published without being retained now: in an
    /// earlier epoch, or among what has been given up in this one. What happened within one millisecond has no order,
    /// so it counts as having happened after `sent_ms`.
    pub fn may_have_lost(&self, sent_ms: u64) -> bool {
        let has_given_up = self.oldest > 1;
        self.epoch_ms >= sent_ms || (has_given_up && self.oldest_ms.is_none_or(|oldest_ms| oldest_ms >= sent_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(oldest: u64, oldest_ms: Option<u64>, sent_ms: u64, expect: bool) {
        let remembered = Remembered { epoch_ms: 100, oldest, oldest_ms };
        assert_eq!(remembered.may_have_lost(sent_ms), expect, "{remembered:?}, sent at {sent_ms}");
    }

    #[test]
    fn an_epoch_says_nothing_of_the_time_before_it() {
        check(1, None, 99, true);
        check(1, None, 100, true);
        check(1, None, 101, false);
        check(1, Some(105), 100, true);
        check(1, Some(105), 101, false);
    }

    #[test]
    fn what_was_given_up_may_be_as_young_as_the_oldest_retained() {
        check(2, Some(105), 105, true);
        check(2, Some(105), 106, false);
        check(9, Some(105), 101, true);
        check(9, None, 1_000_000, true);
    }
}
