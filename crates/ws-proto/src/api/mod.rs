//! The HTTP API (PROTOCOL section 9): the bodies of its requests, and of its answers where they are not those of an
//! action.
//!
//! As in [`crate::action`], types with arbitrary JSON are generic over its type.

mod batch;
mod channels;
mod connections;
mod frames;
mod node;
mod publications;
mod runs;

pub use batch::{Batch, BatchData, BatchRequest, BatchResponse};
pub use channels::{ChannelDetails, ChannelInfo, ChannelOptions, ChannelPage, OnLag};
pub use connections::{
    ConnectionDetails, ConnectionInfo, ConnectionPage, Disconnect, SubscriptionInfo, UserConnections,
};
pub use frames::{FrameDirection, FrameKind, MASK, WatchEvent};
pub use node::{NodeCounts, NodeData, NodeLimits, NodeStats};
pub use publications::{Publication, Removed};
pub use runs::{OpenRuns, RunInfo};
