//! Limits that no operator sets.

use std::time::Duration;

/// Most bytes of one answer, its thinking included. A run that goes on is `failed`; what it said by then stays.
pub(crate) const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Publications that are read at a time.
pub(crate) const PAGE: u32 = 500;

/// The first wait before something is published again that the engine has not taken; each further one is twice as long.
pub(crate) const REPEAT_AFTER: Duration = Duration::from_millis(50);

/// The longest of these waits.
pub(crate) const REPEAT_AFTER_MAX: Duration = Duration::from_secs(1);

/// How often a drain looks whether the ends of its runs were delivered, and for how long.
pub(crate) const DELIVERED_EVERY: Duration = Duration::from_millis(2);
pub(crate) const DELIVERED_WITHIN: Duration = Duration::from_millis(200);

/// How long after the store has lost its data a server may still put right there what it has: the longest lease that is
/// usual, and the dials before it.
pub(crate) const PUT_RIGHT_WITHIN: Duration = Duration::from_secs(60);

/// How long after that most have dialled it again: the longest pause between two dials, and a renewal.
pub(crate) const OTHERS_BACK_WITHIN: Duration = Duration::from_secs(3);
