//! Times as the protocol has them.

use std::time::Duration;

/// Whole milliseconds; what is too long for the type is as long as it can be.
pub(crate) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
