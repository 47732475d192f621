//! The stream of a subscription.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::command::{Command, Delivered};
use crate::event::Event;
use crate::position::Position;

/// What happens in a channel, in order. It goes on over lost connections, and ends when the client is closed. Dropping it
/// ends the subscription.
///
/// An event counts as taken when the next one is asked for; positions that a store keeps follow that. A stream that nobody
/// polls holds at most 1,024 events or 4 MiB: then the client stops reading the channel for it, and goes on from there when
/// half of that has been taken. So nothing is lost that the server still has, and what is not is told as a
/// [`Gap`](crate::Gap).
///
/// ```no_run
/// # async fn run(chat: ws_client::Channel<String>) {
/// use futures_util::StreamExt;
/// use ws_client::Event;
///
/// let mut events = chat.subscribe().start();
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Publication(publication) => println!("{}", publication.data),
///         Event::Gap(gap) => println!("missed: {gap:?}"),
///         Event::Refused(error) => return eprintln!("{error}"),
///         _ => {}
///     }
/// }
/// # }
/// ```
pub struct Subscription<T> {
    client: Client,
    reader: u64,
    events: mpsc::UnboundedReceiver<Delivered>,
    position: Option<Position>,
    /// An event was yielded and does not count as taken yet.
    is_held: bool,
    payload: PhantomData<fn() -> T>,
}

impl<T> Subscription<T> {
    pub(crate) fn new(client: Client, reader: u64, events: mpsc::UnboundedReceiver<Delivered>) -> Self {
        Subscription { client, reader, events, position: None, is_held: false, payload: PhantomData }
    }

    /// Just after the last event that this yielded, if the channel has a history. Give it to
    /// [`Subscribe::since`](crate::Subscribe::since) to go on from there.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }
}

impl<T: DeserializeOwned> Stream for Subscription<T> {
    type Item = Event<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event<T>>> {
        if std::mem::take(&mut self.is_held) {
            let reader = self.reader;
            self.client.send(Command::Taken { reader });
        }
        let Some(Delivered { event, position }) = ready!(self.events.poll_recv(cx)) else { return Poll::Ready(None) };
        self.is_held = true;
        if position.is_some() {
            self.position.clone_from(&position);
        }
        Poll::Ready(Some(Event::from_machine(event, position)))
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        let reader = self.reader;
        self.client.send(Command::Unsubscribe { reader });
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("position", &self.position).finish_non_exhaustive()
    }
}
