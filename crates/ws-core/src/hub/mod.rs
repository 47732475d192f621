//! The hub: its handle, and the operations for callers without a connection of their own. The state behind it is in
//! [`crate::state`].

mod channels;
mod connections;
mod handle;
mod operations;
mod subscriptions;

pub use self::channels::{ChannelInfo, ChannelPage};
pub use self::connections::{ConnectionDetails, ConnectionInfo, ConnectionPage, SubscriptionInfo};
pub use self::handle::Hub;
