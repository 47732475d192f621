//! Why a run could not be carried out. What goes wrong *during* a run is in its report instead.

use std::io;
use std::net::SocketAddr;

use ws_proto::ErrorCode;

use crate::socket::ConnectError;

/// Ends the program with exit code 1. Usage errors (exit code 2) are clap's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("connection {number} of {wanted}: {error}")]
    Opening { number: usize, wanted: usize, error: ConnectError },
    #[error(
        "{wanted} connections need {needed} open files, and the limit is {limit}: {fit} connections fit. \
         Raise the hard limit (`ulimit -Hn`, as root), or open fewer"
    )]
    Files { wanted: usize, needed: u64, limit: u64, fit: u64 },
    #[error(
        "{wanted} connections do not fit: this machine has {ports} ports for connections to one server address. \
         Widen net.ipv4.ip_local_port_range, open fewer, or run ws-bench on several machines \
         (only an IPv4 loopback address can be reached from several source addresses)"
    )]
    Ports { wanted: usize, ports: usize },
    #[error("--pid {pid}: {error}")]
    Process { pid: u32, error: io::Error },
    #[error(
        "--per-connection {per_connection}: a connection can subscribe to a channel only once, and there are {channels} \
         channels. Lower it, or raise --channels"
    )]
    PerConnection { per_connection: u64, channels: u64 },
    #[error("{action}: {done} of {wanted} done, then: {why}{}", hint(why))]
    Unfinished { action: &'static str, done: u64, wanted: u64, why: String },
    #[error("--upstream {address}: {error}")]
    Upstream { address: SocketAddr, error: io::Error },
    #[error("interrupted before anything was measured")]
    Interrupted,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What to do about the most common errors.
fn hint(why: &str) -> &'static str {
    let code = why.split(':').next();
    let is = |expect: ErrorCode| code == Some(expect.as_str());
    if is(ErrorCode::LimitExceeded) {
        " (raise limits.channels_per_connection_max of the server, or lower --per-connection)"
    } else if is(ErrorCode::RateLimited) {
        " (set limits.requests_per_second of the server to 0 for this run)"
    } else if is(ErrorCode::UnknownNamespace) {
        " (configure the namespace on the server, or leave out --namespace)"
    } else {
        ""
    }
}
