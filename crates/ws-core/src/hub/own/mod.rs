//! What the server API does with this server's own connections and channels: its part of what is asked everywhere. The
//! fields of requests are checked.

mod channels;
mod connections;
mod subscriptions;

pub(super) use self::connections::Details;
