//! How an engine answers.

/// Takes the result of a call: within the call, or later, on any thread. It never blocks. A closed engine calls it too,
/// with [`EngineError::Unavailable`].
pub type Done<T> = Box<dyn FnOnce(Result<T, EngineError>) + Send>;

/// Why an engine call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The `msg_id` belongs to a publication with other data.
    #[error("the msg_id was used for other data")]
    Conflict,
    /// A repeat that may have been published before; it was not published now.
    #[error("it may have been published before, and nobody can tell any more")]
    UnknownOutcome,
    /// Nothing is retained in the channel.
    #[error("the channel keeps no history")]
    NoHistory,
    /// The engine cannot store or read, or is closed. Trying again may help.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    /// The engine has more requests than it can take. Trying again later helps.
    #[error("the engine has more requests than it can take at a time")]
    Overloaded,
}
