//! The attackers: they open sockets and send nothing, send a handshake byte by byte, flood the server with invalid
//! messages, or take all sockets from one address. Each starts again when the server has disconnected it, until its turn
//! is over.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::frame;
use crate::lanes::Shared;
use crate::socket::{ConnectError, Ended, Socket, tcp};
use crate::target::Server;

/// Time between two bytes of a slow handshake.
const DRIP_EVERY: Duration = Duration::from_millis(500);
/// Wait after a failed connection.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Frames that a flooder sends at once: twice the error budget of a server with default settings.
const FLOOD_FRAMES: usize = 40;
/// A socket of the one host that is open for this long has been accepted.
const KEPT_AFTER: Duration = Duration::from_millis(500);
/// A request of that host.
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
/// How long a flooder waits to be disconnected.
const FLOOD_TIME_MAX: Duration = Duration::from_secs(15);

/// The attack of one turn, and its results.
#[derive(Debug)]
pub(super) struct Attack {
    pub(super) server: Server,
    /// The same from the one host's address.
    pub(super) from_host: Server,
    /// How long a flooder waits before it reconnects.
    pub(super) pause: Duration,
    /// How long the one host waits before it opens a socket again.
    pub(super) host_pause: Duration,
    /// Closed at the end of the turn.
    pub(super) over: Semaphore,
    pub(super) half_open: AtomicU64,
    pub(super) drips: AtomicU64,
    pub(super) floods: AtomicU64,
    pub(super) frames: AtomicU64,
    /// Handshakes of flooders that the server refused.
    pub(super) refused: AtomicU64,
    /// Floods that the server ended with a close code.
    pub(super) closed: AtomicU64,
    /// Sockets of the one host, in all and at once, and the most that there were at once.
    pub(super) host_sockets: AtomicU64,
    pub(super) host_open: AtomicU64,
    pub(super) host_open_max: AtomicU64,
}

/// What an attacker does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    HalfOpen,
    SlowDrip,
    Malformed,
    OneHost,
}

impl Attack {
    pub(super) fn new(server: Server, from_host: Server, pause: Duration, host_pause: Duration) -> Attack {
        let zero = || AtomicU64::new(0);
        Attack {
            server,
            from_host,
            pause,
            host_pause,
            over: Semaphore::new(0),
            half_open: zero(),
            drips: zero(),
            floods: zero(),
            frames: zero(),
            refused: zero(),
            closed: zero(),
            host_sockets: zero(),
            host_open: zero(),
            host_open_max: zero(),
        }
    }

    /// Attacks until the turn is over. `index` tells the attackers apart.
    pub(super) async fn run(self: Arc<Self>, kind: Kind, index: usize, shared: Shared<()>) {
        let again = async {
            let pause = if matches!(kind, Kind::OneHost) { self.host_pause } else { self.pause };
            let mut rests = (0..).map(|nth| rest(pause, index as u64, nth));
            // Not all in one moment, or what is measured is the length of that queue.
            sleep(rests.next().unwrap_or_default()).await;
            loop {
                let done = match kind {
                    Kind::HalfOpen => self.half_open(index).await,
                    Kind::SlowDrip => self.slow_drip(index).await,
                    Kind::Malformed => {
                        self.flood(index, &shared).await;
                        Ok(())
                    }
                    Kind::OneHost => self.one_host(index).await,
                };
                if done.is_err() {
                    sleep(RETRY_AFTER).await;
                }
                sleep(rests.next().unwrap_or_default()).await;
            }
        };
        tokio::select! {
            () = again => {}
            _ = self.over.acquire() => {}
        }
    }

    async fn connect(&self, index: usize) -> io::Result<TcpStream> {
        tcp(&self.server, self.server.source(index)).await
    }

