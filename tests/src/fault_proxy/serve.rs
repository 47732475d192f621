//! The proxy's port: accepting, and refusing without giving it away.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::connection;
use super::link::Link;
use super::record::Gate;
use super::shared::Shared;

/// More than any test opens at once.
const BACKLOG: u32 = 4096;

/// Accepts that are remembered for the curve.
const ACCEPTS_MAX: usize = 1 << 20;

/// A port of loopback, bound and not listening: clients are refused, and the system gives it
/// to nobody who asks for any port.
pub(super) fn reserve() -> io::Result<TcpSocket> {
    bound(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Linux lets sockets with this option share a port as long as only one of them listens.
fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Runs until it is dropped, and all connections with it.
pub(super) async fn serve(shared: Arc<Shared>, place: TcpSocket) {
    let addr = place.local_addr().expect("it is bound");
    let mut connections = JoinSet::new();
    loop {
        let listener = bound(addr).and_then(|socket| socket.listen(BACKLOG)).expect("the port is ours");
        shared.listening.send_replace(true);
        accept(&shared, &listener, &mut connections).await;
        drop(listener);
        shared.listening.send_replace(false);
        refuse(&shared).await;
    }
}

/// Accepts until the gate says otherwise.
async fn accept(shared: &Arc<Shared>, listener: &TcpListener, connections: &mut JoinSet<()>) {
    let mut gate = shared.record.gate.subscribe();
    loop {
        tokio::select! {
            biased;
            closed = gate.wait_for(|gate| *gate != Gate::Open) => return drop(closed),
            Some(_) = connections.join_next() => {}
            // Errors of accept are those of the client that has gone.
            Ok((client, _)) = listener.accept() => begin(shared, client, connections),
        }
    }
}

fn begin(shared: &Arc<Shared>, client: TcpStream, connections: &mut JoinSet<()>) {
    let (link, upstream, nth) = shared.with(|state| {
        assert!(state.accepts.len() < ACCEPTS_MAX, "a test with over {ACCEPTS_MAX} connections");
        state.accepts.push(Instant::now());
        let nth = state.accepts.len() as u64;
        let link = Arc::new(Link::new(nth, state.plan.seed(), state.plan.steps(nth), shared.record.clone()));
        state.open.insert(nth, link.clone());
        (link, state.upstream, nth)
    });
    let shared = shared.clone();
    connections.spawn(async move {
        connection::run(client, upstream, &link).await;
        shared.with(|state| state.open.remove(&nth));
    });
}

/// Returns when the gate is open, or the time is over for which it was closed.
async fn refuse(shared: &Shared) {
    let mut gate = shared.record.gate.subscribe();
    loop {
        let until = match *gate.borrow_and_update() {
            Gate::Open => return,
            Gate::Refusing(until) => until,
        };
        let over = async {
            match until {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => drop(shared.record.gate.send_replace(Gate::Open)),
            _ = gate.changed() => {}
        }
    }
}
