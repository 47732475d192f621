//! What the provider is asked.

use serde::Serialize;

/// One request of the Messages API. What is `None` is not sent: gateways and older models refuse fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The model's name.
    pub model: String,
    /// The most tokens of the answer, its thinking included.
    pub max_tokens: u32,
    /// The system prompt; never empty.
    pub system: Option<String>,
    /// The conversation: begins and ends with `user`, alternates.
    pub messages: Vec<Turn>,
    /// How hard the model tries; its own measure where it is `None`.
    pub effort: Option<String>,
    /// Whether a summary of the thinking comes along.
    pub thinking: Thinking,
    /// Whether turns were left out at the beginning of `messages`, so that a cached prefix would never be read again.
    pub is_cut: bool,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What was said; never empty.
    pub content: String,
}

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// What is shown of the model's thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Thinking {
    /// Nothing: the field is not sent.
    #[default]
    Omitted,
    /// A summary, as it comes.
    Summarized,
}
