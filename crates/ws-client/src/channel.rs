//! The handle of a channel.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use ws_proto::action::{Action, GetHistory, GetPresence, HistoryData, PresenceData};
use ws_proto::publication::HistoryEntry;

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

/// A publication in the history of a channel.
pub type Recorded = HistoryEntry<'static, Value>;

/// Who is in a channel.
pub type Present = PresenceData<'static, Value>;

impl<T: Serialize + DeserializeOwned> Channel<T> {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Channel { client, name: name.into(), payload: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
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

    /// A page of the history: after `since`, or from the oldest, at most `limit` (1 to 1,000) publications, and whether
    /// there are more.
    ///
    /// # Errors
    /// What the server said; `lost` if the connection was lost before it answered. Requests are never repeated.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
    /// let (page, more) = chat.history(None, 100).await?;
    /// println!("{} publications, more: {more}", page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history(&self, since: Option<&Position>, limit: u32) -> Result<(Vec<Recorded>, bool), Problem> {
        let since = since.map(|since| ws_proto::Position { epoch: (&*since.epoch).into(), offset: since.offset });
        let payload = GetHistory { channel: (&*self.name).into(), limit: Some(limit), since, ..GetHistory::default() };
        let page: HistoryData<'static, Recorded> = self.ask(&payload).await?;
        Ok((page.publications, page.more))
    }

    /// Who is in the channel: counts, and the first 1,000 connections.
    ///
    /// # Errors
    /// As [`history`](Channel::history).
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
    /// println!("{} users", chat.presence().await?.users);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn presence(&self) -> Result<Present, Problem> {
        let payload = GetPresence { channel: (&*self.name).into(), limit: Some(1_000), after: None };
        self.ask(&payload).await
    }

    async fn ask<A: Action + Serialize, R: DeserializeOwned>(&self, payload: &A) -> Result<R, Problem> {
        let unreadable = |error: serde_json::Error| Problem::with_message(Kind::Lost, Some(error.to_string()));
        let payload = serde_json::to_string(payload).map_err(unreadable)?;
        let data = self.client.request(A::NAME, payload).await?;
        serde_json::from_str(&data).map_err(unreadable)
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
        let reader = client.next_reader();
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
