//! What the hub asks of whoever runs Claude: a participant in this process, of which it knows nothing else.
//!
//! Deliberately absent: what a run does, and how many there may be.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;
use ws_proto::ErrorBody;
use ws_proto::action::{AskClaude, AskClaudeData, CancelClaudeData};
use ws_proto::api::RunInfo;
use ws_proto::claude::RunStatus;

use crate::counters::Count;
use crate::histogram::Histogram;
use crate::options::ChannelOptions;

/// Takes the answer to a request: within the call, or later, on any thread.
pub type Reply<T> = Box<dyn FnOnce(Result<T, ErrorBody>) + Send>;

/// Runs Claude. Names of channels are valid, and rights are checked before it is called.
pub trait Runs: fmt::Debug + Send + Sync {
    /// Starts a run, or finds the one that has this id: answered when `started` is published.
    fn ask(&self, ask: Ask, reply: Reply<AskClaudeData<'static>>);

    /// Ends a run, or says how it ended.
    fn cancel(&self, channel: &str, run_id: &str, reply: Reply<CancelClaudeData<'static>>);

    /// Answers with the run of this id if it is open here and has the id in the whole cluster, as if its request were
    /// repeated; else `not_found`.
    fn find(&self, channel: &str, run_id: &str, digest: &str, reply: Reply<AskClaudeData<'static>>);

    /// The open runs of a channel, in the order in which they began.
    fn open_in(&self, channel: &str) -> Vec<RunInfo>;

    /// How many runs are open.
    fn open(&self) -> usize;

    /// What it counts.
    fn counts(&self) -> &RunCounts;

    /// Another server has ended: one of the living ends the runs that it has left open.
    fn node_ended(&self);

    /// This server was taken for dead: others end its runs, and it publishes nothing more for them.
    fn lapsed(&self);

    /// The store may have lost which runs are open.
    fn keep_again(&self);
}

/// A request to ask Claude.
#[derive(Debug)]
pub struct Ask {
    /// As it came; its fields are in order.
    pub request: AskClaude<'static>,
    /// Of its channel.
    pub options: Arc<ChannelOptions>,
    /// Who asks.
    pub asker: Asker,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The user, as others see it; `None`: anonymous.
    pub user: Option<Arc<str>>,
    /// Whose runs are counted together.
    pub key: AskerKey,
}

/// Whose runs are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AskerKey {
    /// Those of a user.
    User(Arc<str>),
    /// Those of an anonymous connection.
    Connection(Uuid),
}

/// What is counted of runs, since the start.
#[derive(Debug)]
pub struct RunCounts {
    /// From `started` to the first text, in microseconds.
    pub first_text_us: Histogram,
    /// Times that the provider was asked again.
    pub retries: Count,
    ended: [Count; RunStatus::ENDS.len()],
    errors: [Count; RunErrorKind::ALL.len()],
    /// By model; the last one is every model that is not configured.
    tokens: Box<[(Box<str>, [Count; TokenKind::ALL.len()])]>,
}

/// What the provider counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Read anew.
    Input,
    /// Written.
    Output,
    /// Put into its cache.
    CacheCreation,
    /// Read from its cache.
    CacheRead,
}

impl TokenKind {
    /// All of them.
    pub const ALL: [TokenKind; 4] =
        [TokenKind::Input, TokenKind::Output, TokenKind::CacheCreation, TokenKind::CacheRead];

    /// Its name, for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenKind::Input => "input",
            TokenKind::Output => "output",
            TokenKind::CacheCreation => "cache_creation",
            TokenKind::CacheRead => "cache_read",
        }
    }
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// Errors of the provider, by its names for them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RunErrorKind { $($(#[$doc])* $kind,)* }

        impl RunErrorKind {
            /// All of them.
            pub const ALL: &[RunErrorKind] = &[$(RunErrorKind::$kind),*];

            /// Its name, for metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(RunErrorKind::$kind => $name,)* }
            }

            /// The error of this name; one that is not known is `other`.
            pub fn from_name(name: &str) -> Self {
                match name { $($name => RunErrorKind::$kind,)* _ => RunErrorKind::Other }
            }
        }
    };
}

error_kinds! {
    /// 400.
    InvalidRequest = "invalid_request_error",
    /// 401.
    Authentication = "authentication_error",
    /// 402.
    Billing = "billing_error",
    /// 403.
    Permission = "permission_error",
    /// 404.
    NotFound = "not_found_error",
    /// 413.
    RequestTooLarge = "request_too_large",
    /// 429.
    RateLimit = "rate_limit_error",
    /// 500.
    Api = "api_error",
    /// 504.
    Timeout = "timeout_error",
    /// 529.
    Overloaded = "overloaded_error",
    /// No answer that the provider has given a name: it could not be reached, broke off, or took too long.
    Other = "other",
}

impl RunCounts {
    /// Nothing yet. `models`: those that are configured.
    pub fn new<'a>(models: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Box<str>> = models.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        names.push("other".into());
        RunCounts {
            first_text_us: Histogram::default(),
            retries: Count::new(),
            ended: Default::default(),
            errors: std::array::from_fn(|_| Count::new()),
            tokens: names.into_iter().map(|name| (name, Default::default())).collect(),
        }
    }

    /// Runs that ended like this; of a status that is no end, the last one.
    pub fn ended(&self, status: RunStatus) -> &Count {
        let at = RunStatus::ENDS.iter().position(|end| *end == status).unwrap_or(RunStatus::ENDS.len() - 1);
        &self.ended[at]
    }

    /// Errors of the provider, retried ones included.
    pub fn errors(&self, kind: RunErrorKind) -> &Count {
        &self.errors[kind as usize]
    }

    /// Tokens of this kind that a model has cost.
    pub fn tokens(&self, model: &str, kind: TokenKind) -> &Count {
        let at = self.tokens.iter().position(|(name, _)| **name == *model).unwrap_or(self.tokens.len() - 1);
        &self.tokens[at].1[kind as usize]
    }

    /// All counts of tokens, by model and kind.
    pub fn all_tokens(&self) -> impl Iterator<Item = (&str, TokenKind, u64)> {
        self.tokens.iter().flat_map(|(model, counts)| {
            TokenKind::ALL.into_iter().map(move |kind| (&**model, kind, counts[kind as usize].get()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_kind_and_model_has_its_count() {
        let counts = RunCounts::new(["b", "a", "b"]);
        RunStatus::ENDS.iter().for_each(|end| counts.ended(*end).add(1));
        RunErrorKind::ALL.iter().for_each(|kind| counts.errors(*kind).add(1));
        assert!(RunStatus::ENDS.iter().all(|end| counts.ended(*end).get() == 1));
        assert!(RunErrorKind::ALL.iter().all(|kind| counts.errors(*kind).get() == 1));
        assert!(RunErrorKind::ALL.iter().all(|kind| RunErrorKind::from_name(kind.as_str()) == *kind));
        assert_eq!(RunErrorKind::from_name("brand_new_error"), RunErrorKind::Other);
        counts.tokens("a", TokenKind::Output).add(7);
        counts.tokens("c", TokenKind::Input).add(9);
        let found: Vec<_> = counts.all_tokens().filter(|(.., n)| *n > 0).collect();
        assert_eq!(found, [("a", TokenKind::Output, 7), ("other", TokenKind::Input, 9)]);
        assert_eq!(counts.all_tokens().count(), 12);
    }
}
