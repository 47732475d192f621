//! Addresses of a name, and the race between them (RFC 8305, "Happy Eyeballs").
//!
//! The families take turns, beginning with the one that the system puts first. Each attempt has a head start before
//! the next one begins, and one that fails gives way at once. The first connection wins, the others are dropped. So
//! an address that nobody answers at costs a quarter of a second, not the whole attempt.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;
use url::Host;

use super::error::DialError;
use super::target::Target;

/// RFC 8305, section 5: "Connection Attempt Delay".
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses that are tried at most.
const ADDRESSES_MAX: usize = 16;

/// The addresses, in the order in which they are to be tried.
pub(super) async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, DialError> {
    let port = target.port();
    let host = match target.host() {
        Host::Ipv4(ip) => return Ok(vec![(ip, port).into()]),
        Host::Ipv6(ip) => return Ok(vec![(ip, port).into()]),
        Host::Domain(name) => name,
    };
    let failed = |reason: String| DialError::Resolve { host: host.to_owned(), reason };
    let found = lookup_host((host, port)).await.map_err(|error| failed(error.to_string()))?;
    let addrs = in_turn(found);
    if addrs.is_empty() { Err(failed("the name has no address".to_owned())) } else { Ok(addrs) }
}

/// One of each family in turn (RFC 8305, section 4).
fn in_turn(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut left: VecDeque<SocketAddr> = found.into_iter().collect();
    let mut ordered: Vec<SocketAddr> = Vec::new();
    while ordered.len() < ADDRESSES_MAX {
        let turn = ordered.last().map(|last| !last.is_ipv4());
        let next = left.iter().position(|addr| turn.is_none_or(|v4| addr.is_ipv4() == v4)).unwrap_or(0);
        match left.remove(next) {
            Some(addr) if ordered.contains(&addr) => {}
            Some(addr) => ordered.push(addr),
            None => break,
        }
    }
    ordered
}

/// The first connection to any of these addresses, without Nagle's algorithm.
pub(super) async fn connect(target: &Target, addrs: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
    let stream = race(addrs, TcpStream::connect).await;
    let stream = stream.and_then(|(addr, stream)| match stream.set_nodelay(true) {
        Ok(()) => Ok(stream),
        Err(error) => Err(vec![(addr, error.to_string())]),
    });
    stream.map_err(|tried| DialError::Connect { host: target.to_string(), tried })
}

async fn race<T, F>(
    addrs: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Vec<(SocketAddr, String)>>
where
    F: Future<Output = io::Result<T>>,
{
    let (mut left, mut running, mut failed) = (VecDeque::from(addrs), FuturesUnordered::new(), Vec::new());
    while let Some(addr) = left.pop_front() {
        let attempt = connect(addr);
        running.push(async move { (addr, attempt.await) });
        let head_start = sleep(HEAD_START);
        tokio::pin!(head_start);
        tokio::select! {
            Some((addr, result)) = running.next() => match result {
                Ok(stream) => return Ok((addr, stream)),
                Err(error) => failed.push((addr, error.to_string())),
            },
            () = &mut head_start => {}
        }
    }
    while let Some((addr, result)) = running.next().await {
        match result {
            Ok(stream) => return Ok((addr, stream)),
            Err(error) => failed.push((addr, error.to_string())),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    fn addrs(written: &[&str]) -> Vec<SocketAddr> {
        written.iter().map(|addr| addr.parse().expect("an address")).collect()
    }

    #[test]
    fn families_take_turns() {
        let check = |found: &[&str], order: &[&str]| assert_eq!(in_turn(addrs(found)), addrs(order));
        check(&[], &[]);
        check(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"]);
        check(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"], &["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]);
        check(&["1.1.1.1:1", "1.1.1.1:1"], &["1.1.1.1:1"]);
        let many: Vec<_> = (1..=40).map(|port| SocketAddr::from(([1, 1, 1, 1], port))).collect();
        assert_eq!(in_turn(many).len(), ADDRESSES_MAX);
    }

    /// Races ports: of each, after how many ms it answers, and whether well. Returns who won, when (ms), and when
    /// each attempt began.
    async fn raced(ports: &[(u64, bool)]) -> (Result<u16, usize>, u64, Vec<u64>) {
        let begun = Instant::now();
        let ms = move || begun.elapsed().as_millis() as u64;
        let attempts = Mutex::new(Vec::new());
        let addrs = (0..ports.len()).map(|port| SocketAddr::from(([1, 1, 1, 1], port as u16))).collect();
        let won = race(addrs, |addr| {
            attempts.lock().expect("not poisoned").push(ms());
            let (wait, is_well) = ports[addr.port() as usize];
            async move {
                sleep(Duration::from_millis(wait)).await;
                if is_well { Ok(()) } else { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) }
            }
        })
        .await;
        let won = won.map(|(addr, ())| addr.port()).map_err(|tried| tried.len());
        (won, ms(), attempts.into_inner().expect("not poisoned"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_wins() {
        const NEVER: u64 = 1_000_000;
        assert_eq!(raced(&[(10, true), (0, true)]).await, (Ok(0), 10, vec![0]));
        assert_eq!(raced(&[(NEVER, true), (10, true)]).await, (Ok(1), 260, vec![0, 250]));
        assert_eq!(raced(&[(300, true), (100, true)]).await, (Ok(0), 300, vec![0, 250]));
        assert_eq!(raced(&[(5, false), (10, true)]).await, (Ok(1), 15, vec![0, 5]));
        assert_eq!(
            raced(&[(NEVER, true), (NEVER, true), (1, false), (1, true)]).await,
            (Ok(3), 502, vec![0, 250, 500, 501])
        );
        assert_eq!(raced(&[(5, false), (400, false)]).await, (Err(2), 405, vec![0, 5]));
        assert_eq!(raced(&[(400, false)]).await, (Err(1), 400, vec![0]));
        assert_eq!(raced(&[(600, true), (NEVER, true)]).await, (Ok(0), 600, vec![0, 250]));
    }
}
