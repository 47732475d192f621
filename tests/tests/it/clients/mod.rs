//! Clients behind bad networks and servers that die: what they tell their users is true.

mod examples;
mod javascript;
mod judged;
mod pace;
mod plain;
mod requests;
mod restarted;
mod rust;
mod stage;
mod stores;
