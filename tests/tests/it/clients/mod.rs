//! Clients behind bad networks and servers that die: what they tell their users is true.

mod judged;
mod plain;
mod restarted;
mod rust;
mod stage;
