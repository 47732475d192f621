//! The attackers: they open sockets and send nothing, send a handshake byte by byte, or flood the server with invalid
//! messages. Each starts again when the server has disconnected it, until its turn is over.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::frame;
use crate::lanes::Shared;
use crate::socket::{ConnectError, Ended, Socket};
use crate::target::Server;

/// Time between two bytes of a slow handshake.
const DRIP_EVERY: Duration = Duration::from_millis(500);
/// Wait after a failed connection.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Frames that a flooder sends at once: twice the error budget of a server with default settings.
const FLOOD_FRAMES: usize = 40;
/// How long a flooder waits to be disconnected.
const FLOOD_TIME_MAX: Duration = Duration::from_secs(15);

/// The attack of one turn, and its results.
#[derive(Debug)]
pub(super) struct Attack {
    pub(super) server: Server,
    /// How long a flooder waits before it reconnects.
    pub(super) pause: Duration,
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
}

/// What an attacker does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    HalfOpen,
    SlowDrip,
    Malformed,
}

impl Attack {
    pub(super) fn new(server: Server, pause: Duration) -> Attack {
        let zero = || AtomicU64::new(0);
        let (half_open, drips, floods, frames, refused, closed) = (zero(), zero(), zero(), zero(), zero(), zero());
        Attack { server, pause, over: Semaphore::new(0), half_open, drips, floods, frames, refused, closed }
    }

    /// Attacks until the turn is over. `index` tells the attackers apart.
    pub(super) async fn run(self: Arc<Self>, kind: Kind, index: usize, shared: Shared<()>) {
        let again = async {
            let mut rests = (0..).map(|nth| rest(self.pause, index as u64, nth));
            // Not all in one moment, or what is measured is the length of that queue.
            sleep(rests.next().unwrap_or_default()).await;
            loop {
                let done = match kind {
                    Kind::HalfOpen => self.half_open().await,
                    Kind::SlowDrip => self.slow_drip().await,
                    Kind::Malformed => {
                        self.flood(index, &shared).await;
                        sleep(rests.next().unwrap_or_default()).await;
                        Ok(())
                    }
                };
                if done.is_err() {
                    sleep(RETRY_AFTER).await;
                }
            }
        };
        tokio::select! {
            () = again => {}
            _ = self.over.acquire() => {}
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = if self.server.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.connect(self.server.address).await
    }

    /// Sends nothing until the server disconnects it.
    async fn half_open(&self) -> io::Result<()> {
        let mut stream = self.connect().await?;
        self.half_open.fetch_add(1, Relaxed);
        let mut rest = [0; 64];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }

    /// Sends a handshake one byte at a time until the server disconnects it.
    async fn slow_drip(&self) -> io::Result<()> {
        let mut stream = self.connect().await?;
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
