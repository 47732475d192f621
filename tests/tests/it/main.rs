//! End-to-end tests over real sockets, one file per subject.
//!
//! Each test has its own server, on a port that the system chooses. None sleeps to wait for something: they wait for
//! states, with deadlines that only a broken server misses.

mod api;
mod browser;
mod canary;
mod channels;
mod claude;
mod claude_api;
mod clients;
mod cluster;
mod doctor;
mod documents;
mod drain;
mod durable;
mod envelope;
mod flood;
mod foreign;
mod fuzz;
mod guard;
mod half_closed;
mod heartbeat;
mod held;
mod http;
mod identity;
mod js_client;
mod leak;
mod limits;
mod logs;
mod metrics;
mod monitoring;
mod package;
mod proxies;
mod recovery;
mod schemas;
mod seed;
mod shares;
mod slow;
mod start;
mod supervised;
mod tidy;
mod tls;

/// The server's own binary.
const SERVER: &str = env!("CARGO_BIN_EXE_ws-server-tested");
