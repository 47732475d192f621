//! What every resource of the API does, for a request that is alone or one of a batch.

use hyper::Method;
use ws_core::Hub;
use ws_proto::ErrorBody;

use super::call::{Call, Outcome, Refused};
use super::key::ApiKey;
use super::resource::{Resource, Verb};
use super::{broadcast, channels, connections, frames, node, presence, publications, runs, subscriptions};

/// The resources of a hub.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) hub: Hub,
    /// Of the product.
    pub(super) version: &'static str,
}

impl Resources {
    /// A line for each resource and method. What is not here is not allowed, and was refused before.
    pub(super) async fn perform(&self, call: &Call<'_>) -> Outcome {
        use Verb::{Delete, Get, Post, Put};
        let (hub, query) = (&self.hub, call.query);
        match (&call.resource, call.verb) {
            (Resource::Publications(channel), Get) => publications::history(hub, channel, query).await,
            (Resource::Publications(channel), Post) => publications::publish(hub, channel, call).await,
            (Resource::Publications(channel), Delete) => publications::remove(hub, channel).await,
            (Resource::Channels, Get) => channels::page(hub, query).await,
            (Resource::Channel(channel), Get) => channels::details(hub, channel).await,
            (Resource::Presence(channel), Get) => presence::page(hub, channel, query).await,
            (Resource::Runs(channel), Get) => runs::open(hub, channel).await,
            (Resource::Connections, Get) => connections::page(hub, query).await,
            (Resource::Connection(id), Get) => connections::details(hub, id).await,
            (Resource::Connection(id), Delete) => connections::close(hub, id, call).await,
            (Resource::ConnectionFrames(_), Get) => Err(frames::not_in_a_batch().into()),
            (Resource::ConnectionSubscription(id, channel), Put) => subscriptions::start(hub, id, channel).await,
            (Resource::ConnectionSubscription(id, channel), Delete) => subscriptions::end(hub, id, channel).await,
            (Resource::UserSubscription(user, channel), Put) => subscriptions::start_user(hub, user, channel).await,
            (Resource::UserSubscription(user, channel), Delete) => subscriptions::end_user(hub, user, channel).await,
            (Resource::UserConnections(user), Delete) => connections::close_user(hub, user, call).await,
            (Resource::Broadcast, Post) => broadcast::send(hub, call).await,
            (Resource::Node, Get) => node::reply(hub, self.version),
            (Resource::NodeStats, Get) => node::stats(hub),
            (resource, _) => Err(Refused::Method(resource.allowed())),
        }
    }
}

/// The resource at a path, or 404.
pub(super) fn found<'a>(
    resource: Result<Option<Resource<'a>>, ErrorBody>,
    path: &str,
) -> Result<Resource<'a>, Refused> {
    resource?.ok_or_else(|| Refused::not_found(path))
}

/// What a request does to a resource, if the resource takes that and the key may do it.
pub(super) fn permitted<'a>(
    key: &ApiKey,
    method: &Method,
    resource: Resource<'a>,
) -> Result<(Resource<'a>, Verb), Refused> {
    let verb = Verb::of(method).filter(|verb| resource.takes(*verb));
    let verb = verb.ok_or_else(|| Refused::Method(resource.allowed()))?;
    key.check(resource.right(verb))?;
    Ok((resource, verb))
}
