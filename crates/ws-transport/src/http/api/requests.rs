//! Requests counted by key, route and status, for `/metrics`.

use std::array;

use ws_core::Count;

use super::key::ApiKey;
use super::resource::Resource;

/// The statuses of answers; another one counts as the last.
const STATUSES: [&str; 14] =
    ["200", "400", "401", "403", "404", "405", "408", "409", "413", "415", "429", "500", "503", OTHER];

/// A path that is none of the API, or a status that is not expected.
const OTHER: &str = "other";

/// The key of a request without a valid one.
const NONE: &str = "none";

/// Counts by route and by status.
type OfKey = [[Count; STATUSES.len()]; Resource::ROUTES.len() + 1];

/// Counts since the start, for each name of a key.
#[derive(Debug)]
pub(super) struct Requests(Vec<(Box<str>, Box<OfKey>)>);

impl Requests {
    pub(super) fn new(keys: &[ApiKey]) -> Self {
        let mut names: Vec<&str> = keys.iter().map(ApiKey::name).chain([NONE]).collect();
        names.sort_unstable();
        names.dedup();
        let counts = || Box::new(array::from_fn(|_| array::from_fn(|_| Count::default())));
        Requests(names.into_iter().map(|name| (name.into(), counts())).collect())
    }

    /// Counts a request. `key`: the name of a key that [`new`](Self::new) was given. `route`: `None` where the path is
    /// none, or was not looked at.
    pub(super) fn count(&self, key: Option<&str>, route: Option<&'static str>, status: u16) {
        let key = key.unwrap_or(NONE);
        let Some((_, counts)) = self.0.iter().find(|(name, _)| **name == *key) else { return };
        let known = |route| Resource::ROUTES.iter().position(|known| *known == route);
        let route = route.and_then(known).unwrap_or(Resource::ROUTES.len());
        let status = STATUSES.iter().position(|known| known.parse() == Ok(status)).unwrap_or(STATUSES.len() - 1);
        counts[route][status].add(1);
    }

    /// Each key, route and status that has been there, with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = ([(&'static str, &str); 3], u64)> {
        let routes = || Resource::ROUTES.iter().chain([&OTHER]);
        let of_keys = self.0.iter().flat_map(move |(key, counts)| {
            routes().zip(&**counts).flat_map(move |(route, counts)| {
                let labels = move |status| [("key", &**key), ("route", *route), ("status", status)];
                STATUSES.iter().zip(counts).map(move |(status, count)| (labels(*status), count.get()))
            })
        });
        of_keys.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::key::ApiRights;

    #[test]
    fn labels_are_known_beforehand() {
        let key = |secret: &str| ApiKey::new("shop", ApiRights::Read, secret.as_bytes());
        let requests = Requests::new(&[key("a"), key("b")]);
        for (route, status) in [(Some("/node"), 200), (Some("/node"), 200), (Some("/x"), 404)] {
            requests.count(Some("shop"), route, status);
        }
        requests.count(None, None, 599);
        let labels = |key, route, status| [("key", key), ("route", route), ("status", status)];
        let found: Vec<_> = requests.counts().collect();
        let expect = [
            (labels("none", "other", "other"), 1),
            (labels("shop", "/node", "200"), 2),
            (labels("shop", "other", "404"), 1),
        ];
        assert_eq!(found, expect);
    }
}
