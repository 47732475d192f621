//! What a hub is started with.

use crate::access::Auth;
use crate::heartbeat::Heartbeat;
use crate::limits::Limits;
use crate::options::{Actions, Namespaces};

/// What a hub is started with.
#[derive(Debug)]
pub struct HubOptions {
    /// What one connection, and all, may use.
    pub limits: Limits,
    /// How dead connections are found.
    pub heartbeat: Heartbeat,
    /// What channels offer.
    pub namespaces: Namespaces,
    /// Who may do what is no channel's.
    pub actions: Actions,
    /// On what terms connections authenticate.
    pub auth: Auth,
    /// Fan-out tasks, best one per core; 1 to 64.
    pub shards: usize,
}
