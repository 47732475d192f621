//! The hub driven by hand: sockets are buffers with as much room as a test gives them, time is paused.

mod canary;
mod channels;
mod client;
mod cluster;
mod delivery;
mod directory;
mod engine;
mod heartbeat;
mod histograms;
mod model;
mod operations;
mod rates;
mod requests;
mod threads;
mod tokens;
