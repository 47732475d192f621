//! The `time` of publications: within a channel it does not go back, although the system's clock may.
//!
//! A publication shows when it was accepted. If the clock was set back by a little, or one publisher overtook another,
//! it shows the time of the publication before it. If the clock was set back by more than [`AHEAD_MAX_MS`], the earlier
//! times were wrong and are lowered, so no publication shows a time further ahead than that for long. Bodies that were
//! not made by [`encode_publication_body`](ws_proto::publication::encode_publication_body) show no time.

use std::ops::Range;
use std::sync::Arc;

use ws_proto::publication::body_time;

/// How far the times of a channel may be ahead of the clock, in milliseconds: more than the change to or from daylight
/// saving time of a clock that is kept in local time.
pub const AHEAD_MAX_MS: u64 = 2 * 60 * 60 * 1000;

/// Adjusts the time of a publication that follows one that shows `before_ms`. Returns the time it shows now, and
/// whether those before it have to be [limited](limit) to that; `None`: it shows no time.
pub fn follow(body: &mut Arc<[u8]>, data: &Range<usize>, before_ms: u64) -> Option<(u64, bool)> {
    let (at, time_ms) = body_time(body, data.end)?;
    if time_ms >= before_ms {
        return Some((time_ms, false));
    }
    if before_ms - time_ms > AHEAD_MAX_MS {
        return Some((time_ms, true));
    }
    *body = replaced(body, at, before_ms);
    Some((before_ms, false))
}

/// Has a publication show the time of the one before it, however far ahead that is. That time.
pub fn raise(body: &mut Arc<[u8]>, data: &Range<usize>, before_ms: u64) -> u64 {
    if let Some((at, _)) = body_time(body, data.end) {
        *body = replaced(body, at, before_ms);
    }
    before_ms
}

/// Lowers the time of a publication to `latest_ms` if it is later. Whether it was.
pub fn limit(body: &mut Arc<[u8]>, data: &Range<usize>, latest_ms: u64) -> bool {
    match body_time(body, data.end) {
        Some((at, time_ms)) if time_ms > latest_ms => {
            *body = replaced(body, at, latest_ms);
            true
        }
        _ => false,
    }
}

/// The time that a publication shows, in milliseconds since 1970.
pub fn shown(body: &[u8], data: &Range<usize>) -> Option<u64> {
    body_time(body, data.end).map(|(_, time_ms)| time_ms)
}

fn replaced(body: &[u8], at: Range<usize>, time_ms: u64) -> Arc<[u8]> {
    [&body[..at.start], time_ms.to_string().as_bytes(), &body[at.end..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_700_000_000_000;

    fn body(time_ms: u64) -> Arc<[u8]> {
        format!(r#""data":[1],"time":{time_ms},"msg_id":"m"}}"#).as_bytes().into()
    }

    /// After one that shows `before_ms`, one of `time_ms` shows `expect_ms`.
    #[track_caller]
    fn check(before_ms: u64, time_ms: u64, expect_ms: u64, sets_back: bool) {
        let mut followed = body(time_ms);
        assert_eq!(follow(&mut followed, &(7..10), before_ms), Some((expect_ms, sets_back)));
        assert_eq!(followed, body(expect_ms));
    }

    #[test]
    fn times_do_not_go_back_unless_those_before_were_wrong() {
        check(0, NOON, NOON, false);
        check(NOON, NOON, NOON, false);
        check(NOON, NOON + 1, NOON + 1, false);
        check(NOON, NOON - 1, NOON, false);
        check(NOON, NOON - AHEAD_MAX_MS, NOON, false);
        check(NOON, NOON - AHEAD_MAX_MS - 1, NOON - AHEAD_MAX_MS - 1, true);
        check(NOON, 12_345, 12_345, true);
    }

    #[test]
    fn what_stays_ahead_is_raised() {
        let mut late = body(12_345);
        assert_eq!((raise(&mut late, &(7..10), NOON), late), (NOON, body(NOON)));
    }

    #[test]
    fn what_was_ahead_is_limited() {
        let mut ahead = body(NOON + 5);
        assert!(limit(&mut ahead, &(7..10), NOON) && !limit(&mut ahead, &(7..10), NOON));
        assert_eq!((ahead.clone(), shown(&ahead, &(7..10))), (body(NOON), Some(NOON)));
    }

    #[test]
    fn other_bytes_show_no_time() {
        for bytes in ["", "abc", r#""data":[1]}"#, r#""data":[1],"time":}"#, r#""data":[1],"time":12"#] {
            let mut body: Arc<[u8]> = bytes.as_bytes().into();
            let data = 0..body.len().min(10);
            assert_eq!(follow(&mut body, &data, NOON), None, "{bytes}");
            assert!(!limit(&mut body, &data, 0));
        }
        assert_eq!(shown(b"x", &(0..9)), None, "out of its bounds");
    }
}
