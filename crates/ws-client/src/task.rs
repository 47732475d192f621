//! The owner task: the shell around the machine. It feeds the machine what happens and carries out what it says.
//!
//! One task owns the machine, the socket and everything that waits. What may block or panic (the token provider, the
//! store, dialing) runs in tasks of its own and comes back as an input; so nothing of a caller's can end this one.

mod happened;
mod outputs;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use ws_proto::{ErrorBody, ErrorCode};

use self::happened::Happened;
use crate::command::{ChannelStatus, Command, Delivered, Outgoing};
use crate::connector::Connect;
use crate::dial::{DialError, Incoming, Socket};
use crate::entry::Entry;
use crate::machine::{Ack, Input, Machine, Output, Problem, Status};
use crate::notification::Listener;
use crate::publish::PublishError;
use crate::store::Store;
use crate::token::TokenProvider;
use crate::waiting::Waiting;
use crate::whole_ms::whole_ms;

/// Inputs that are taken between two looks at the socket's writing side.
const COMMANDS_AT_ONCE: usize = 64;

/// Milliseconds since 1970.
pub(crate) type Wall = Box<dyn Fn() -> u64 + Send>;

/// What a task is made of.
pub(crate) struct Parts {
    pub(crate) machine: Machine,
    pub(crate) connector: Box<dyn Connect>,
    pub(crate) provider: Option<Arc<dyn TokenProvider>>,
    pub(crate) store: Option<Box<dyn Store>>,
    pub(crate) url: String,
    pub(crate) connect_within: Duration,
    pub(crate) token_within: Duration,
    pub(crate) store_within: Duration,
    pub(crate) wall: Wall,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) pending: watch::Sender<u64>,
}

/// The task.
pub(crate) struct Task {
    machine: Machine,
    connector: Box<dyn Connect>,
    provider: Option<Arc<dyn TokenProvider>>,
    store: Option<store::Worker>,
    connect_within: Duration,
    token_within: Duration,
    wall: Wall,
    waiting: Arc<Waiting>,
    status: watch::Sender<Status>,
    pending: watch::Sender<u64>,

    began: Instant,
    tick_at: Option<Instant>,
    happened: mpsc::UnboundedSender<Happened>,
    /// The socket of this attempt.
    socket: Option<(u64, Socket)>,
    dialing: Option<(u64, AbortHandle)>,
    asking: Option<AbortHandle>,
    readers: HashMap<u64, Reader>,
    channel_tokens: HashMap<String, Arc<dyn TokenProvider>>,
    /// Who waits for the end of a publication, by its id: each who published it.
    ends: HashMap<String, Vec<oneshot::Sender<Result<Ack, PublishError>>>>,
    answers: BTreeMap<u64, oneshot::Sender<Result<String, Problem>>>,
    logins: BTreeMap<u64, oneshot::Sender<Result<(), Problem>>>,
    next_login: u64,
    channels: HashMap<String, watch::Sender<ChannelStatus>>,
    lost: Vec<mpsc::Sender<(Entry, PublishError)>>,
    listeners: Vec<Listener>,
    closes: Vec<oneshot::Sender<u64>>,
    unsent: Option<u64>,
}

struct Reader {
    events: mpsc::UnboundedSender<Delivered>,
    channel: String,
}

impl Task {
    /// Runs until the client is closed, or nobody has it any more.
    pub(crate) async fn run(parts: Parts) {
        let (happened, mut happens) = mpsc::unbounded_channel();
        let mut commands = parts.commands;
        let store = parts.store.map(|store| store::Worker::spawn(store, parts.url, parts.store_within, &happened));
        let mut task = Task {
            machine: parts.machine,
            connector: parts.connector,
            provider: parts.provider,
            store,
            connect_within: parts.connect_within,
            token_within: parts.token_within,
            wall: parts.wall,
            waiting: parts.waiting,
            status: parts.status,
            pending: parts.pending,
            began: Instant::now(),
            tick_at: None,
            happened,
            socket: None,
            dialing: None,
            asking: None,
            readers: HashMap::new(),
            channel_tokens: HashMap::new(),
            ends: HashMap::new(),
            answers: BTreeMap::new(),
            logins: BTreeMap::new(),
            next_login: 0,
            channels: HashMap::new(),
            lost: Vec::new(),
            listeners: Vec::new(),
            closes: Vec::new(),
            unsent: None,
        };
        while task.unsent.is_none() {
            task.turn(&mut commands, &mut happens).await;
        }
        task.end(commands).await;
    }

