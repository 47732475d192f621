//! A publication on its way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::entry::Tags;
use crate::machine::{Ack, Kind, Problem};

/// Options of a publication.
#[derive(Debug, Clone, Default)]
pub struct Publishing {
    /// Its id, if it is to be the same over several calls or runs; otherwise a new UUID. At most 128 bytes. One that is
    /// under way with another channel or other data is `Rejected` with the code `conflict`.
    pub id: Option<String>,
    /// Its tags.
    pub tags: Option<Tags>,
    /// How long it is worth sending. Zero: now or not at all.
    pub max_age: Option<Duration>,
}

/// A publication that was queued. It goes its way whether this is awaited or not; the future says how it ends.
#[derive(Debug)]
#[must_use = "it is sent all the same, but nobody learns how it ends"]
pub struct Publish {
    end: Result<oneshot::Receiver<Result<Ack, PublishError>>, Option<PublishError>>,
}

impl Publish {
    pub(crate) fn waiting(end: oneshot::Receiver<Result<Ack, PublishError>>) -> Self {
        Publish { end: Ok(end) }
    }

    pub(crate) fn failed(error: PublishError) -> Self {
        Publish { end: Err(Some(error)) }
    }
}

impl Future for Publish {
    type Output = Result<Ack, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.end {
            Ok(end) => Pin::new(end).poll(cx).map(|end| end.unwrap_or(Err(PublishError::Closed))),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(PublishError::Closed))),
        }
    }
}

/// Why a publication was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The server refused it.
    #[error("{0}")]
    Rejected(Problem),
    /// The outbox is full. Nothing was queued.
    #[error("the outbox is full")]
    Full,
    /// Its frame is larger than the server takes. It was not sent.
    #[error("the publication is larger than the server takes")]
    TooLarge,
    /// It was too old before it could be sent.
    #[error("the publication was too old before it could be sent")]
    Expired,
    /// It was sent, and nobody can tell any more whether it was published.
    #[error("the publication was sent, and nobody can tell any more whether it was published")]
    Unknown,
    /// The client is closed, and it was not sent.
    #[error("the client is closed, and the publication was not sent")]
    Closed,
    /// The value is not JSON: its `Serialize` failed.
    #[error("the value cannot be written as JSON: {0}")]
    Encoding(String),
}

impl From<&Problem> for PublishError {
    fn from(problem: &Problem) -> Self {
        match problem.kind {
            Kind::Full => PublishError::Full,
            Kind::TooLarge => PublishError::TooLarge,
            Kind::Expired => PublishError::Expired,
            Kind::Unknown => PublishError::Unknown,
            Kind::Closed | Kind::Aborted | Kind::Lost => PublishError::Closed,
            Kind::Rejected | Kind::Token | Kind::Denied | Kind::Store | Kind::Gap | Kind::Encoding => {
                PublishError::Rejected(problem.clone())
            }
        }
    }
}
