//! Who is in a channel, on this node.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::Connection;
use crate::engine::cluster::Counts;

/// The subscribers in the order in which they joined. Reading a page costs only as much as the page.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Sorted by number. Subscribers that have left leave holes, until there are more holes than subscribers.
    entries: Vec<(u64, Option<Arc<Connection>>)>,
    connections: u32,
    /// Connections of each user; `None` until there is a user.
    #[expect(clippy::box_collection, reason = "a map in place would be six words in every channel")]
    users: Option<Box<HashMap<Arc<str>, u32>>>,
}

/// What a cluster has told of a channel, and what its subscribers were told of that.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How many there are on all nodes, as it last said.
    pub(crate) counts: Counts,
    /// The subscribers of this node with a number below this were there when an event with the counts was sent.
    pub(crate) counted_below: u64,
}

impl Presence {
    /// Adds a subscriber, and returns its number.
    pub(crate) fn enter(&mut self, connection: &Arc<Connection>) -> u64 {
        let number = self.next_number();
        if self.entries.is_empty() {
            self.entries.reserve_exact(1);
        }
        self.entries.push((number, Some(connection.clone())));
        self.connections += 1;
        if let Some(user) = user_of(connection) {
            self.set_user(user);
        }
        number
    }

    /// Above the numbers of all that are there.
    pub(crate) fn next_number(&self) -> u64 {
        self.entries.last().map_or(0, |(last, _)| last + 1)
    }

    /// A subscriber that was anonymous has become this user.
    pub(crate) fn set_user(&mut self, user: Arc<str>) {
        *self.users.get_or_insert_default().entry(user).or_default() += 1;
    }

    /// Removes a subscriber; false if it was not present.
    pub(crate) fn leave(&mut self, number: u64) -> bool {
        let Ok(at) = self.entries.binary_search_by_key(&number, |(number, _)| *number) else { return false };
        let Some(connection) = self.entries[at].1.take() else { return false };
        self.connections -= 1;
        if let Some((user, users)) = user_of(&connection).zip(self.users.as_mut()) {
            let connections = users.get_mut(&user).map(|connections| {
                *connections -= 1;
                *connections
            });
            if connections == Some(0) {
                users.remove(&user);
            }
        }
        if self.entries.len() > 2 * self.connections as usize {
            self.entries.retain(|(_, connection)| connection.is_some());
            self.entries.shrink_to(2 * self.connections as usize);
        }
        true
    }

    pub(crate) fn counts(&self) -> Counts {
        let users = self.users.as_ref().map_or(0, |users| users.len() as u64);
        Counts { connections: self.connections.into(), users }
    }

    /// The next ones after number `after`, at most `limit`, with their numbers.
    pub(crate) fn page(&self, after: Option<u64>, limit: usize) -> impl Iterator<Item = (u64, &Arc<Connection>)> {
        let from = after.map_or(0, |after| self.entries.partition_point(|(number, _)| *number <= after));
        self.entries[from..].iter().filter_map(|(number, entry)| Some((*number, entry.as_ref()?))).take(limit)
    }
}

fn user_of(connection: &Connection) -> Option<Arc<str>> {
    Some(connection.identity()?.user().clone())
}
