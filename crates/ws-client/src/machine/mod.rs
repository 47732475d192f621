//! The state machine of a client, without I/O, clock or chance (docs/CLIENTS.md).
//!
//! [`Machine::step`] takes what happened and the time, and says what to do. All files but the first group are parts of
//! `impl Machine`.
//!
//! * What goes in and out: `input.rs`, `output.rs`, `event.rs`, `problem.rs`, `options.rs`, `random.rs`.
//! * Parts that know nothing of each other: `clock.rs`, `pace.rs`, `spread.rs` (waits between attempts), `link.rs` (a connection and its login), `channel.rs`,
//!   `outbox.rs`. `state.rs` puts them together.
//! * What happens: `step.rs` (one step, and what is told at its end), `connecting.rs`, `frames.rs`, `answers.rs`,
//!   `subscribing.rs`, `stream.rs`, `publishing.rs`, `tokens.rs`, `storing.rs`, `pump.rs` (sending).

mod answers;
mod channel;
mod clock;
mod connecting;
mod event;
mod frames;
mod input;
mod link;
mod options;
mod outbox;
mod output;
mod pace;
mod problem;
mod publishing;
mod pump;
mod random;
mod spread;
mod state;
mod step;
mod storing;
mod stream;
mod subscribing;
#[cfg(test)]
mod tests;
mod tokens;

pub use event::Gap;
pub(crate) use event::{Event, Publication};
pub(crate) use input::Input;
pub(crate) use options::{Ms, Options};
pub use output::{Ack, ChannelState, State, Status, Why};
pub(crate) use output::{Answer, End, Output, StoreWork};
pub use problem::{Cause, Kind, Problem};
pub(crate) use random::Random;
pub(crate) use state::Machine;
#[cfg(test)]
pub(crate) use tests::{Fault, Server};
