//! A fake of the provider's Messages API, for tests of runs. It speaks HTTP/1.1 on a port of loopback.
//!
//! Each request gets the next [`Script`]: a status or a stream of events, with waits, [`Gate`]s and any cut of its bytes,
//! and any way to end. Before that it is judged as the API would: who sends what the API refuses gets its 400, 401 or 404
//! in place of the script, and [`Request::refused`] says why. Everything is recorded.
//!
//! ```ignore
//! let claude = FakeClaude::start().await;
//! let gate = Gate::new();
//! claude.answer(Script::error(529, "overloaded_error", "Overloaded"));
//! claude.answer(Script::new().begin().text("Hel").until(&gate).text("lo").stop("end_turn"));
//! // … the server gets `claude.url()` and `fake_claude::KEY`; somebody asks …
//! claude.until_requests(2).await;
//! gate.open();
//! assert_eq!(claude.requests()[1].body["messages"][0]["content"], "Hi");
//! ```
//!
//! The official SDKs read it, and are judged by it, in `tests/tests/it/claude_api/sdks.rs`.

mod event;
mod exchange;
mod gate;
mod judge;
mod request;
mod script;
mod shared;
mod split;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

pub use self::gate::Gate;
pub use self::judge::{KEY, Refusal};
pub use self::request::Request;
pub use self::script::{Script, TEXT};
pub use self::split::Split;

use self::shared::Shared;
use crate::wait::until;

/// A running fake. Dropping it closes its port and its connections.
pub struct FakeClaude {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl FakeClaude {
    /// One that answers [`TEXT`] until it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let addr = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(serve(listener, shared.clone())).abort_handle();
        FakeClaude { addr, shared, task }
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to give as `claude.base_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers one more request with this, after those that were given before.
    pub fn answer(&self, script: Script) {
        self.shared.lock().answers.push_back(script);
    }

    /// Answers all requests with this for which there is no [`answer`](Self::answer).
    pub fn otherwise(&self, script: Script) {
        self.shared.lock().otherwise = Some(script);
    }

    /// All requests so far, in the order in which they were read.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// When the client closed its connection before the answer had ended, by the number of the request. The others are
    /// `None`.
    pub fn closed(&self) -> Vec<Option<Instant>> {
        self.shared.lock().requests.iter().map(|request| request.closed).collect()
    }

    /// How many answers have ended as their scripts say.
    pub fn ended(&self) -> usize {
        self.shared.lock().requests.iter().filter(|request| request.is_ended).count()
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// How many connections are open.
    pub fn open(&self) -> u64 {
        self.shared.lock().open
    }

    /// Waits until so many requests have come; returns the last one of them.
    pub async fn until_requests(&self, count: usize) -> Request {
        until(&format!("{count} requests"), async || self.requests().get(count - 1).cloned()).await
    }

    /// Waits until the client has closed the connection of this request, the first being 0, before its answer had ended.
    pub async fn until_closed(&self, nth: usize) -> Instant {
        let closed = async || self.closed().get(nth).copied().flatten();
        until(&format!("request {nth} to be closed by the client"), closed).await
    }

    /// Waits until so many answers have ended as their scripts say.
    pub async fn until_ended(&self, count: usize) {
        until(&format!("{count} answers to end"), async || (self.ended() >= count).then_some(())).await;
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let connection = {
            let mut state = shared.lock();
            state.open += 1;
            state.accepted += 1;
            state.accepted
        };
        connections.spawn(exchange::serve(socket, connection, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

impl fmt::Debug for FakeClaude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClaude").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for FakeClaude {
    fn drop(&mut self) {
        self.task.abort();
    }
}
