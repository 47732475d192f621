//! The durable engine of ws-server: publications, their message ids and the positions of channels in one
//! SQLite database in one directory, which one process uses at a time.
//!
//! ```text
//! append, remove ──► queue ──► writer ── one transaction for everything that has arrived ──► disk
//!                                │ after the commit, in its order
//!                                ├──► sink (the hub)
//!                                └──► answers
//! history ──► position known: at once │ otherwise ──► readers, on connections of their own
//! ```
//!
//! What is acknowledged is committed: after a crash it is there, once, in the same epoch. No publications
//! are kept in memory except in SQLite's page cache; those in flight to subscribers are in the hub.
//! Memory is bounded by the queue and by the channels that have subscribers or were used recently.
//!
//! Threads: one writer, as many readers as there are CPUs (2 to 16), and a keeper that checkpoints, checks the
//! files, and syncs if the operator wants that at intervals; one more checks the database for damage after
//! the start.
//!
//! Lock order: a stream's lock for telling the sink → what the sink takes, or the stream's state. The locks of the registry
//! of streams are never held while another is taken. No caller of the engine waits for the disk.
//!
//! Deliberately absent: sockets, tokio, frames, other engines.

mod age;
mod answer;
mod check;
mod database;
mod directory;
mod engine;
mod export;
mod files;
mod health;
mod history;
mod inspect;
mod keeper;
mod limits;
mod options;
mod queue;
mod readers;
mod rows;
mod session;
mod shared;
mod state;
mod streams;
mod times;
mod writer;

pub use database::renew_epochs;
pub use directory::{DATABASE, OpenError};
pub use engine::SqliteEngine;
pub use export::{Exported, export};
pub use inspect::{Inspected, StoredChannel, inspect};
pub use options::{Fsync, SqliteOptions};
