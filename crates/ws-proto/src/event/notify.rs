//! The trait of all events.

use serde::Serialize;

/// An event that the server can send. It serializes as `data` without the name.
pub trait Notify: Serialize {
    /// `event` on the wire.
    const EVENT: &'static str;
}
