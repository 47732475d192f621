//! A connection that counts against the limit of its user: on this node alone, or in the whole cluster.

use std::sync::Arc;
use std::task::Waker;

use super::shared::Shared;
use crate::access::Exhausted;
use crate::engine::EngineError;
use crate::engine::pending::Pending;

/// A place among the connections of a user; given up when this is dropped.
#[derive(Debug)]
pub(super) struct UserPlace {
    shared: Arc<Shared>,
    user: Arc<str>,
}

/// A place that a cluster was asked for. A place that comes after this was dropped is given up.
#[derive(Debug)]
pub(crate) struct Claiming(Pending<Option<UserPlace>>);

/// Why a connection has no place.
#[derive(Debug)]
pub(crate) enum NotClaimed {
    /// The user has as many as it may have.
    Exhausted,
    /// Nobody knows how many the user has.
    Unknown(EngineError),
}

impl UserPlace {
    /// Takes a place; `None`: there is no limit. In a cluster, [`ask`](Self::ask).
    pub(super) fn take(shared: &Arc<Shared>, user: &Arc<str>) -> Result<Option<Self>, Exhausted> {
        let entered = shared.users.enter(user)?;
        Ok(entered.map(|user| UserPlace { shared: shared.clone(), user }))
    }

    /// Asks the cluster for a place; `None`: there is none, or no limit.
    pub(super) fn ask(shared: &Arc<Shared>, user: &Arc<str>) -> Option<Claiming> {
        let max = shared.limits.connections_per_user_max as u64;
        let cluster = shared.engine.cluster().filter(|_| max > 0)?;
        let (hub, user) = (Arc::downgrade(shared), user.clone());
        Some(Claiming(Pending::call(|done| {
            let name = user.clone();
            let place = move |is_counted: bool| {
                let shared = hub.upgrade().filter(|_| is_counted)?;
                shared.users.add(&user);
                Some(UserPlace { shared, user })
            };
            cluster.admit(&name, max, Box::new(move |result| done(result.map(place))));
        })))
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        self.shared.users.leave(&self.user);
        if let Some(cluster) = self.shared.engine.cluster() {
            cluster.dismiss(&self.user);
        }
    }
}

impl Claiming {
    /// The place, if the cluster has answered. Otherwise the waker that `waker` returns is woken when it does.
    pub(super) fn poll(&self, waker: impl FnOnce() -> Waker) -> Option<Result<UserPlace, NotClaimed>> {
        Some(match self.0.poll(waker)? {
            Ok(place) => place.ok_or(NotClaimed::Exhausted),
            Err(error) => Err(NotClaimed::Unknown(error)),
        })
    }
}
