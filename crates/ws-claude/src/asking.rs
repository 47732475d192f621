//! From a request to a question: what a client may set, and what the operator has set. No I/O.

use sha2::{Digest, Sha256};
use ws_proto::action::{AskClaude, Message, MessageRole, ThinkingMode};
use ws_proto::{ErrorBody, ErrorCode};

use crate::options::{ClientOption, RunOptions};
use crate::upstream::{Question, Role, Thinking, Turn};

/// The question of a request, without earlier runs.
///
/// # Errors
/// `permission_denied`: an option that clients may not set, or a model that is not allowed; `invalid_payload`: more
/// tokens than are configured.
pub(crate) fn question(ask: &AskClaude<'_>, options: &RunOptions) -> Result<Question, ErrorBody> {
    let given = [
        (ClientOption::System, ask.system.is_some()),
        (ClientOption::Model, ask.model.is_some()),
        (ClientOption::MaxTokens, ask.max_tokens.is_some()),
        (ClientOption::Effort, ask.effort.is_some()),
        (ClientOption::Thinking, ask.thinking.is_some()),
    ];
    let denied = given.iter().find(|(option, is_given)| *is_given && !options.client_options.contains(option));
    if let Some((option, _)) = denied {
        let name = option.as_str();
        let message = format!(
            "clients may not set `payload.{name}` here; the operator can allow it \
                               (claude.client_options)"
        );
        return Err(ErrorBody::new(ErrorCode::PermissionDenied, message));
    }
    if ask.model.as_deref().is_some_and(|model| !options.allows(model)) {
        let message = "this model is not allowed here; the operator can allow it (claude.models_allowed)";
        return Err(ErrorBody::new(ErrorCode::PermissionDenied, message));
    }
    if let Some(tokens) = ask.max_tokens.filter(|tokens| *tokens > options.max_tokens) {
        let max = options.max_tokens;
        let message = format!("`payload.max_tokens` is {tokens}, more than {max} (claude.max_tokens)");
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, message));
    }
    let text = |given: &Option<std::borrow::Cow<'_, str>>| given.as_deref().map(str::to_owned);
    Ok(Question {
        model: text(&ask.model).unwrap_or_else(|| options.model.clone()),
        max_tokens: ask.max_tokens.unwrap_or(options.max_tokens),
        system: text(&ask.system).or_else(|| options.system.clone()),
        messages: turns(ask),
        effort: text(&ask.effort).or_else(|| options.effort.clone()),
        thinking: match ask.thinking.unwrap_or(options.thinking) {
            ThinkingMode::Omitted => Thinking::Omitted,
            ThinkingMode::Summarized => Thinking::Summarized,
        },
        is_cut: false,
    })
}

fn turns(ask: &AskClaude<'_>) -> Vec<Turn> {
    let turn = |message: &Message<'_>| Turn {
        role: match message.role {
            MessageRole::User => Role::User,
            MessageRole::Assistant => Role::Assistant,
        },
        content: message.content.clone().into_owned(),
    };
    let prompt = ask.prompt.iter().map(|prompt| Turn { role: Role::User, content: prompt.clone().into_owned() });
    ask.messages.iter().flatten().map(turn).chain(prompt).collect()
}

/// Tells two requests apart, by the values of their fields as they were given.
pub(crate) fn digest(ask: &AskClaude<'_>) -> String {
    let context = ask.context.filter(|context| *context > 0);
    let same = AskClaude { context, run_id: None, ..ask.clone() };
    // Strings, numbers and lists of them always serialize.
    let text = serde_json::to_vec(&same).unwrap_or_default();
    Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
