//! The hub: its handle, and the operations for callers without a connection of their own. The state behind it is in
//! [`crate::state`].

mod answering;
mod broadcasts;
mod canary;
mod channels;
mod connections;
mod entries;
mod frames;
mod handle;
mod kept;
mod nodes;
mod operations;
mod own;
mod runs;
mod runtime_lag;
mod subscriptions;

pub use self::entries::{Entry, Stored};
pub use self::frames::FrameWatch;
pub use self::handle::Hub;
pub use self::nodes::Place;
pub use self::runs::HeldStream;
