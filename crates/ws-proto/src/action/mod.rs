//! Actions: for each one a type for its payload and one for the data of its response (PROTOCOL section 4).
//!
//! Types that carry arbitrary JSON are generic over its type: `&RawValue` for a server that passes it on,
//! `serde_json::Value` or any `Serialize` type for a client. Strings may be borrowed. After decoding, the strings of
//! a payload are borrowed from the frame unless they have escapes; those of a response are owned, so that it can
//! outlive the frame.
//!
//! To add an action: a file with its two types, and a line in `actions!` below.
//!
//! Not here: limits within a payload, such as the length of a name or the size of a page. The server checks those;
//! [`crate::limits`] has the numbers.

mod ask_claude;
mod authenticate;
mod broadcast;
mod cancel_claude;
mod echo;
mod get_connections;
mod get_history;
mod get_presence;
mod publish;
mod subscribe;
mod unsubscribe;

pub use ask_claude::{AskClaude, AskClaudeData, Message, MessageRole, ThinkingMode};
pub use authenticate::{Authenticate, AuthenticateData};
pub use broadcast::{Broadcast, BroadcastData};
pub use cancel_claude::{CancelClaude, CancelClaudeData};
pub use echo::{Echo, EchoData};
pub use get_connections::{ConnectionsData, GetConnections};
pub use get_history::{GetHistory, HistoryData};
pub use get_presence::{GetPresence, PresenceClient, PresenceData};
pub use publish::{Ack, Publish, PublishData};
pub use subscribe::{Gap, Subscribe, SubscribeData};
pub use unsubscribe::{Unsubscribe, UnsubscribeData};

use crate::publication::HistoryEntry;

/// The payload of an action, with the name of the action and the data of its response.
pub trait Action {
    /// Name of the action on the wire.
    const NAME: &'static str;
    /// Data of the response; `M` is the type of arbitrary JSON in it.
    type Response<M>;
}

/// Called once for each action, with its types.
#[cfg(feature = "schema")]
pub(crate) trait ActionVisitor {
    fn visit<A: Action + schemars::JsonSchema>(&mut self)
    where
        A::Response<serde_json::Value>: schemars::JsonSchema;
}

/// Declares the actions: payload = name on the wire, data of the response. In the response, `M` is the type of
/// arbitrary JSON.
macro_rules! actions {
    (@value $json:ident) => { serde_json::Value };
    ($($action:ident $(<$($a:lifetime)? $(,)? $($json:ident)?>)? = $name:literal, response: $response:ty;)*) => {
        $(impl $(<$($a,)? $($json)?>)? Action for $action $(<$($a,)? $($json)?>)? {
            const NAME: &'static str = $name;
            type Response<M> = $response;
        })*

        /// Names of all actions of this version.
        pub const NAMES: &[&str] = &[$($name),*];

        /// An action by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ActionName {
            $(#[doc = concat!("[`", stringify!($action), "`].")] $action,)*
        }

        impl ActionName {
            /// Every action, in the order of [`NAMES`].
            pub const ALL: [ActionName; NAMES.len()] = [$(ActionName::$action),*];

            /// Name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ActionName::$action => $name,)* }
            }

            /// The action with this name, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(ActionName::$action),)* _ => None }
            }
        }

        /// Shows `visitor` every action, in the order of [`NAMES`].
        #[cfg(feature = "schema")]
        pub(crate) fn visit_actions(visitor: &mut impl ActionVisitor) {
            $(visitor.visit::<$action $(<$(actions!(@value $json))?>)?>();)*
        }
    };
}

actions! {
    Echo<T> = "echo", response: EchoData<M>;
    Broadcast<T> = "broadcast", response: BroadcastData;
    GetConnections = "get_connections", response: ConnectionsData;
    Subscribe<'a> = "subscribe", response: SubscribeData<'static>;
    Unsubscribe<'a> = "unsubscribe", response: UnsubscribeData<'static>;
    Publish<'a, T> = "publish", response: PublishData<'static>;
    GetHistory<'a> = "get_history", response: HistoryData<'static, HistoryEntry<'static, M>>;
    GetPresence<'a> = "get_presence", response: PresenceData<'static, M>;
    Authenticate<'a> = "authenticate", response: AuthenticateData<'static>;
    AskClaude<'a> = "ask_claude", response: AskClaudeData<'static>;
    CancelClaude<'a> = "cancel_claude", response: CancelClaudeData<'static>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_name() {
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
        check(ActionName::AskClaude, "ask_claude");
        check(ActionName::CancelClaude, "cancel_claude");
        let names = ActionName::ALL.map(ActionName::as_str);
        assert_eq!(names, NAMES);
        assert_eq!(ActionName::from_name("Subscribe"), None);
    }
}
