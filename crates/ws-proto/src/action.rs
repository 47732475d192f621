//! What can be asked for: one type per action, for its payload, and one for the data of its response
//! (PROTOCOL section 4).
//!
//! Types with `message: any` are generic over how the JSON is held: `&RawValue` for a server that
//! passes it on, `serde_json::Value` or any `Serialize` type for a client.

use serde::{Deserialize, Serialize};

/// A payload that names its action and the data of its response.
pub trait Action {
    /// Name of the action on the wire.
    const NAME: &'static str;
    /// Data of the response; `M` is the type that holds JSON of any shape.
    type Response<M>;
}

/// `echo`: the server sends the value back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Echo<M> {
    /// Any JSON value.
    pub message: M,
}

/// Data of the response to [`Echo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EchoData<M> {
    /// The value that was sent, byte for byte.
    pub echo: M,
}

impl<S> Action for Echo<S> {
    const NAME: &'static str = "echo";
    type Response<M> = EchoData<M>;
}

/// `broadcast`: every connection, the sender's too, gets the value in a `broadcast` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Broadcast<M> {
    /// Any JSON value.
    pub message: M,
}

/// Data of the response to [`Broadcast`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastData {
    /// How many connections it is on its way to.
    pub recipients: u64,
}

impl<S> Action for Broadcast<S> {
    const NAME: &'static str = "broadcast";
    type Response<M> = BroadcastData;
}

/// `get_connections`: how many clients are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GetConnections {}

/// Data of the response to [`GetConnections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionsData {
    /// Connections of the whole cluster, the asking one too.
    pub count: u64,
}

impl Action for GetConnections {
    const NAME: &'static str = "get_connections";
    type Response<M> = ConnectionsData;
}

/// Names of all actions of this version.
pub const NAMES: &[&str] = &[Echo::<()>::NAME, Broadcast::<()>::NAME, GetConnections::NAME];

/// An action by name, for whoever has to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionName {
    /// [`Echo`].
    Echo,
    /// [`Broadcast`].
    Broadcast,
    /// [`GetConnections`].
    GetConnections,
}

impl ActionName {
    /// Every action, in the order of [`NAMES`].
    pub const ALL: [ActionName; NAMES.len()] = [ActionName::Echo, ActionName::Broadcast, ActionName::GetConnections];

    /// Name on the wire.
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The action of that name, where there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}
