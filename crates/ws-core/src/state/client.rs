//! A connection as others see it.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use ws_proto::action::PresenceClient;

use crate::access::Identity;
use crate::connection::Connection;

/// The `info` that a token has about its user, without a copy.
#[derive(Debug)]
pub struct PresenceInfo(Arc<Identity>);

impl Serialize for PresenceInfo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.info().serialize(to)
    }
}

/// A connection as others see it.
pub(crate) fn client(connection: &Connection) -> PresenceClient<PresenceInfo> {
    let identity = connection.identity();
    PresenceClient {
        connection_id: connection.id(),
        user: identity.as_ref().map(|identity| identity.user().to_string()),
        info: identity.filter(|identity| identity.info().is_some()).map(PresenceInfo),
    }
}
