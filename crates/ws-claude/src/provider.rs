//! Where answers come from: the provider, or a script in tests.

use std::fmt;
use std::pin::Pin;

use crate::upstream::{Call, Known, Progress, Question, Upstream};

/// Answers questions.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Asks a question.
    fn ask(&self, question: Question) -> Box<dyn Answering>;
}

/// An answer as it comes. Dropped, it closes the connection that it comes from.
pub trait Answering: Send {
    /// The next step; the last one is [`Progress::End`].
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Progress> + Send + '_>>;

    /// What is known of an answer that is dropped before its end.
    fn known(&self) -> Known;
}

impl Provider for Upstream {
    fn ask(&self, question: Question) -> Box<dyn Answering> {
        Box::new(Upstream::ask(self, question))
    }
}

impl Answering for Call {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Progress> + Send + '_>> {
        Box::pin(Call::next(self))
    }

    fn known(&self) -> Known {
        Call::known(self)
    }
}
