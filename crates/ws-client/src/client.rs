//! The handle of a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::Stream;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::command::{Command, Outgoing};
use crate::entry::Entry;
use crate::machine::{Kind, Problem, Status};
use crate::notification::{Notifications, listen};
use crate::publish::{Publish, PublishError, Publishing};
use crate::waiting::Waiting;
use crate::whole_ms::whole_ms;

/// What [`Client::lost`] keeps for a reader that does not read.
const LOST_MAX: usize = 1_024;

/// A client of ws-server. Cheap to clone: all clones, channels and subscriptions share one connection, which one task
/// owns. When the last of them is dropped, the client closes as by `close(Duration::ZERO)`.
///
/// ```no_run
/// use futures_util::StreamExt;
/// use ws_client::{Client, Event};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("wss://example.com/ws").start()?;
/// let chat = client.channel::<String>("chat:lobby");
/// let mut events = chat.subscribe().rewind(20).start();
/// chat.publish(&"Hello".to_owned()).await?;
/// while let Some(event) = events.next().await {
///     if let Event::Publication(publication) = event {
///         println!("{}", publication.data);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) pending: watch::Receiver<u64>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) damage: Option<String>,
    /// Of readers and requests.
    pub(crate) next_id: AtomicU64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (status, pending) = (self.shared.status.borrow(), self.shared.pending.borrow());
        f.debug_struct("Client").field("status", &*status).field("pending", &*pending).finish_non_exhaustive()
    }
}

/// Publications that were not acknowledged when the client closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{count} publications were not acknowledged when the client closed")]
pub struct Unsent {
    /// How many.
    pub count: u64,
}

impl Client {
    pub(crate) fn new(shared: Shared) -> Self {
        Client { shared: Arc::new(shared) }
    }

    /// What was wrong with the file of the outbox when it was opened: how many lines were passed over, and where the
    /// damaged file was kept. `None`: nothing.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// if let Some(damage) = client.outbox_damage() {
    ///     eprintln!("{damage}");
    /// }
    /// # }
    /// ```
    pub fn outbox_damage(&self) -> Option<&str> {
        self.shared.damage.as_deref()
    }

    /// How the connection is, and whenever that changes.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// let mut status = client.status();
    /// while status.changed().await.is_ok() {
    ///     println!("{:?}", status.borrow().state);
    /// }
    /// # }
    /// ```
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// How many publications of the current user have no end yet, and whenever that changes.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// println!("{} not acknowledged", *client.pending().borrow());
    /// # }
    /// ```
    pub fn pending(&self) -> watch::Receiver<u64> {
        self.shared.pending.clone()
    }

    /// Asks the token provider now: somebody has logged in or out. Returns when the client is connected as that user.
    ///
    /// # Errors
    /// What the provider said; the client stays as it was.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) -> Result<(), ws_client::Problem> {
    /// client.login().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn login(&self) -> Result<(), Problem> {
        let (end, ended) = oneshot::channel();
        self.send(Command::Login { end });
        ended.await.unwrap_or_else(|_| Err(Problem::new(Kind::Closed)))
    }

    /// The program knows that the network is back, or that the machine has woken up: a wait ends, a connection is probed.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// client.wake();
    /// # }
    /// ```
    pub fn wake(&self) {
        self.send(Command::Wake);
    }

    /// Publications that end badly, above all those of an earlier run: what the futures of this run say as well. Not what
    /// a store keeps for the next client. What came before this call is not told, and 1,024 wait for a reader at most.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// use futures_util::StreamExt;
    ///
    /// let mut lost = client.lost();
    /// while let Some((entry, error)) = lost.next().await {
    ///     eprintln!("{} in {}: {error}", entry.msg_id, entry.channel);
    /// }
    /// # }
    /// ```
    pub fn lost(&self) -> impl Stream<Item = (Entry, PublishError)> + Send + Unpin + use<> {
        let (entries, receiver) = mpsc::channel(LOST_MAX);
        self.send(Command::Lost { entries });
        Box::pin(futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|lost| (lost, receiver))
        }))
    }

    /// What the server tells every connection, and what this client does not know: broadcasts first of all. Not what belongs
    /// to a channel. What came before this call is not told. It does not connect: that is done by the first
    /// [`wake`](Client::wake), subscription, publication or request.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// use futures_util::StreamExt;
    /// use ws_client::Notification;
    ///
    /// let mut notifications = client.notifications();
    /// client.wake();
    /// while let Some(notification) = notifications.next().await {
    ///     if let Notification::Broadcast { message, .. } = notification {
    ///         println!("{message}");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn notifications(&self) -> Notifications {
        let (listener, notifications) = listen();
        self.send(Command::Notifications { listener });
        notifications
    }

    /// Closes the client: waits up to `flush` for what was published, then says goodbye; with zero only for a store that
    /// is to take it. Everything ends with it: streams, futures, clones of this handle.
    ///
    /// # Errors
    /// How many publications were not acknowledged. Their futures say which were never sent (`Closed`) and of which
    /// nobody can tell (`Unknown`); an outbox with a store keeps both for the next client.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) {
    /// use std::time::Duration;
    ///
    /// if let Err(unsent) = client.close(Duration::from_secs(5)).await {
    ///     eprintln!("{unsent}");
    /// }
    /// # }
    /// ```
    pub async fn close(&self, flush: Duration) -> Result<(), Unsent> {
        let (end, ended) = oneshot::channel();
        self.send(Command::Close { flush: whole_ms(flush), end });
        match ended.await.unwrap_or_default() {
            0 => Ok(()),
            count => Err(Unsent { count }),
        }
    }

    /// A client that has ended drops the command, and with it whoever waits for its answer learns so.
    pub(crate) fn send(&self, command: Command) {
        drop(self.shared.commands.send(command));
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// What the machine would refuse when it comes to it is refused here while the task is busy, so that nothing grows.
    pub(crate) fn publish(&self, channel: &str, data: String, options: Publishing) -> Publish {
        let msg_id = options.id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let max_age = options.max_age.map(whole_ms);
        let outgoing = Outgoing { msg_id, channel: channel.to_owned(), data, tags: options.tags, max_age };
        let (waiting, bytes) = (&self.shared.waiting, outgoing.bytes());
        let is_full = waiting.entries.load(Ordering::Relaxed) >= self.shared.entries
            || waiting.bytes.load(Ordering::Relaxed) + bytes > self.shared.bytes;
        if is_full {
            return Publish::failed(PublishError::Full);
        }
        waiting.add(bytes);
        let (end, ended) = oneshot::channel();
        self.send(Command::Publish { outgoing, end });
        Publish::waiting(ended)
    }
}
