//! Claude as a participant: a run asks the provider and publishes what comes back into a channel of its own.
//!
//! Two halves. [`upstream`] speaks the provider's Messages API and knows no channel. The other half, [`Claude`], takes
//! runs, publishes through the hub's operations, and knows no HTTP: between them is [`Provider`].
//!
//! A run, in reading order: `asking` makes a question of the request, `context` puts earlier runs before it, `open` says
//! whether there may be one more, `claude` publishes `started`, `run` reads the answer and publishes it, `pieces` joins its
//! fragments, `publish` repeats what the engine has not taken. `places` counts runs in the whole cluster. `journal` keeps
//! which runs are open, so that those of a server that died are taken over (`left`) and ended (`recovery`).
//!
//! Deliberately absent: sockets of clients, rights (the hub has checked them), engines, prompts and answers in the log.

mod asking;
mod books;
mod claude;
mod context;
mod journal;
mod latest;
mod left;
mod limits;
mod lookup;
mod noted;
mod open;
mod options;
mod pieces;
mod places;
mod provider;
mod publish;
mod recovery;
mod refusals;
mod run;
mod state;
pub mod upstream;

pub use self::claude::Claude;
pub use self::options::{ClientOption, RunOptions};
pub use self::provider::{Answering, Provider};