    /// Holds a socket from the one host's address until the server disconnects it.
    async fn one_host(&self, index: usize) -> io::Result<()> {
        let mut stream = tcp(&self.from_host, self.from_host.source(0)).await?;
        self.host_sockets.fetch_add(1, Relaxed);
        let sent = match index % 3 {
            0 => Ok(()),
            1 => stream.write_all(&self.server.request[..self.server.request.len() / 2]).await,
            _ => stream.write_all(HEALTH).await,
        };
        // A refused one learns that as it reads.
        let mut rest = [0; 1024];
        let is_kept = match timeout(KEPT_AFTER, stream.read(&mut rest)).await {
            Ok(read) => sent.is_ok() && read.is_ok_and(|bytes| bytes > 0),
            Err(_) => true,
        };
        if is_kept {
            self.host_open_max.fetch_max(self.host_open.fetch_add(1, Relaxed) + 1, Relaxed);
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
            self.host_open.fetch_sub(1, Relaxed);
        }
        Ok(())
    }

    /// Sends nothing until the server disconnects it.
    async fn half_open(&self, index: usize) -> io::Result<()> {
        let mut stream = self.connect(index).await?;
        self.half_open.fetch_add(1, Relaxed);
        let mut rest = [0; 64];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }

    /// Sends a handshake one byte at a time until the server disconnects it.
    async fn slow_drip(&self, index: usize) -> io::Result<()> {
        let mut stream = self.connect(index).await?;
        self.drips.fetch_add(1, Relaxed);
        let mut rest = [0; 64];
        for byte in &self.server.request {
            stream.write_all(&[*byte]).await?;
            match timeout(DRIP_EVERY, stream.read(&mut rest)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => drop(read?),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Sends many invalid messages, and reads until the server disconnects it.
    async fn flood(&self, index: usize, shared: &Shared<()>) {
        let mut socket = match Socket::connect(&self.server, index).await {
            Ok(socket) => socket,
            Err(ConnectError::Status(_)) => {
                self.refused.fetch_add(1, Relaxed);
                return;
            }
            Err(_) => return sleep(RETRY_AFTER).await,
        };
        self.floods.fetch_add(1, Relaxed);
        let mut flood = Vec::new();
        (0..FLOOD_FRAMES).for_each(|number| nonsense(index + number, &mut flood));
        self.frames.fetch_add(FLOOD_FRAMES as u64, Relaxed);
        if socket.send(&flood).is_err() {
            return;
        }
        let to_the_end = poll_fn(|cx| {
            loop {
                let shared = &mut *shared.lock();
                let bytes = match ready!(socket.poll_read(cx, &mut shared.buffer)) {
                    Ok(bytes) => bytes,
                    Err(ended) => return Poll::Ready(ended),
                };
                if let Err(ended) = socket.texts(&shared.buffer[..bytes], |_| {}) {
                    return Poll::Ready(ended);
                }
            }
        });
        if let Ok(Ended::Closed { code: Some(_), .. }) = timeout(FLOOD_TIME_MAX, to_the_end).await {
            self.closed.fetch_add(1, Relaxed);
        }
    }
}

/// `pause` plus or minus half of it, so that attackers do not synchronize.
fn rest(pause: Duration, index: u64, nth: u64) -> Duration {
    let mixed = (index << 32 | nth).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    pause.mul_f64(0.5 + (mixed >> 40) as f64 / (1u64 << 24) as f64)
}

/// Appends a frame that no client should send; which one depends on the number.
fn nonsense(number: usize, out: &mut Vec<u8>) {
    match number % 8 {
        0 => frame::text(out, b"no JSON at all"),
        1 => frame::text(out, "[".repeat(4_000).as_bytes()),
        2 => frame::text(out, br#"{"type":"request","action":"echo"}"#),
        3 => frame::text(out, br#"{"id":"1","type":"request","action":"fly"}"#),
        4 => frame::text(out, br#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":" "}}"#),
        5 => frame::text(out, br#"{"id":"1","type":"request","action":"publish","payload":{"channel":7}}"#),
        6 => frame::text(out, br#"{"id":1,"type":2}"#),
        _ => frame::text(out, format!("{{\"id\":\"{}\"", "x".repeat(4_000)).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_spread_around_the_pause() {
        let rests: Vec<_> = (0..1000).map(|index| rest(Duration::from_secs(1), index, 0).as_millis()).collect();
        assert!(rests.iter().all(|ms| (500..=1500).contains(ms)));
        let early = rests.iter().filter(|ms| **ms < 1000).count();
        assert!((400..600).contains(&early), "{early}");
        assert_ne!(rest(Duration::from_secs(1), 7, 0), rest(Duration::from_secs(1), 7, 1));
    }
}