    /// One of the things that can happen.
    async fn turn(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        happens: &mut mpsc::UnboundedReceiver<Happened>,
    ) {
        let tick_at = self.tick_at;
        let tick = async {
            match tick_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let socket = async {
            match &mut self.socket {
                Some((attempt, socket)) => drive(*attempt, socket).await,
                None => std::future::pending().await,
            }
        };
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            happened = happens.recv() => self.happened(happened),
            input = socket => self.arrived(input),
            count = commands.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                if count == 0 {
                    self.step(Input::Close { flush: 0 });
                }
                batch.into_iter().for_each(|command| self.command(command));
            }
            () = tick => self.step(Input::Tick {}),
        }
    }

    fn happened(&mut self, happened: Option<Happened>) {
        match happened {
            Some(Happened::Input(input)) => self.step(input),
            Some(Happened::Dialed { attempt, result }) => self.dialed(attempt, result),
            // We hold a sender ourselves.
            None => {}
        }
    }

    fn dialed(&mut self, attempt: u64, result: Result<Socket, DialError>) {
        if self.dialing.as_ref().is_none_or(|(dialing, _)| *dialing != attempt) {
            return;
        }
        self.dialing = None;
        match result {
            Ok(socket) => {
                self.socket = Some((attempt, socket));
                self.step(Input::Opened { attempt });
            }
            Err(error) => {
                let retry_after = error.retry_after().map(whole_ms);
                let (status, message) = (error.status(), Some(error.to_string()));
                self.step(Input::Ended { attempt, code: None, status, retry_after, message });
            }
        }
    }

    /// Something came from the socket, or it ended.
    fn arrived(&mut self, input: Input) {
        if matches!(input, Input::Ended { .. }) {
            self.socket = None;
        }
        self.step(input);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Publish { outgoing, end } => self.publish(outgoing, end),
            Command::Subscribe { reader, channel, start, token, events } => {
                self.readers.insert(reader, Reader { events, channel: channel.clone() });
                let has_token = token.is_some();
                if let Some(token) = token {
                    self.channel_tokens.insert(channel.clone(), token);
                }
                let (since, rewind, stored) = (start.since, start.rewind, start.stored);
                self.step(Input::Subscribe { reader, channel, since, rewind, stored, token: has_token });
            }
            Command::Unsubscribe { reader } => {
                if let Some(gone) = self.readers.remove(&reader)
                    && !self.readers.values().any(|other| other.channel == gone.channel)
                {
                    self.channel_tokens.remove(&gone.channel);
                }
                self.step(Input::Unsubscribe { reader });
            }
            Command::Taken { reader } => self.step(Input::Taken { reader }),
            Command::Request { request, action, payload, answer } => {
                self.answers.insert(request, answer);
                self.step(Input::Request { request, action, payload });
            }
            Command::Forget { request } => {
                if self.answers.remove(&request).is_some() {
                    self.step(Input::Forget { request });
                }
            }
            Command::Login { end } => {
                self.next_login += 1;
                let login = self.next_login;
                self.logins.insert(login, end);
                self.step(Input::Login { login });
            }
            Command::Wake => self.step(Input::Wake {}),
            // If nobody waits for the answer any more, that is its own affair.
            Command::Watch { channel, answer } => drop(answer.send(self.channel(&channel).subscribe())),
            Command::Lost { entries } => self.lost.push(entries),
            Command::Notifications { listener } => self.listeners.push(listener),
            Command::Close { flush, end } => {
                self.closes.push(end);
                self.step(Input::Close { flush });
            }
        }
    }

    fn publish(&mut self, outgoing: Outgoing, end: oneshot::Sender<Result<Ack, PublishError>>) {
        self.waiting.remove(outgoing.bytes());
        let Outgoing { msg_id, channel, data, tags, max_age } = outgoing;
        let is_under_way = match self.machine.queued(&msg_id) {
            Some(queued) if queued.channel != channel || queued.data != data => {
                let error = ErrorBody::new(ErrorCode::Conflict, "another publication with this id is under way");
                drop(end.send(Err(PublishError::Rejected(Problem::from(&error)))));
                return;
            }
            queued => queued.is_some(),
        };
        self.ends.entry(msg_id.clone()).or_default().push(end);
        if is_under_way {
            return;
        }
        self.step(Input::Publish { msg_id, channel, data, tags, max_age });
    }

    fn channel(&mut self, name: &str) -> &watch::Sender<ChannelStatus> {
        let off = || watch::Sender::new(ChannelStatus { state: crate::machine::ChannelState::Off, error: None });
        // Watches that nobody looks at any more are forgotten.
        if !self.channels.contains_key(name) {
            self.channels.retain(|_, watch| {
                watch.receiver_count() > 0 || watch.borrow().state != crate::machine::ChannelState::Off
            });
        }
        self.channels.entry(name.to_owned()).or_insert_with(off)
    }

    /// Feeds the machine and carries out what it says.
    fn step(&mut self, input: Input) {
        if self.unsent.is_some() {
            return;
        }
        let at = whole_ms(self.began.elapsed());
        let step = self.machine.step(at, (self.wall)(), input);
        // From the same moment: an output that takes its time does not move it.
        self.tick_at = step.timer.map(|ms| self.began + Duration::from_millis(at + ms));
        // The status first: whoever is answered by this step sees the status that goes with the answer.
        let (status, rest): (Vec<_>, Vec<_>) = step.out.into_iter().partition(|out| matches!(out, Output::Status(_)));
        status.into_iter().chain(rest).for_each(|output| self.carry_out(output));
    }

    /// The machine is closed: what is still asked for is answered so.
    async fn end(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let unsent = self.unsent.unwrap_or_default();
        self.readers.clear();
        self.listeners.clear();
        if let Some((_, socket)) = self.socket.take() {
            socket.close(1_000, "").await;
        }
        if let Some(store) = self.store.take() {
            store.finish().await;
        }
        // Who does not wait any more need not know.
        self.closes.drain(..).for_each(|close| _ = close.send(unsent));
        while let Some(command) = commands.recv().await {
            match command {
                Command::Publish { outgoing, end } => {
                    self.waiting.remove(outgoing.bytes());
                    drop(end.send(Err(PublishError::Closed)));
                }
                Command::Close { end, .. } => _ = end.send(unsent),
                Command::Watch { channel, answer } => drop(answer.send(self.channel(&channel).subscribe())),
                // Dropping the rest tells whoever waits.
                _ => {}
            }
        }
    }
}

/// Writes what is queued and waits for the next thing that comes.
async fn drive(attempt: u64, socket: &mut Socket) -> Input {
    let Socket { reader, writer } = socket;
    let next = async {
        match reader.next().await {
            Incoming::Text(text) => Input::Frame { attempt, text: text.to_string() },
            Incoming::Alive => Input::Alive { attempt },
            Incoming::Closed { code, reason } => {
                let message = Some(reason).filter(|reason| !reason.is_empty());
                Input::Ended { attempt, code: Some(code), status: None, retry_after: None, message }
            }
            Incoming::Lost { reason } => {
                Input::Ended { attempt, code: None, status: None, retry_after: None, message: Some(reason) }
            }
        }
    };
    let write = async {
        if writer.has_work() {
            // Why it takes no more, the reader will say.
            drop(writer.drive().await);
        }
        std::future::pending::<Input>().await
    };
    tokio::select! {
        input = next => input,
        input = write => input,
    }
}
