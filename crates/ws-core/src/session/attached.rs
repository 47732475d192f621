//! A subscription that has its place in a channel, and waits for the engine to say where the stream is.

use std::sync::Arc;

use super::pass::Pass;
use crate::engine::{History, Pending};
use crate::registry::Named;
use crate::subscription::Subscription;

/// See the module.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) subscription: Arc<Subscription>,
    /// Nothing where the engine need not be asked.
    pub(super) position: Option<Pending<History>>,
    /// The token that it was asked for with.
    pub(super) pass: Option<Box<Pass>>,
}

impl Attached {
    pub(super) fn channel(&self) -> &str {
        self.subscription.channel().name()
    }
}
