//! How much goes into one page of an answer.

use ws_proto::limits::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX};
use ws_proto::{ErrorBody, ErrorCode};

use crate::limits::PAGE_ENVELOPE_BYTES;

/// How many entries a request asks for.
///
/// # Errors
/// `invalid_payload` if that is none, or too many.
pub(crate) fn limit(limit: Option<u32>) -> Result<usize, ErrorBody> {
    let limit = limit.unwrap_or(HISTORY_LIMIT_DEFAULT);
    if (1..=HISTORY_LIMIT_MAX).contains(&limit) {
        return Ok(limit as usize);
    }
    let message = format!("`payload.limit` is {limit}; it must be 1 to {HISTORY_LIMIT_MAX}");
    Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
}

/// How many entries of these encoded lengths, in bytes, fit into an answer; always at least one.
pub(crate) fn fitting(lengths: impl Iterator<Item = usize>, outbox_bytes_max: usize) -> usize {
    let room = outbox_bytes_max.saturating_sub(PAGE_ENVELOPE_BYTES);
    let ends = lengths.scan(0, |end, length| {
        // With its comma.
        *end += length + 1;
        Some(*end)
    });
    ends.take_while(|end| *end <= room).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let limits = [None, Some(0), Some(1), Some(1000), Some(1001)].map(|asked| limit(asked).ok());
        assert_eq!(limits, [Some(100), None, Some(1), Some(1000), None]);
    }

    #[test]
    fn what_does_not_fit_stays_for_the_next_page() {
        let fitting = |room| fitting([9, 9, 9].into_iter(), PAGE_ENVELOPE_BYTES + room);
        assert_eq!([0, 19, 20, 29, 30, 99].map(fitting), [1, 1, 2, 2, 3, 3]);
    }
}
