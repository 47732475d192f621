//! Clients behind bad networks and servers that die: what they tell their users is true.

mod plain;
mod stage;
