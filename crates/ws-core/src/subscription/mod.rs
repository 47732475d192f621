//! How subscriptions, the cursors of connections in channels, start.

mod start_at;
mod subscribing;

pub(crate) use self::start_at::StartAt;
pub(crate) use self::subscribing::{already_subscribed, asks_engine};
