//! Why a run could not be carried out. What went wrong *in* a run that was carried out
//! stands in its report instead.

use std::io;

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
        "{wanted} connections do not fit: this machine has {ports} ports towards one server address. \
         Widen net.ipv4.ip_local_port_range, open fewer, or run ws-bench on several machines \
         (only an IPv4 loopback target is reached from several source addresses)"
    )]
    Ports { wanted: usize, ports: usize },
    #[error("--pid {pid}: {error}")]
    Process { pid: u32, error: io::Error },
    #[error("interrupted before anything was measured")]
    Interrupted,
    #[error("{0}")]
    Io(#[from] io::Error),
}
