//! Client of ws-server: the connection takes care of itself.
//!
//! It reconnects with jitter, refreshes tokens, subscribes again from its positions, hands over every publication once and
//! in order, tells when a gap is real, and sends what was published offline exactly once, or says that nobody can know.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use ws_client::{Client, Event};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("ws://127.0.0.1:8080/ws").start()?;
//! let chat = client.channel::<String>("chat:lobby");
//! chat.publish(&"Hello".to_owned()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! * [`Client`]: the handle; [`Client::builder`] begins. [`Channel`], [`Subscription`], [`Publish`] come from it.
//! * [`Client::request`], [`History`], [`Client::notifications`]: everything else that the server offers.
//! * [`Claude`]: asking it, and following what it says.
//! * [`TokenProvider`]: where tokens come from. [`Outbox`], [`Store`]: where publications wait.
//! * What it does when is written down in `docs/CLIENTS.md`; `machine/` does it, without I/O; `task.rs` is the one task
//!   that owns the connection.
//!
//! Not here: the HTTP API.

mod builder;
mod channel;
mod claude;
mod client;
mod command;
mod connector;
mod dial;
mod entry;
mod event;
mod history;
mod machine;
mod notification;
mod outbox;
mod outbox_file;
mod position;
mod publish;
mod request;
#[cfg(test)]
mod simulation;
mod store;
mod subscription;
mod task;
mod timers;
mod token;
mod waiting;
mod whole_ms;

pub use builder::{Builder, StartError};
pub use channel::{Channel, Present, Subscribe};
pub use claude::{
    Ask, Claude, Finished, Role, Run, RunError, RunErrorCode, RunErrorDetails, RunEvent, RunEvents, RunStatus,
    Thinking, Usage,
};
pub use client::{Client, Unsent};
pub use command::ChannelStatus;
pub use dial::UrlError;
pub use entry::{Entry, Tags};
pub use event::{Event, Publication};
pub use history::History;
pub use machine::{Ack, Cause, ChannelState, Gap, Kind, Problem, State, Status, Why};
pub use notification::{Notification, Notifications};
pub use outbox::Outbox;
pub use outbox_file::OutboxError;
pub use position::Position;
pub use publish::{Publish, PublishError, Publishing};
pub use store::{Batch, Saved, Store, StoreError};
pub use subscription::Subscription;
pub use timers::Timers;
pub use token::{TokenError, TokenProvider};
pub use ws_proto::ErrorCode;
pub use ws_proto::action::Ack as AckLevel;
pub use ws_proto::event::Sender;

/// Payloads for [`Client::request`], and the data of their responses.
pub mod action {
    pub use ws_proto::action::{
        Action, Broadcast, BroadcastData, ConnectionsData, Echo, EchoData, GetConnections, GetHistory, GetPresence,
        HistoryData, PresenceClient, PresenceData, Publish, PublishData,
    };
}
