//! Requests counted by route and status, for `/metrics`.

use std::array;

use ws_core::Count;

use super::resource::Resource;

/// The statuses of answers; another one counts as the last.
const STATUSES: [&str; 14] =
    ["200", "400", "401", "403", "404", "405", "408", "409", "413", "415", "429", "500", "503", OTHER];

/// A path that is none of the API, or a status that is not expected.
const OTHER: &str = "other";

/// Counts since the start, by route and by status.
#[derive(Debug)]
pub(super) struct Requests([[Count; STATUSES.len()]; Resource::ROUTES.len() + 1]);

impl Requests {
    pub(super) fn new() -> Self {
        Requests(array::from_fn(|_| array::from_fn(|_| Count::default())))
    }

    /// Counts a request. `route`: [`None`] where the path is none, or was not looked at.
    pub(super) fn count(&self, route: Option<&'static str>, status: u16) {
        let known = |route| Resource::ROUTES.iter().position(|known| *known == route);
        let route = route.and_then(known).unwrap_or(Resource::ROUTES.len());
        let status = STATUSES.iter().position(|known| known.parse() == Ok(status)).unwrap_or(STATUSES.len() - 1);
        self.0[route][status].add(1);
    }

    /// Each route and status that has been there, with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 2], u64)> {
        let routes = Resource::ROUTES.iter().chain([&OTHER]).zip(&self.0);
        let each = routes.flat_map(|(route, counts)| {
            STATUSES.iter().zip(counts).map(|(status, count)| ([("route", *route), ("status", *status)], count.get()))
        });
        each.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_beforehand() {
        let requests = Requests::new();
        for (route, status) in [(Some("/node"), 200), (Some("/node"), 200), (Some("/x"), 404), (None, 599)] {
            requests.count(route, status);
        }
        let labels = |route, status| [("route", route), ("status", status)];
        let found: Vec<_> = requests.counts().collect();
        assert_eq!(found, [(labels("/node", "200"), 2), (labels("other", "404"), 1), (labels("other", "other"), 1)]);
    }
}
