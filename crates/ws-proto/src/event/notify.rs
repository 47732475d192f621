//! What makes a type an event.

use serde::Serialize;

/// An event that the server can send: its name, and `data` less the name.
pub trait Notify: Serialize {
    /// `event` on the wire.
    const EVENT: &'static str;
}
