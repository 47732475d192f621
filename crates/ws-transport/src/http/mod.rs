//! HTTP/1.1: one TCP connection until it ends or becomes a WebSocket, and the resources at its paths.
//!
//! A resource is one file: `health`, `ready`, `metrics`, `pages`, `ws`; those of the HTTP API are in `api`. It is a function from what it needs (the hub,
//! the request) to a [`Reply`], and may be async. To add one, write the file and give it a line in `hub_routes`. A
//! resource that takes a body reads it with [`Body::read`], which bounds its size and its time.

mod api;
mod body;
mod client;
mod cluster_metrics;
mod connection;
mod content;
mod exposition;
mod handshake;
mod health;
mod host;
mod hub_routes;
mod metric_text;
mod metrics;
mod metrics_routes;
mod nowhere;
mod origin;
mod pace;
mod pages;
mod query;
mod read_only;
mod ready;
mod reply;
mod routes;
mod run_metrics;
mod token;
mod upgrade_io;
mod ws;

pub(crate) use self::api::Api;
pub use self::api::{ApiKey, ApiRights};
pub(crate) use self::body::Body;
pub(crate) use self::client::Clients;
pub(crate) use self::connection::{Upgraded, serve};
pub(crate) use self::handshake::plain_handshake;
pub(crate) use self::hub_routes::HubRoutes;
pub(crate) use self::metrics::Metrics;
pub(crate) use self::metrics_routes::MetricsRoutes;
pub use self::origin::AllowedOrigin;
pub(crate) use self::pace::Patience;
pub(crate) use self::routes::{Answer, Routes};
pub(crate) use self::ws::Accepted;

#[cfg(test)]
mod tests;
