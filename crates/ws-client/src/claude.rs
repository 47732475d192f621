//! Claude's answers: asking, following, stopping (PROTOCOL section 8).
//!
//! A run is a channel: what holds for channels holds for it. Here is what makes one of it: names, types, and where it ends.

mod ask;
mod events;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::ask::{Ask, Role, Thinking};
pub use self::events::{RunEvent, RunEvents};
use crate::channel::Channel;
use crate::client::Client;
use crate::machine::{Kind, Problem};
use crate::position::Position;
pub use ws_proto::claude::{Finished, RunError, RunErrorCode, RunErrorDetails, RunStatus, Usage};

/// A question whose connection is lost so often is not asked again: it may be why.
const ASKED_MAX: u32 = 10;

/// One answer of Claude, as the server names it. The data of a `started` publication in the channel is one as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its id in the channel.
    pub run_id: String,
    /// The channel into which the answer streams.
    pub stream: String,
    /// Epoch of that channel.
    pub stream_epoch: String,
}

/// Claude in a channel.
#[derive(Debug, Clone)]
pub struct Claude {
    client: Client,
    channel: String,
}

impl<T> Channel<T> {
    /// Claude, as everybody in this channel hears it: `started` and `finished` are publications in it.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<serde_json::Value>) -> Result<(), ws_client::Problem> {
    /// use futures_util::TryStreamExt;
    /// use ws_client::{Ask, RunEvent};
    ///
    /// let claude = chat.claude();
    /// let run = claude.ask(Ask::prompt("Why is the sky blue?")).await?;
    /// let mut events = claude.follow(&run);
    /// while let Some(event) = events.try_next().await? {
    ///     match event {
    ///         RunEvent::Text { text } => print!("{text}"),
    ///         RunEvent::Finished(finished) => println!("\n{:?}", finished.status),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn claude(&self) -> Claude {
        Claude { client: self.client().clone(), channel: self.name().to_owned() }
    }
}

impl Claude {
    /// Asks, and returns as soon as the run has started. If the connection is lost before the answer, it is asked again
    /// with the same [`run_id`](Ask::run_id), up to 10 times: there is one run all the same.
    ///
    /// # Errors
    /// What the server said: `permission_denied` where publishing is, or for options that it keeps to itself;
    /// `overloaded` over its limits; `not_available` without a key. `TooLarge` for what no frame can hold, `Lost` after the
    /// tenth lost connection.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
    /// use ws_client::Ask;
    ///
    /// let run = chat.claude().ask(Ask::prompt("And at sunset?").context(3)).await?;
    /// println!("{}", run.run_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ask(&self, ask: Ask) -> Result<Run, Problem> {
        let mut payload = ask.payload;
        payload.insert("channel".to_owned(), self.channel.clone().into());
        payload.entry("run_id").or_insert_with(|| Uuid::new_v4().to_string().into());
        let payload = Value::Object(payload);
        let mut asked = 1;
        loop {
            match self.client.request_by_name("ask_claude", &payload).await {
                // The next one waits for the connection.
                Err(problem) if problem.kind == Kind::Lost && asked < ASKED_MAX => asked += 1,
                answer => return answer,
            }
        }
    }

    /// What a run says, from its beginning and then live, over lost connections, until it has finished. A run that is kept
    /// (it is `Serialize`) can be followed again after a restart.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>, kept: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let run: ws_client::Run = serde_json::from_str(kept)?;
    /// let events = chat.claude().follow(&run);
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, run: &Run) -> RunEvents {
        let beginning = Position { epoch: run.stream_epoch.clone(), offset: 0 };
        RunEvents::new(self.client.channel(&run.stream), beginning)
    }

    /// Stops a run. Everybody who may publish in the channel may do that; what it has said stays.
    ///
    /// # Errors
    /// What the server said: `not_found` for a run that it does not know (any more).
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>, run: ws_client::Run) -> Result<(), ws_client::Problem> {
    /// println!("{:?}", chat.claude().cancel(&run).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(&self, run: &Run) -> Result<RunStatus, Problem> {
        #[derive(Deserialize)]
        struct Cancelled {
            status: RunStatus,
        }
        let payload = json!({"channel": self.channel, "run_id": run.run_id});
        let cancelled: Cancelled = self.client.request_by_name("cancel_claude", &payload).await?;
        Ok(cancelled.status)
    }
}
