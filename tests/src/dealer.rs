//! A TCP proxy in front of several servers, which deals connections at random, as a load balancer does that remembers
//! nothing.
//!
//! To the servers, connections come from the addresses of their clients. A connection that no server accepts is closed.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::fault_proxy::Rng;

/// A running proxy. Dropping it ends it; its open connections go on.
#[derive(Debug)]
pub struct Dealer {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Dealer {
    /// One in front of these servers, on a port that the system chooses. The n-th connection goes where the seed says.
    pub async fn start(servers: Vec<SocketAddr>, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be bound");
        let addr = listener.local_addr().expect("an address");
        let servers: Arc<[SocketAddr]> = servers.into();
        let task = tokio::spawn(async move {
            let mut rng = Rng::new(seed, 0);
            while let Ok((client, from)) = listener.accept().await {
                let first = rng.range(0..=servers.len() as u64 - 1) as usize;
                tokio::spawn(deal(client, from, servers.clone(), first));
            }
        });
        Dealer { addr, task }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Dealer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects a client with the first of these servers that accepts it, beginning with one of them, until both have ended.
async fn deal(mut client: TcpStream, from: SocketAddr, servers: Arc<[SocketAddr]>, first: usize) {
    for at in 0..servers.len() {
        if let Ok(mut server) = connect(from, servers[(first + at) % servers.len()]).await {
            // Whoever resets one side has told the other one.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from.ip(), 0).into())?;
    let server = socket.connect(to).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server that says its name to whoever connects.
    async fn server(name: u8) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                client.write_all(&[name]).await.expect("it is read");
            }
        });
        (addr, task)
    }

    async fn who(dealer: &Dealer) -> u8 {
        let mut client = TcpStream::connect(dealer.addr()).await.expect("it listens");
        client.read_u8().await.expect("a server")
    }

    #[tokio::test]
    async fn connections_go_to_all_and_then_to_those_that_are_left() {
        let ((one, first), (two, _second)) = (server(1).await, server(2).await);
        let dealer = Dealer::start(vec![one, two], 7).await;
        let mut met = BTreeSet::new();
        for _ in 0..32 {
            met.insert(who(&dealer).await);
        }
        assert_eq!(met, BTreeSet::from([1, 2]));
        first.abort();
        assert!(first.await.is_err_and(|error| error.is_cancelled()), "nobody listens there any more");
        for _ in 0..8 {
            assert_eq!(who(&dealer).await, 2);
        }
    }
}
