//! Connections of the server to itself.

use std::sync::Arc;

use super::{Connection, Outlet};
use crate::heartbeat::HeartbeatMode;

impl Connection {
    /// A connection of the server to itself, which has no heartbeat and is not counted. Its outlet is never full.
    pub(crate) fn internal(outlet: Box<dyn Outlet>, now_ms: u64) -> Arc<Self> {
        let mut connection = Connection::new(outlet, HeartbeatMode::default(), Arc::default(), now_ms);
        Arc::get_mut(&mut connection).expect("nobody has it yet").is_internal = true;
        connection
    }
}
