//! What Claude is asked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A question. What a server does not let clients set, it refuses (`claude.client_options`).
///
/// ```
/// use ws_client::{Ask, Role};
///
/// let question = Ask::prompt("And at sunset?").context(3);
/// let conversation = Ask::messages([
///     (Role::User, "Why is the sky blue?"),
///     (Role::Assistant, "Because air scatters short waves more."),
///     (Role::User, "And at sunset?"),
/// ]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub(super) payload: Map<String, Value>,
}

/// Who speaks in a turn of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// What is shown of the model's thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// That it began.
    Omitted,
    /// A summary of it, as it comes.
    Summarized,
}

impl Ask {
    fn with(mut self, field: &str, value: Value) -> Self {
        self.payload.insert(field.to_owned(), value);
        self
    }

    /// One question.
    pub fn prompt(prompt: impl Into<String>) -> Self {
        Ask { payload: Map::new() }.with("prompt", prompt.into().into())
    }

    /// A conversation: it begins and ends with the user, and alternates.
    pub fn messages<S: Into<String>>(messages: impl IntoIterator<Item = (Role, S)>) -> Self {
        let turn = |(role, content): (Role, S)| json!({"role": role, "content": content.into()});
        Ask { payload: Map::new() }.with("messages", messages.into_iter().map(turn).collect())
    }

    /// The run's id: 1 to 64 bytes of `A–Z a–z 0–9 - _`. The same id with the same question is the same run, also over
    /// restarts of the program. Without it, a new one is drawn.
    #[must_use]
    pub fn run_id(self, id: impl Into<String>) -> Self {
        self.with("run_id", id.into().into())
    }

    /// So many of the channel's last complete runs come before the prompt, as far as the server allows.
    #[must_use]
    pub fn context(self, runs: u32) -> Self {
        self.with("context", runs.into())
    }

    /// The system prompt.
    #[must_use]
    pub fn system(self, prompt: impl Into<String>) -> Self {
        self.with("system", prompt.into().into())
    }

    /// The model.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.with("model", model.into().into())
    }

    /// The most tokens of the answer.
    #[must_use]
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.with("max_tokens", tokens.into())
    }

    /// How hard the model tries.
    #[must_use]
    pub fn effort(self, effort: impl Into<String>) -> Self {
        self.with("effort", effort.into().into())
    }

    /// What is shown of the model's thinking.
    #[must_use]
    pub fn thinking(self, thinking: Thinking) -> Self {
        self.with("thinking", json!(thinking))
    }
}
