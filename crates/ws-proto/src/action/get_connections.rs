//! `get_connections`.

use serde::{Deserialize, Serialize};

/// `get_connections`: how many clients are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GetConnections {}

/// Data of the response to [`GetConnections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionsData {
    /// Connections of the whole cluster, including this one.
    pub count: u64,
}
