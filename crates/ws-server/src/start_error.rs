//! Why a server does not start.

use tokio::task::JoinError;
use ws_transport::{BindError, TlsError};

use crate::config::{ConfigError, report};
use crate::engine::EngineError;
use crate::key_set::FetchError;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys of `[[auth.keys]]` or `[api]` cannot be read. No port was bound.
    #[error("{}", report(.0).trim_end())]
    Keys(Vec<ConfigError>),
    /// The published key set cannot be fetched or used. No port was bound.
    #[error("the key set {url} {error}")]
    KeySet {
        /// Its URL.
        url: String,
        /// Why not.
        error: FetchError,
    },
    /// The certificate cannot be used. No port was bound.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] TlsError),
    /// The engine cannot be opened. No port was bound.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The task that opens the engine was cancelled or panicked.
    #[error("the engine was not opened: {0}")]
    EngineTask(#[from] JoinError),
    /// The engine cannot say which runs of Claude were left open. No port was bound.
    #[error("which runs of Claude were left open cannot be read: {0}")]
    Claude(#[from] ws_proto::ErrorBody),
    /// An address cannot be bound; then none is.
    #[error(transparent)]
    Bind(#[from] BindError),
}
