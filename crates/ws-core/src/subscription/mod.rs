//! Subscriptions: a connection's cursor in a channel, and how it starts and ends.

mod subscribing;
#[expect(clippy::module_inception, reason = "the thing itself, beside what is done with it")]
mod subscription;

pub use self::subscribing::PresenceInfo;
pub(crate) use self::subscribing::{StartAt, client, needs_position};
pub(crate) use self::subscription::{Subscription, Subscriptions};
