//! Who a connection is.

use std::sync::Arc;

use serde_json::value::RawValue;

/// What is known of the one behind a connection. A connection without one is anonymous.
#[derive(Debug, Clone)]
pub struct Identity {
    user: Arc<str>,
    info: Option<Box<RawValue>>,
}

impl Identity {
    /// A user, and what others see of it in presence.
    pub fn new(user: &str, info: Option<Box<RawValue>>) -> Self {
        Identity { user: user.into(), info }
    }

    /// The user's name.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// What others see in presence.
    pub fn info(&self) -> Option<&RawValue> {
        self.info.as_deref()
    }
}
