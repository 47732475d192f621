//! `/connections/{id}/subscriptions/{channel}`, `/users/{user}/subscriptions/{channel}`.

use ws_core::Hub;
use ws_proto::api::UserConnections;

use super::call::{Outcome, answer, done};
use super::connections::connection_id;

/// PUT: subscribes one connection.
pub(super) async fn start(hub: &Hub, id: &str, channel: &str) -> Outcome {
    hub.subscribe(connection_id(id)?, channel).await?;
    done()
}

/// DELETE: unsubscribes one connection.
pub(super) async fn end(hub: &Hub, id: &str, channel: &str) -> Outcome {
    hub.unsubscribe(connection_id(id)?, channel).await?;
    done()
}

/// PUT: subscribes all connections of a user.
pub(super) async fn start_user(hub: &Hub, user: &str, channel: &str) -> Outcome {
    let connections = hub.subscribe_user(user, channel).await?;
    answer(&UserConnections { connections })
}

/// DELETE: unsubscribes all connections of a user.
pub(super) async fn end_user(hub: &Hub, user: &str, channel: &str) -> Outcome {
    let connections = hub.unsubscribe_user(user, channel).await?;
    answer(&UserConnections { connections })
}
