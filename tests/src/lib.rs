//! The harness of the end-to-end tests: servers, clients, and ways to wait.
//!
//! * [`server`]: a server in this process; [`process`]: one in a separate process; each on a port that the system chooses.
//! * [`dealer`]: a proxy that deals connections to several servers.
//! * [`client`]: a WebSocket client that reads with deadlines. [`raw`]: bytes on a socket, for what no client library would send.
//! * [`fake_claude`]: the provider's Messages API, by script.
//! * [`fault_proxy`]: a bad network between a client and a server. [`oracle`]: whether clients behind it were told the
//!   truth.
//! * [`http`]: requests, answers and metrics. [`api`]: the HTTP API. [`chromium`]: the test page in a browser.
//! * [`redis`]: a Redis that servers share.
//! * [`tls`]: certificates, and clients that trust them.
//! * [`token`]: tokens, and servers that accept them.
//! * [`wait`]: every wait has a deadline and a name. [`require`]: programs that may be missing.
//!
//! Everything here panics if it does not get what it waits for: it is only called by tests.

pub mod api;
pub mod chromium;
pub mod client;
pub mod dealer;
mod devtools;
pub mod fake_claude;
pub mod fault_proxy;
pub mod http;
pub mod oracle;
pub mod process;
pub mod raw;
pub mod redis;
pub mod require;
mod response;
pub mod server;
pub mod tls;
pub mod token;
pub mod wait;

/// Everything that most tests use.
pub mod prelude {
    pub use crate::client::{Client, Frame};
    pub use crate::http::{self, Metrics};
    pub use crate::process::Process;
    pub use crate::raw::{self, Raw};
    pub use crate::require;
    pub use crate::server::Server;
    pub use crate::token;
    pub use crate::wait::{DEADLINE, until, within};
    pub use serde_json::{Value, json};
    pub use std::time::Duration;
}
