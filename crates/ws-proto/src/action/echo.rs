//! `echo`.

use serde::{Deserialize, Serialize};

/// `echo`: the server sends the value back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Echo<M> {
    /// Any JSON value.
    pub message: M,
}

/// Data of the response to [`Echo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EchoData<M> {
    /// The value that was sent, byte for byte.
    pub echo: M,
}
