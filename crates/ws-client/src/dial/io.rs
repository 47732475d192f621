//! What a WebSocket runs over.

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions, with or without TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
