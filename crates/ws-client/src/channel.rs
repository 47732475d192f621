//! The handle of a channel.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use ws_proto::action::{GetPresence, PresenceData};
use ws_proto::limits::HISTORY_LIMIT_MAX;

use crate::client::Client;
use crate::command::{ChannelStatus, Command, Start};
use crate::machine::{ChannelState, Kind, Problem};
use crate::position::Position;
use crate::publish::{Publish, PublishError, Publishing};
use crate::subscription::Subscription;
use crate::token::TokenProvider;

/// A channel whose publications are `T`. Cheap to clone.
///
/// ```no_run
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Message {
///     text: String,
/// }
///
/// # async fn run(client: ws_client::Client) {
/// let chat = client.channel::<Message>("chat:lobby");
/// # }
/// ```
pub struct Channel<T> {
    client: Client,
    name: Arc<str>,
    payload: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Channel { client: self.client.clone(), name: self.name.clone(), payload: PhantomData }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Client {
    /// A channel whose publications are `T`.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// let prices = client.channel::<f64>("prices:btc");
    /// let anything = client.channel::<serde_json::Value>("news");
    /// # }
    /// ```
    pub fn channel<T: Serialize + DeserializeOwned>(&self, name: impl Into<String>) -> Channel<T> {
        Channel::new(self.clone(), name.into())
    }
}

/// Who is in a channel.
pub type Present = PresenceData<'static, Value>;

impl<T> Channel<T> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

impl<T: Serialize + DeserializeOwned> Channel<T> {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Channel { client, name: name.into(), payload: PhantomData }
    }

    /// Begins a subscription: say where it starts, then [`Subscribe::start`].
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) {
    /// use futures_util::StreamExt;
    ///
    /// let mut events = chat.subscribe().rewind(50).start();
    /// while let Some(event) = events.next().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub fn subscribe(&self) -> Subscribe<T> {
        Subscribe { channel: self.clone(), start: Start::default(), token: None }
    }

    /// Publishes once, now or when the connection is back. It is queued on call: the future only says how it ends.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::PublishError> {
    /// let ack = chat.publish(&"Hello".to_owned()).await?;
    /// println!("{:?}", ack.position);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&self, data: &T) -> Publish {
        self.publish_with(data, Publishing::default())
    }

    /// Publishes with an id of your own, tags, or another age.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::PublishError> {
    /// use ws_client::Publishing;
    ///
    /// let order = Publishing { id: Some("order-4711".to_owned()), ..Publishing::default() };
    /// chat.publish_with(&"paid".to_owned(), order).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_with(&self, data: &T, options: Publishing) -> Publish {
        match serde_json::to_string(data) {
            Ok(data) => self.client.publish(&self.name, data, options),
            Err(error) => Publish::failed(PublishError::Encoding(error.to_string())),
        }
    }

    /// How the channel is, and whenever that changes.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) {
    /// println!("{:?}", chat.status().await.borrow().state);
    /// # }
    /// ```
    pub async fn status(&self) -> watch::Receiver<ChannelStatus> {
        let (answer, answered) = oneshot::channel();
        self.client.send(Command::Watch { channel: self.name.to_string(), answer });
        answered.await.unwrap_or_else(|_| {
            let off = ChannelStatus { state: ChannelState::Off, error: Some(Problem::new(Kind::Closed)) };
            watch::Sender::new(off).subscribe()
        })
    }

    /// Who is in the channel: counts, and every connection, over as many pages as that takes. Who comes or goes meanwhile
    /// may or may not be among them.
    ///
    /// # Errors
    /// As [`Client::request`].
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
    /// println!("{} users", chat.presence().await?.users);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn presence(&self) -> Result<Present, Problem> {
        self.presence_up_to(usize::MAX).await
    }

    /// The same with at most so many connections; the counts are those of the whole channel.
    ///
    /// # Errors
    /// As [`Client::request`].
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
    /// let some = chat.presence_up_to(10).await?;
    /// println!("{} of {}", some.clients.len(), some.connections);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn presence_up_to(&self, clients_max: usize) -> Result<Present, Problem> {
        let mut present: Option<Present> = None;
        loop {
            let before = present.as_ref().map_or(0, |present| present.clients.len());
            let limit = u32::try_from(clients_max - before).unwrap_or(u32::MAX).clamp(1, HISTORY_LIMIT_MAX);
            let after = present.as_ref().and_then(|present| present.next.clone());
            let request = GetPresence { channel: (&*self.name).into(), limit: Some(limit), after };
            let mut page = self.client.request(&request).await?;
            if let Some(before) = present {
                page.clients.splice(0..0, before.clients);
            }
            page.clients.truncate(clients_max);
            if page.next.is_none() || page.clients.len() == clients_max {
                page.next = None;
                return Ok(page);
            }
            present = Some(page);
        }
    }
}

/// Where a subscription begins.
#[must_use = "it begins with `start`"]
pub struct Subscribe<T> {
    channel: Channel<T>,
    start: Start,
    token: Option<Arc<dyn TokenProvider>>,
}

impl<T> fmt::Debug for Subscribe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe").field("channel", &self.channel).field("start", &self.start).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Subscribe<T> {
    /// After this position: what was published since comes first.
    pub fn since(mut self, position: Position) -> Self {
        self.start = Start { since: Some(position), ..Start::default() };
        self
    }

    /// After what was taken in an earlier run, as the store of the outbox has it; from now on, if it has nothing.
    pub fn since_stored(mut self) -> Self {
        self.start = Start { stored: true, ..Start::default() };
        self
    }

    /// The last `n` publications come first.
    pub fn rewind(mut self, n: u32) -> Self {
        self.start = Start { rewind: Some(n), ..Start::default() };
        self
    }

    /// Where subscription tokens for this channel come from.
    pub fn token(mut self, provider: impl TokenProvider) -> Self {
        self.token = Some(Arc::new(provider));
        self
    }

    /// Begins.
    pub fn start(self) -> Subscription<T> {
        let (events, receiver) = mpsc::unbounded_channel();
        let Channel { client, name, .. } = self.channel;
        let reader = client.next_id();
        client.send(Command::Subscribe {
            reader,
            channel: name.to_string(),
            start: self.start,
            token: self.token,
            events,
        });
        Subscription::new(client, reader, receiver)
    }
}
