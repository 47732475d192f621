//! A connection as others see it.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use ws_proto::action::PresenceClient;

use crate::access::Identity;
use crate::connection::Connection;
use crate::engine::cluster::Member;

/// The `info` that a token has about its user, without a copy where the connection is one of this node.
#[derive(Debug)]
pub struct PresenceInfo(Info);

#[derive(Debug)]
enum Info {
    Here(Arc<Identity>),
    Stored(Box<RawValue>),
}

impl Serialize for PresenceInfo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Info::Here(identity) => identity.info().serialize(to),
            Info::Stored(info) => info.serialize(to),
        }
    }
}

/// A connection as others see it.
pub(crate) fn client(connection: &Connection) -> PresenceClient<PresenceInfo> {
    let identity = connection.identity();
    PresenceClient {
        connection_id: connection.id(),
        user: identity.as_ref().map(|identity| identity.user().to_string()),
        info: identity.filter(|identity| identity.info().is_some()).map(|identity| PresenceInfo(Info::Here(identity))),
    }
}

/// A connection in the presence of a cluster.
pub(super) fn member(connection: &Connection) -> Member {
    let user = connection.identity().map(|identity| identity.user().clone());
    // Strings, and JSON as it came: writing that cannot fail.
    let client = serde_json::to_vec(&client(connection)).unwrap_or_default();
    Member { connection: connection.id(), user, client }
}

/// A member of a cluster as others see it.
///
/// # Errors
/// It is none that a hub has stored.
pub(super) fn stored(member: &Member) -> Result<PresenceClient<PresenceInfo>, serde_json::Error> {
    let client: PresenceClient<Box<RawValue>> = serde_json::from_slice(&member.client)?;
    let info = client.info.map(|info| PresenceInfo(Info::Stored(info)));
    Ok(PresenceClient { connection_id: client.connection_id, user: client.user, info })
}
