//! Who a publication or a broadcast is from.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who sent something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sender {
    /// The connection it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<Uuid>,
    /// A participant within the server, such as `claude`; no client can produce it. `user` is then who asked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its user, or null if it is anonymous.
    #[serde(default)]
    pub user: Option<String>,
}
