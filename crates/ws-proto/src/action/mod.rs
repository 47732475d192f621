//! What can be asked for: one type per action, for its payload, and one for the data of its response
//! (PROTOCOL section 4).
//!
//! Types that carry JSON of any shape are generic over how it is held: `&RawValue` for a server that
//! passes it on, `serde_json::Value` or any `Serialize` type for a client. Strings can be borrowed by who
//! writes them; read, those of a payload are borrowed from the frame where they have no escapes, and those
//! of a response are its own, so that it can outlive the frame.
//!
//! Not in here: the limits within a payload (how long a name, how large a page), which are the server's
//! to check; [`crate::limits`] has their numbers.

mod authenticate;
mod broadcast;
mod echo;
mod get_connections;
mod get_history;
mod get_presence;
mod publish;
mod subscribe;
mod unsubscribe;

pub use authenticate::{Authenticate, AuthenticateData};
pub use broadcast::{Broadcast, BroadcastData};
pub use echo::{Echo, EchoData};
pub use get_connections::{ConnectionsData, GetConnections};
pub use get_history::{GetHistory, HistoryData};
pub use get_presence::{GetPresence, PresenceClient, PresenceData};
pub use publish::{Ack, Publish, PublishData};
pub use subscribe::{Gap, Subscribe, SubscribeData};
pub use unsubscribe::{Unsubscribe, UnsubscribeData};

/// A payload that names its action and the data of its response.
pub trait Action {
    /// Name of the action on the wire.
    const NAME: &'static str;
    /// Data of the response; `M` is the type that holds JSON of any shape.
    type Response<M>;
}

/// Names of all actions of this version.
pub const NAMES: &[&str] = &[
    Echo::<()>::NAME,
    Broadcast::<()>::NAME,
    GetConnections::NAME,
    Subscribe::NAME,
    Unsubscribe::NAME,
    Publish::<()>::NAME,
    GetHistory::NAME,
    GetPresence::NAME,
    Authenticate::NAME,
];

/// An action by name, for whoever has to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionName {
    /// [`Echo`].
    Echo,
    /// [`Broadcast`].
    Broadcast,
    /// [`GetConnections`].
    GetConnections,
    /// [`Subscribe`].
    Subscribe,
    /// [`Unsubscribe`].
    Unsubscribe,
    /// [`Publish`].
    Publish,
    /// [`GetHistory`].
    GetHistory,
    /// [`GetPresence`].
    GetPresence,
    /// [`Authenticate`].
    Authenticate,
}

impl ActionName {
    /// Every action, in the order of [`NAMES`].
    pub const ALL: [ActionName; NAMES.len()] = [
        ActionName::Echo,
        ActionName::Broadcast,
        ActionName::GetConnections,
        ActionName::Subscribe,
        ActionName::Unsubscribe,
        ActionName::Publish,
        ActionName::GetHistory,
        ActionName::GetPresence,
        ActionName::Authenticate,
    ];

    /// Name on the wire.
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The action of that name, where there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_in_the_order_of_their_names() {
        let check = |action: ActionName, name: &str| {
            assert_eq!((action.as_str(), ActionName::from_name(name)), (name, Some(action)));
        };
        check(ActionName::Echo, "echo");
        check(ActionName::Broadcast, "broadcast");
        check(ActionName::GetConnections, "get_connections");
        check(ActionName::Subscribe, "subscribe");
        check(ActionName::Unsubscribe, "unsubscribe");
        check(ActionName::Publish, "publish");
        check(ActionName::GetHistory, "get_history");
        check(ActionName::GetPresence, "get_presence");
        check(ActionName::Authenticate, "authenticate");
        assert!(ActionName::ALL.iter().enumerate().all(|(at, action)| *action as usize == at));
        assert_eq!(ActionName::from_name("Subscribe"), None);
    }
}
