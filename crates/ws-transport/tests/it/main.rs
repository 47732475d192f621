//! TLS over real sockets of loopback, with a client of rustls.

mod closing;
mod fanout;
mod files;
mod fixture;
mod handshake;
mod messages;
mod reload;
