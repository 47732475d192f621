//! Client of ws-server.

mod dial;
mod entry;
mod outbox_file;
mod position;
mod store;
mod timers;

pub use entry::{Entry, Tags};
pub use position::Position;
pub use store::{Batch, Saved, Store, StoreError};
pub use timers::Timers;
