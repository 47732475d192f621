//! `/connections`, `/connections/{id}`, `/users/{user}/connections`.

use uuid::Uuid;
use uuid::fmt::Hyphenated;
use ws_core::Hub;
use ws_proto::api::{Disconnect, UserConnections};
use ws_proto::{ErrorBody, ErrorCode, decode_body};

use super::call::{Call, Outcome, answer, done};
use super::query::Query;

/// GET: a page of the connections, of all or of one user.
pub(super) async fn page(hub: &Hub, query: Query<'_>) -> Outcome {
    let (user, after) = (query.text("user")?, query.text("after")?);
    answer(&hub.list_connections(user.as_deref(), query.number("limit")?, after.as_deref()).await?)
}

/// GET: one connection, with its subscriptions.
pub(super) async fn details(hub: &Hub, id: &str) -> Outcome {
    answer(&hub.connection(connection_id(id)?).await?)
}

/// DELETE: closes one connection.
pub(super) async fn close(hub: &Hub, id: &str, call: &Call<'_>) -> Outcome {
    let body: Disconnect<'_> = decode_body(call.body)?;
    hub.close_connection(connection_id(id)?, body.code, body.reason.as_deref()).await?;
    done()
}

/// DELETE: closes all connections of a user.
pub(super) async fn close_user(hub: &Hub, user: &str, call: &Call<'_>) -> Outcome {
    let body: Disconnect<'_> = decode_body(call.body)?;
    let connections = hub.close_user(user, body.code, body.reason.as_deref()).await?;
    answer(&UserConnections { connections })
}

/// Only the form with hyphens: a connection has one path.
///
/// # Errors
/// `not_found`: no connection has such an id.
pub(super) fn connection_id(id: &str) -> Result<Uuid, ErrorBody> {
    let has_hyphens = id.len() == Hyphenated::LENGTH;
    let id = Uuid::parse_str(id).ok().filter(|_| has_hyphens);
    id.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "a connection's id is a UUID with hyphens"))
}
