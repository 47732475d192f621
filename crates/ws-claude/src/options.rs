//! What an operator sets for runs (CONFIG `[claude]`).

use std::time::Duration;

use ws_proto::action::ThinkingMode;

/// The options of all runs.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The model that is asked where a client does not choose one.
    pub model: String,
    /// Models that clients may choose, where they may; empty: that one alone.
    pub models_allowed: Vec<String>,
    /// The most tokens of an answer, its thinking included; a client may ask for fewer, where it may.
    pub max_tokens: u32,
    /// How hard the model tries; `None`: its own measure.
    pub effort: Option<String>,
    /// What is shown of the model's thinking.
    pub thinking: ThinkingMode,
    /// The system prompt.
    pub system: Option<String>,
    /// What clients may set.
    pub client_options: Vec<ClientOption>,
    /// Most bytes of the texts that `context` adds.
    pub context_bytes_max: usize,
    /// Open runs.
    pub runs_max: usize,
    /// Those of one user, or of one anonymous connection.
    pub runs_per_user_max: usize,
    /// Those in one channel.
    pub runs_per_channel_max: usize,
    /// The longest time of a run.
    pub run_timeout: Duration,
    /// Between two publications of text.
    pub delta_interval: Duration,
}

/// An option that a client may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOption {
    /// The system prompt.
    System,
    /// The model.
    Model,
    /// The most tokens of the answer.
    MaxTokens,
    /// How hard the model tries.
    Effort,
    /// What is shown of its thinking.
    Thinking,
}

impl ClientOption {
    /// Its name in requests and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClientOption::System => "system",
            ClientOption::Model => "model",
            ClientOption::MaxTokens => "max_tokens",
            ClientOption::Effort => "effort",
            ClientOption::Thinking => "thinking",
        }
    }
}

impl RunOptions {
    /// Whether a client may choose this model.
    pub(crate) fn allows(&self, model: &str) -> bool {
        if self.models_allowed.is_empty() {
            model == self.model
        } else {
            self.models_allowed.iter().any(|allowed| allowed == model)
        }
    }
}
