//! `ask_claude`: starts a run, whose answer streams into a channel of its own (PROTOCOL section 8).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::whole;

/// `ask_claude`: Claude answers a `prompt`, or a conversation of `messages`; exactly one of them. The channel gets two
/// publications, `started` and `finished`; the words stream into the channel that the response names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskClaude<'a> {
    /// Where the run is announced: who may publish there may ask. At most 183 bytes.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::ASKING_CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// Makes the request safe to repeat: the same id again, with the same request, answers with the first run. 1 to 64
    /// bytes of `A–Z a–z 0–9 - _`; made by the server where it is left out.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$")))]
    pub run_id: Option<Cow<'a, str>>,
    /// The question.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Cow<'a, str>>,
    /// A conversation: begins and ends with `user`, alternates.
    #[serde(borrow, default, deserialize_with = "borrowed::objects", skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message<'a>>>,
    /// How many of the channel's last `complete` runs come before the prompt, as far as they fit. Not with `messages`.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// The system prompt, where the server lets clients set it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub system: Option<Cow<'a, str>>,
    /// The model, where the server lets clients choose it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// The most tokens of the answer, where the server lets clients set it; never more than it has configured.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How hard the model tries, where the server lets clients set it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub effort: Option<Cow<'a, str>>,
    /// What is shown of the model's thinking, where the server lets clients set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingMode>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message<'a> {
    /// Who speaks.
    pub role: MessageRole,
    /// What was said; not white space alone.
    #[serde(borrow)]
    pub content: Cow<'a, str>,
}

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// What is shown of the model's thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ThinkingMode {
    /// That it began.
    #[default]
    Omitted,
    /// A summary of it, as it comes.
    Summarized,
}

/// Data of the response to [`AskClaude`], as soon as `started` is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskClaudeData<'a> {
    /// The run's id.
    pub run_id: Cow<'a, str>,
    /// Where it was asked.
    pub channel: Cow<'a, str>,
    /// Epoch of that channel; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of `started`; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Name of the channel into which the answer streams.
    pub stream: Cow<'a, str>,
    /// Epoch of the stream: subscribed since its offset 0, nothing is missed.
    pub stream_epoch: Cow<'a, str>,
}

impl AskClaude<'_> {
    /// The same without borrowing from the frame that it came in.
    pub fn into_owned(self) -> AskClaude<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let message = |Message { role, content }: Message<'_>| Message { role, content: owned(content) };
        AskClaude {
            channel: owned(self.channel),
            run_id: self.run_id.map(owned),
            prompt: self.prompt.map(owned),
            messages: self.messages.map(|messages| messages.into_iter().map(message).collect()),
            context: self.context,
            system: self.system.map(owned),
            model: self.model.map(owned),
            max_tokens: self.max_tokens,
            effort: self.effort.map(owned),
            thinking: self.thinking,
        }
    }
}
