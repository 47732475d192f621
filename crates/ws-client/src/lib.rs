//! Client of ws-server.

mod dial;
mod entry;
mod machine;
mod outbox_file;
mod position;
mod store;
mod timers;

pub use entry::{Entry, Tags};
pub use machine::{Ack, Cause, ChannelState, Gap, Kind, Problem, State, Status, Why};
pub use position::Position;
pub use store::{Batch, Saved, Store, StoreError};
pub use timers::Timers;
