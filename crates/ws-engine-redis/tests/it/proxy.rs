//! A way to Redis that breaks where a test has it break: after a command was sent, or before its answer comes.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use ws_engine_redis::{Address, Location, RedisOptions};

use crate::fixture::{Redis, until};

/// See the module. It ends with its handle.
#[derive(Debug)]
pub(crate) struct Proxy {
    dir: TempDir,
    breaks: Arc<Breaks>,
    /// Where it leads.
    to: Arc<Mutex<PathBuf>>,
}

/// Each happens once, where these bytes are first seen.
#[derive(Debug, Default)]
struct Breaks {
    answer_to_lose: Mutex<Option<Vec<u8>>>,
    request_to_hold: Mutex<Option<Vec<u8>>>,
    held: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl Proxy {
    pub(crate) fn start(redis: &Redis) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("socket")).expect("a socket");
        let proxy = Proxy { dir, breaks: Arc::default(), to: Arc::new(Mutex::new(redis.path())) };
        tokio::spawn(accept(listener, proxy.to.clone(), Arc::downgrade(&proxy.breaks)));
        proxy
    }

    /// From now on it leads to this one. Connections stay where they are.
    pub(crate) fn lead_to(&self, redis: &Redis) {
        *self.to.lock() = redis.path();
    }

    /// Options with which a server takes this way.
    pub(crate) fn options(&self, options: RedisOptions) -> RedisOptions {
        let address = Address::Unix(self.dir.path().join("socket"));
        RedisOptions { locations: vec![Location::Server(address)], ..options }
    }

    /// The next answer with these bytes is lost, and its connection breaks.
    pub(crate) fn lose_answer(&self, bytes: &[u8]) {
        *self.breaks.answer_to_lose.lock() = Some(bytes.to_vec());
    }

    /// Whether there was such an answer.
    pub(crate) async fn has_lost_answer(&self) {
        until("the answer", async || self.breaks.answer_to_lose.lock().is_none().then_some(())).await;
    }

    /// The next request with these bytes, and what follows it on its connection, is on its way until it is released, also
    /// if whoever has sent it has gone.
    pub(crate) fn hold_request(&self, bytes: &[u8]) {
        *self.breaks.request_to_hold.lock() = Some(bytes.to_vec());
    }

    /// Waits until there is such a request.
    pub(crate) async fn holds_request(&self) {
        until("the request", async || self.breaks.held.lock().is_some().then_some(())).await;
    }

    /// It arrives, and is executed.
    pub(crate) async fn release(&self) {
        let held = self.breaks.held.lock().take().expect("a request");
        let (done, is_done) = oneshot::channel();
        held.send(done).expect("it is held");
        is_done.await.expect("it is executed");
    }
}

async fn accept(listener: UnixListener, to: Arc<Mutex<PathBuf>>, breaks: std::sync::Weak<Breaks>) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(breaks) = breaks.upgrade() else { return };
        let to = to.lock().clone();
        let Ok(redis) = UnixStream::connect(to).await else { continue };
        tokio::spawn(pass(client, redis, breaks));
    }
}

/// Passes on what is said on one connection.
async fn pass(client: UnixStream, redis: UnixStream, breaks: Arc<Breaks>) {
    let ((mut requests, mut to_client), (mut answers, mut to_redis)) = (client.into_split(), redis.into_split());
    let held = tokio::select! {
        held = pass_requests(&mut requests, &mut to_redis, &breaks) => held,
        () = pass_answers(&mut answers, &mut to_client, &breaks) => return,
    };
    let Some(mut held) = held else { return };
    let (release, released) = oneshot::channel();
    *breaks.held.lock() = Some(release);
    let mut has_gone = false;
    let mut released = std::pin::pin!(released);
    let done = loop {
        let mut buffer = vec![0; 1 << 16];
        tokio::select! {
            done = &mut released => break done,
            read = requests.read(&mut buffer), if !has_gone => match read {
                Ok(read) if read > 0 => held.extend(&buffer[..read]),
                _ => has_gone = true,
            },
        }
    };
    let Ok(done) = done else { return };
    drop(to_client);
    to_redis.write_all(&held).await.expect("Redis takes it");
    to_redis.shutdown().await.expect("Redis takes it");
    // It closes the connection when it has executed everything.
    while let Ok(1..) = answers.read(&mut vec![0; 1 << 16]).await {}
    done.send(()).expect("somebody waits");
}

/// Until a request is to be held: it.
async fn pass_requests(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, breaks: &Breaks) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        if is_seen(&breaks.request_to_hold, &buffer[..read]) {
            return Some(buffer[..read].to_vec());
        }
        to.write_all(&buffer[..read]).await.ok()?;
    }
}

/// Until an answer is to be lost.
async fn pass_answers(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, breaks: &Breaks) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if is_seen(&breaks.answer_to_lose, &buffer[..read]) || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Whether these are the bytes that are waited for, which then are not any more.
fn is_seen(awaited: &Mutex<Option<Vec<u8>>>, bytes: &[u8]) -> bool {
    let mut awaited = awaited.lock();
    let is_seen = awaited.as_ref().is_some_and(|some| bytes.windows(some.len()).any(|window| window == some));
    if is_seen {
        *awaited = None;
    }
    is_seen
}
