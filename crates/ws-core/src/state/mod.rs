//! The state of the hub: what its handle, the sessions and the fan-out share.

mod admission;
mod channels;
mod client;
mod error;
mod history_page;
mod membership;
mod options;
mod page;
mod presence_events;
mod presence_page;
mod publishing;
mod shard;
mod shared;
mod subscription;

pub use self::admission::Permit;
pub use self::client::PresenceInfo;
pub(crate) use self::error::{clip, unavailable};
pub use self::membership::Membership;
pub use self::options::HubOptions;
pub(crate) use self::page::limit as page_limit;
pub(crate) use self::presence_page::PresenceQuery;
pub(crate) use self::publishing::{Draft, Publishing, Sink, check_msg_id};
pub(crate) use self::shard::{Notice, Start};
pub(crate) use self::shared::Shared;
pub(crate) use self::subscription::Subscription;
