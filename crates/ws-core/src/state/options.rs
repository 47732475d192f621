//! What a hub is started with.

use crate::access::Auth;
use crate::heartbeat::Heartbeat;
use crate::limits::Limits;
use crate::options::{Actions, Namespaces, StreamOptions};

/// What a hub is started with.
#[derive(Debug)]
pub struct HubOptions {
    /// Limits per connection and in total.
    pub limits: Limits,
    /// How dead connections are detected.
    pub heartbeat: Heartbeat,
    /// The options of channels.
    pub namespaces: Namespaces,
    /// Who may use the actions that do not belong to a channel.
    pub actions: Actions,
    /// The streams of Claude's runs.
    pub streams: StreamOptions,
    /// How connections authenticate.
    pub auth: Auth,
    /// Fan-out tasks, ideally one per core; 1 to 64.
    pub shards: usize,
}
