//! The state of the hub: what its handle, the sessions and the fan-out share.

mod admission;
mod calls;
mod canary;
mod channels;
mod client;
mod directory;
mod error;
mod history_page;
mod logins;
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
pub(crate) use self::calls::{Answer, Answered, Call, What};
pub use self::canary::{CANARY_CHANNEL, CanaryStats};
pub(crate) use self::canary::{Canary, Stage};
pub use self::client::PresenceInfo;
pub(crate) use self::directory::Entry;
pub(crate) use self::error::{clip, unavailable};
pub(crate) use self::logins::Operation;
pub use self::membership::Membership;
pub use self::options::HubOptions;
pub(crate) use self::page::limit as page_limit;
pub(crate) use self::presence_page::PresenceQuery;
pub(crate) use self::publishing::{Draft, Publishing, Repeat, Sink, check_msg_id};
pub(crate) use self::shard::{Notice, Start};
pub(crate) use self::shared::Shared;
pub(crate) use self::subscription::Subscription;
