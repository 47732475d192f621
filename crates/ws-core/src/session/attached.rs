//! A subscription that is attached to its channel, and waits for the engine to report the position of the stream.

use std::sync::Arc;

use super::subscription_grant::SubscriptionGrant;
use crate::engine::History;
use crate::engine::pending::Pending;
use crate::registry::Named;
use crate::state::{Answer, Subscription};

/// An attached subscription; see the module.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) subscription: Arc<Subscription>,
    /// `None` if the engine need not be asked. Its answer has a position if the channel keeps a history.
    pub(super) position: Option<Pending<Option<History>>>,
    /// What its subscription token grants, if it came with one.
    pub(super) grant: Option<Box<SubscriptionGrant>>,
}

/// One that the server API has asked for, and who is told when it has started.
#[derive(Debug)]
pub(super) enum Called {
    /// Attached because of that.
    New(Attached, Answer),
    /// It was attached already: whoever did that has it start.
    Kept(Arc<Subscription>, Answer),
}

impl Attached {
    pub(super) fn channel(&self) -> &str {
        self.subscription.channel().name()
    }
}
